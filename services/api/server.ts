// The HTTP server: routes from the table, limits, and one form for every error.
import { createHash } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { TSchema } from 'typebox'
import type { ProblemCode } from '#schemas/api/problems'
import { problemTable } from '#schemas/api/problems'
import { type Asked, type Route, type RouteName, routeTable } from '#schemas/api/routes'
import { authorise, type Listening } from './authorisation.ts'
import type { Call, Handler, Handlers } from './calls.ts'
import type { ApiContext, Principal } from './context.ts'
import { pageStyle } from './docs-page.ts'
import { parseBody } from './json-body.ts'
import { positionHeader } from './position-text.ts'
import { ApiProblem, problemBody, problemOf, problemType } from './problems.ts'
import { RequestPace } from './request-pace.ts'
import { awaitPosition } from './waiting.ts'

const styleHash = createHash('sha256').update(pageStyle).digest('base64')

/** On every answer. Nothing of the API is to be kept, framed, guessed at or run. */
const everyHeader: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

/** `{job_id}` as the router writes it. */
const routerPath = (path: string): string => path.replace(/\{([a-z_]+)\}/g, ':$1')

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: ApiProblem): FastifyReply {
  const { status } = problemTable[problem.code]
  // A body that was not read to its end would be taken for the next request.
  if (problem.code === 'BODY_TOO_LARGE' || problem.code === 'REQUEST_TIMEOUT') reply.header('connection', 'close')
  return reply
    .status(status)
    .headers({ ...everyHeader, ...problem.parts.headers })
    .type(problemType)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(request.method === 'HEAD' ? undefined : problemBody(problem.code, problem.parts))
}

function tellUnexpected(context: ApiContext, request: FastifyRequest, problem: ApiProblem): void {
  if (problem.code !== 'INTERNAL' && problem.code !== 'LOG_UNAVAILABLE') return
  const route = request.routeOptions.url ?? 'none'
  context.logger.error({ code: problem.code, route, error: problem.cause }, 'request failed')
}

interface Matcher {
  readonly pattern: RegExp
  readonly methods: readonly string[]
}

function matchers(): readonly Matcher[] {
  const byPath = new Map<string, string[]>()
  for (const { path, method } of Object.values<Route>(routeTable))
    byPath.set(path, [...(byPath.get(path) ?? []), method])
  return [...byPath].map(([path, methods]) => ({
    pattern: new RegExp(`^${path.replace(/\{[a-z_]+\}/g, '[^/]+')}$`),
    methods,
  }))
}

/** No route fits: another method may. */
function unknownPage(request: FastifyRequest, known: readonly Matcher[]): ApiProblem {
  const path = request.url.split('?')[0] ?? ''
  const found = known.find(({ pattern }) => pattern.test(path))
  if (found === undefined) return new ApiProblem('NOT_FOUND')
  return new ApiProblem('METHOD_NOT_ALLOWED', { headers: { allow: found.methods.join(', ') } })
}

