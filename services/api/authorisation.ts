// Who asks, and what they may do. Denied unless a rule says otherwise: every route names its scope in schemas/api/routes.ts.
import type { FastifyRequest } from 'fastify'
import { type Scope, scopes } from '#schemas/api/scopes'
import type { ApiContext, Principal } from './context.ts'
import { ApiProblem } from './problems.ts'

export type Listening = 'socket' | 'loopback' | 'network'

export const everyScope: ReadonlySet<Scope> = new Set(scopes)
const nobody: Principal = { name: 'anonymous', scopes: new Set() }

const challenge = { 'www-authenticate': 'Bearer realm="waybill"' }

function bearerOf(header: string | undefined): string | null {
  const match = /^Bearer ([A-Za-z0-9_-]{1,200})$/i.exec(header ?? '')
  return match?.[1] ?? null
}

/** Names under which the loopback address is reached by those who mean it: a page of elsewhere brings its own (DNS rebinding). */
const loopbackHost = /^(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?$/i

function principalWithoutTokens(request: FastifyRequest, context: ApiContext, listening: Listening): Principal {
  if (listening !== 'socket' && !loopbackHost.test(request.headers.host ?? '')) {
    throw new ApiProblem('HOST_REFUSED')
  }
  return { name: context.localActor, scopes: everyScope }
}

/**
 * The principal of a request, allowed to use a route of that scope. Throws TOKEN_MISSING, TOKEN_INVALID, SCOPE_MISSING,
 * HOST_REFUSED.
 */
export async function authorise(
  request: FastifyRequest,
  context: ApiContext,
  listening: Listening,
  scope: Scope | null,
): Promise<Principal> {
  const { tokens } = context
  if (listening === 'socket' || tokens === null) return principalWithoutTokens(request, context, listening)
  const { authorization } = request.headers
  if (authorization === undefined) {
    if (scope === null) return nobody
    throw new ApiProblem('TOKEN_MISSING', { headers: challenge })
  }
  const text = bearerOf(authorization)
  const token = text === null ? null : await tokens.find(text)
  if (token === null) {
    if (scope === null) return nobody
    throw new ApiProblem('TOKEN_INVALID', {
      headers: { 'www-authenticate': 'Bearer realm="waybill", error="invalid_token"' },
    })
  }
  const principal: Principal = { name: token.name, scopes: token.scopes }
  if (scope !== null && !principal.scopes.has(scope) && !principal.scopes.has('admin')) {
    throw new ApiProblem('SCOPE_MISSING', { detail: `this needs a token of the scope ${scope}` })
  }
  return principal
}
