// What a `waybill serve` process is configured with; services/cli reads it from the configuration file.
import type { ConnectionOptions } from 'node:tls'
import type { Place, S3Access, SignalSettings } from './adapters.ts'
import type { ApiSettings } from './api-settings.ts'

export type RoleName = 'coordinator' | 'worker' | 'verifier' | 'api'

export type SaslSettings = {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

export interface RegistrySettings {
  readonly url: string
  readonly auth: { readonly username: string; readonly password: string } | null
  /** CA certificates (PEM file) beside the system's. */
  readonly caFile: string | null
}

export interface KafkaSettings {
  readonly kind: 'kafka'
  /** `host:port` of some of the cluster's brokers. */
  readonly brokers: readonly string[]
  readonly ssl: ConnectionOptions | boolean
  readonly sasl: SaslSettings | null
  /** Topics and groups are called `PREFIX.jobs` and so on. */
  readonly topicPrefix: string
  /** null: the schema ids of the program's own table. */
  readonly registry: RegistrySettings | null
}

export type LogSettings =
  | KafkaSettings
  /** Segment files below the state folder: one process with every role. */
  | { readonly kind: 'embedded' }

/** What `@NAME` stands for in the locations of requests. Requests name nothing else. */
export interface ConnectionSettings {
  readonly name: string
  readonly place: Place
  /** null: the usual chain. */
  readonly profile: string | null
  /** Profile of the verifier's own credentials; null: the same. */
  readonly verifyProfile: string | null
  /** How it is protected as a source; absent: by limits of jobs and the latency of reads. */
  readonly protection?: ProtectionSettings
}

export interface ProtectionSettings {
  /** What it can deliver; a tenth of that is a hard limit. null: not declared. */
  readonly peakBytesPerSecond: number | null
  /** Signals of its load, asked by coordinators. */
  readonly signals: readonly SignalSettings[]
}

export interface ClusterSettings {
  readonly roles: readonly RoleName[]
  readonly log: LogSettings
  /** Store, reports and, embedded, the log of this process. */
  readonly stateFolder: string
  /** Name of this process in groups, claims and grants: the same after a restart, unique in the cluster. */
  readonly instance: string
  readonly connections: ReadonlyMap<string, ConnectionSettings>
  readonly caFile: string | null
  readonly proxies: S3Access['proxies']
  /** Payload buffers of this process, in bytes. */
  readonly memoryBytes: number
  /** Requests in flight a role. */
  readonly requestsMax: number
  /** Chunks worked on at a time a role. */
  readonly chunksMax: number
  /** Limit of what this process reads at sources, in bytes a second, whatever it is granted; null: none. */
  readonly sourceRateBytesPerSecond: number | null
  /** PEM file of the key that signs reports; null: they are not signed. */
  readonly signingKeyFile: string | null
  /** For the role api. */
  readonly api: ApiSettings
}
