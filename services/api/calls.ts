// How a handler is called and what it gives back.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Asked, RouteName } from '#schemas/api/routes'
import type { ApiContext, Principal } from './context.ts'

export interface Call {
  readonly context: ApiContext
  readonly principal: Principal
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Aborts when the client went away or the API closes. */
  readonly signal: AbortSignal
}

export interface Told {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** `taken`: the handler answers by itself, on the raw response. */
export type Outcome = Told | 'taken'

export type Handler<K extends RouteName> = (asked: Asked<K>, call: Call) => Promise<Outcome>
export type Handlers = { readonly [K in RouteName]: Handler<K> }

export function told(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Told {
  return { status, body, headers }
}
