// How a schema registry is reached. It speaks Confluent's interface: Confluent, Apicurio (`/apis/ccompat/v7`), Karapace,
// Redpanda.
import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'

export interface RegistryAddress {
  readonly url: string
  readonly auth: { readonly username: string; readonly password: string } | null
  /** CA certificates (PEM file) beside the system's. */
  readonly caFile: string | null
  readonly clock: Clock
  readonly logger: Logger
  /** How long a registry that is away is waited for, before REGISTRY_UNREACHABLE; default 120 s. */
  readonly patienceMs?: number
}

export const patienceMsDefault = 120_000
/** For the answer to one request. */
export const answerMsMax = 5000

/** Throws CONFIG_INVALID for a URL that is none or holds a password: URLs stand in messages. */
export function assertUrl(url: string): void {
  const parsed = URL.parse(url)
  const isHttp = parsed !== null && ['http:', 'https:'].includes(parsed.protocol)
  if (!isHttp) throw new WaybillError('CONFIG_INVALID', { problem: 'the URL of the schema registry is none' })
  if (parsed.username !== '' || parsed.password !== '') {
    throw new WaybillError('CONFIG_INVALID', {
      problem: 'the URL of the schema registry holds a password: name and password are settings of their own',
    })
  }
}

/** undefined: the system's. Throws CONFIG_INVALID when the file cannot be read. */
export function trustedCertificates({ caFile }: Pick<RegistryAddress, 'caFile'>): string[] | undefined {
  if (caFile === null) return undefined
  try {
    return [...getCACertificates('default'), readFileSync(caFile, 'utf8')]
  } catch (error) {
    throw new WaybillError('CONFIG_INVALID', { caFile }, { cause: error })
  }
}
