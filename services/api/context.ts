// What the handlers of the API work with.
import type { EventLog } from '#libs/log/event-log'
import type { EventWriter } from '#libs/log/event-writer'
import type { Projection } from '#libs/projection/projection'
import type { Sink } from '#libs/report/output'
import type { Clock } from '#libs/runtime/clock'
import type { Connections } from '#libs/runtime/connection-places'
import type { Logger } from '#libs/runtime/logger'
import type { TokenBook } from '#libs/runtime/tokens'
import type { Scope } from '#schemas/api/scopes'
import type { Cursors } from './cursors.ts'
import type { EventFeed } from './event-feed.ts'
import type { Metrics } from './metrics.ts'
import type { PaceBook } from './pace-book.ts'
import type { PartitionCounts } from './position-text.ts'
import type { StreamBook } from './stream-book.ts'
import type { WebhookOptions } from './webhook.ts'

/** Bounds of the API; each is reached without harm to the process. */
export interface ApiLimits {
  readonly bodyBytesMax: number
  /** Of one principal; twice as many may come at once. */
  readonly requestsPerSecond: number
  readonly streamsMax: number
  readonly streamsOfPrincipalMax: number
  /** Long polls and waits for a position. */
  readonly waitsMax: number
  readonly positionWaitMs: number
  /** Of a long poll, whatever it asks for. */
  readonly statusWaitMs: number
  /** Migrations that have not ended, over all. */
  readonly openMigrationsMax: number
  readonly connectionsMax: number
  readonly requestMs: number
  readonly headersMs: number
  /** From the wish to stop to the end of all connections. */
  readonly closeMs: number
}

export const defaultLimits: ApiLimits = {
  bodyBytesMax: 64 * 1024,
  requestsPerSecond: 500,
  streamsMax: 2_000,
  streamsOfPrincipalMax: 2_000,
  waitsMax: 2_000,
  positionWaitMs: 10_000,
  statusWaitMs: 60_000,
  openMigrationsMax: 1_000,
  connectionsMax: 5_000,
  requestMs: 15_000,
  headersMs: 10_000,
  closeMs: 5_000,
}

/** Who asks. */
export interface Principal {
  /** Name of the token, or what stands for those who need none. */
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

/** Where the reports of jobs come from: the API makes none itself. */
export interface ReportSource {
  /** Writes the master form (ndjson) of the newest pass. */
  writeMaster(job: string, sink: Sink): Promise<void>
}

export interface ApiOptions {
  readonly projection: Projection
  readonly writer: EventWriter
  readonly log: EventLog
  readonly partitionCounts: PartitionCounts
  readonly clock: Clock
  readonly logger: Logger
  readonly connections: Connections
  readonly listen:
    | { readonly host: string; readonly port: number }
    /** Connections of a socket that someone else listens on are handed over (RunningApi.accept). */
    | 'handed over'
  /** null: none are configured; then the loopback address alone is served. A socket needs none. */
  readonly tokens: TokenBook | null
  /** What stands as actor of those who come over a socket, or over loopback without tokens. */
  readonly localActor: string
  readonly software: string
  readonly process: string
  /** 32 bytes: signs cursors. Processes that share it take each other's. */
  readonly cursorKey: Buffer
  readonly reports: ReportSource | null
  /** Folder for reports that are being rendered. */
  readonly scratchFolder: string
  /** Payload bytes in flight in this process; null: it moves none. */
  readonly inflightBytes: (() => number) | null
  /** Told of the end of every pass; absent: nobody. */
  readonly webhook?: WebhookOptions | null
  readonly limits?: Partial<ApiLimits>
}

export interface ApiContext extends Omit<ApiOptions, 'limits' | 'listen'> {
  readonly limits: ApiLimits
  readonly cursors: Cursors
  readonly feed: EventFeed
  readonly pace: PaceBook
  readonly streams: StreamBook
  readonly metrics: Metrics
  /** Wall clock, ms. */
  readonly startedAt: number
  /** Aborts when the API closes. */
  readonly closing: AbortSignal
  /** Why requests are not to be sent here; null: they may be. */
  readonly unreadyReason: () => Promise<string | null>
}
