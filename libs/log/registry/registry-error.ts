// Answers of a registry and errors on the way to it, classified where they come in.
import { type Facts, WaybillError } from '#libs/domain/errors'

/** An answer that is none of those that were asked for. */
export class RegistryAnswer extends Error {
  readonly status: number

  constructor(status: number, said: string) {
    super(`${status}: ${said}`)
    this.status = status
  }
}

const distrustCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/
const passing = new Set([408, 425, 429])
/** What the registry says may be long: some print whole schemas. */
const saidMax = 500

/** Status of an answer; null: there was none. */
export function statusOf(error: unknown): number | null {
  const status: unknown = error instanceof Error && 'status' in error ? error.status : null
  return typeof status === 'number' ? status : null
}

/** The client of @kafkajs tells an error on the way as an answer 400 without a body of JSON. */
export function isOnTheWay(error: unknown): boolean {
  return error instanceof Error && statusOf(error) === 400 && /Error, status 400\b/.test(error.message)
}

function codeOfSystem(error: Error): string | null {
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.cause instanceof Error ? codeOfSystem(error.cause) : null
}

export function saidBy(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, saidMax)
}

/**
 * REGISTRY_DENIED: credentials, rights, certificates. REGISTRY_UNREACHABLE: it is away, or has an inner error.
 * CONFIG_INVALID: it answers, and not as a registry. What comes from nowhere of these is a mistake and stays what it is.
 */
export function registryError(error: unknown, facts: Facts): unknown {
  if (!(error instanceof Error) || error instanceof WaybillError) return error
  const status = statusOf(error)
  const code = codeOfSystem(error)
  const said = { ...facts, reason: code ?? saidBy(error) }
  if (status === 401 || status === 403 || (code !== null && distrustCodes.test(code))) {
    return new WaybillError('REGISTRY_DENIED', said, { cause: error })
  }
  const isAway = status === null ? code !== null : status >= 500 || passing.has(status) || isOnTheWay(error)
  if (isAway) return new WaybillError('REGISTRY_UNREACHABLE', said, { cause: error })
  if (status !== null) return new WaybillError('CONFIG_INVALID', said, { cause: error })
  return error
}