/** What the HTTP parser refuses never becomes a request: answered by hand. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const codes: Readonly<Record<string, ProblemCode>> = {
    HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
    ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
  }
  const code = codes[error.code ?? ''] ?? 'REQUEST_INVALID'
  const body = JSON.stringify(
    problemBody(code, code === 'REQUEST_INVALID' ? { detail: 'this is no HTTP/1.1 request' } : {}),
  )
  const { status } = problemTable[code]
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${problemType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

const principals = new WeakMap<FastifyRequest, Principal>()

function callOf(context: ApiContext, request: FastifyRequest, reply: FastifyReply): Call {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const principal = principals.get(request)
  if (principal === undefined) throw new Error('a handler was reached without a principal')
  return { context, principal, request, reply, signal: AbortSignal.any([gone.signal, context.closing]) }
}

function minPosition(query: unknown): string | undefined {
  const value = typeof query === 'object' && query !== null && 'min_position' in query ? query.min_position : undefined
  return typeof value === 'string' ? value : undefined
}

async function answer<K extends RouteName>(
  handler: Handler<K>,
  call: Call,
  asked: Asked<K>,
): Promise<FastifyReply | undefined> {
  const { context, reply } = call
  await awaitPosition(call, minPosition(asked.query))
  // Taken before the rows are read: what is answered is at least as new.
  const position = positionHeader(context.projection.positions(), context.partitionCounts)
  reply.headers({ ...everyHeader, ...(position === '' ? {} : { 'waybill-position': position }) })
  const outcome = await handler(asked, call)
  if (outcome === 'taken') return undefined
  return reply
    .status(outcome.status)
    .headers(outcome.headers ?? {})
    .send(outcome.body)
}

function schemaOf(route: Route): Readonly<Record<string, unknown>> {
  const { params, query, headers, body, answers } = route
  const response = Object.entries(answers).filter(([, { schema }]) => schema !== null)
  const parts: Readonly<Record<string, TSchema | undefined>> = { params, querystring: query, headers, body }
  return {
    ...Object.fromEntries(Object.entries(parts).filter(([, schema]) => schema !== undefined)),
    ...(response.length === 0
      ? {}
      : { response: Object.fromEntries(response.map(([status, { schema }]) => [status, schema])) }),
  }
}

function addRoute(app: FastifyInstance, context: ApiContext, name: RouteName, handler: Handler<RouteName>): void {
  const route: Route = routeTable[name]
  app.route({
    method: route.method,
    url: routerPath(route.path),
    schema: schemaOf(route),
    config: { scope: route.scope, path: route.path },
    handler: async (request, reply) => {
      const { params, query, headers, body } = request
      // Checked by the schemas of the same table.
      return answer(handler, callOf(context, request, reply), { params, query, headers, body } as never)
    },
  })
}

function addHooks(app: FastifyInstance, context: ApiContext, listening: Listening, known: readonly Matcher[]): void {
  const pace = new RequestPace(context.limits.requestsPerSecond)
  app.addHook('onRequest', async (request) => {
    if (context.closing.aborted) throw new ApiProblem('STOPPING', { headers: { connection: 'close' } })
    if (listening !== 'socket') pace.take(request.ip, context.clock.monotonic())
    // Before the body is looked at: what it would be refused for says nothing of a page that does not exist.
    if (request.is404) throw unknownPage(request, known)
    const { config } = request.routeOptions
    const scope = 'scope' in config ? (config.scope as Route['scope']) : null
    principals.set(request, await authorise(request, context, listening, scope))
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { config } = request.routeOptions
    const path = 'path' in config ? String(config.path) : 'none'
    context.metrics.answered(`${request.method} ${path}`, reply.statusCode, reply.elapsedTime / 1000)
    done()
  })
}

/** A server that is not listening yet. */
export function createServer(context: ApiContext, handlers: Handlers, listening: Listening): FastifyInstance {
  const { limits } = context
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestMs,
    connectionTimeout: 0,
    keepAliveTimeout: 30_000,
    maxRequestsPerSocket: 10_000,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 128, ignoreTrailingSlash: false, caseSensitive: true },
    http: {
      maxHeaderSize: 64 * 1024,
      headersTimeout: limits.headersMs,
      // Without this Node looks for slow requests each 30 s only.
      connectionsCheckingInterval: 1_000,
      insecureHTTPParser: false,
    },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, problemOf(error)),
    ajv: {
      customOptions: {
        strict: true,
        strictTypes: false,
        allErrors: true,
        // Mistakes come with the description of what they do not fit.
        verbose: true,
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        validateFormats: true,
      },
    },
  })
  app.server.maxConnections = limits.connectionsMax
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseBody(body as Buffer))
    } catch (error) {
      done(error as Error, undefined)
    }
  })
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    tellUnexpected(context, request, problem)
    return sendProblem(request, reply, problem)
  })
  const known = matchers()
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, unknownPage(request, known)))
  addHooks(app, context, listening, known)
  for (const [name, handler] of Object.entries(handlers))
    addRoute(app, context, name as RouteName, handler as Handler<RouteName>)
  return app
}
