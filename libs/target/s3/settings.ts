// What has to be known to reach a bucket. Nothing here is read from the environment: libs/runtime/environment.ts does.
import type { ObjectOptions } from '#libs/domain/object-options'
import type { Clock, Random } from '#libs/runtime/clock'

export interface S3Identity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

/**
 * chain     the SDK's usual chain (environment, profiles, SSO, web identity, containers, instances), with refresh
 * provider  a function of the caller, asked again when what it gave has expired
 */
export type S3Credentials =
  | { readonly kind: 'chain'; readonly profile: string | null }
  | { readonly kind: 'provider'; readonly provide: () => Promise<S3Identity> }

export interface S3Proxies {
  readonly http: string | null
  readonly https: string | null
  /** Hosts reached without a proxy: names, suffixes, addresses, `*`. */
  readonly none: readonly string[]
}

export interface S3Deadlines {
  /** No byte moved, neither way. */
  readonly stallMs: number
  /** From the last byte of a body to the first of its answer. */
  readonly answerMs: number
  /** The same for requests that make the store work: complete an upload, copy a part. */
  readonly longAnswerMs: number
  readonly connectMs: number
}

export interface S3Settings {
  readonly bucket: string
  /** Without leading slash; a trailing one is added where missing. Empty: the whole bucket. */
  readonly prefix: string
  /** null: AWS. The SDK reads `endpoint_url` of the default profile only, never of one that is named here. */
  readonly endpoint: string | null
  /** null: `us-east-1` where an endpoint is given, else what the chain says. */
  readonly region: string | null
  readonly isPathStyle: boolean
  readonly credentials: S3Credentials
  /** Name of the job, as in the marks of its objects. */
  readonly job: string
  /** PEM file with certificates to trust beside those of the system. */
  readonly caFile: string | null
  readonly proxies: S3Proxies
  /** Set on every object that is written. */
  readonly objectOptions: ObjectOptions
  /** Connections of each role at most. */
  readonly connectionsMax: number
  readonly clock: Clock
  readonly random: Random
  readonly deadlines: S3Deadlines
}

export const defaultDeadlines: S3Deadlines = {
  stallMs: 25_000,
  answerMs: 60_000,
  longAnswerMs: 300_000,
  connectMs: 10_000,
}

export const noProxies: S3Proxies = { http: null, https: null, none: [] }
