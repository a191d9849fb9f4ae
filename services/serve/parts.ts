// What every part of one serving process works with.
import type { ErrorCode } from '#libs/domain/errors'
import type { EventLog } from '#libs/log/event-log'
import type { EventWriter } from '#libs/log/event-writer'
import type { GroupRole, Membership } from '#libs/log/membership'
import type { Projection } from '#libs/projection/projection'
import type { SigningKey } from '#libs/report/keys'
import type { Clock, Random } from '#libs/runtime/clock'
import type { ClusterSettings } from '#libs/runtime/cluster-settings'
import type { Logger } from '#libs/runtime/logger'
import type { RoleContext } from '#libs/runtime/role'
import type { Source } from '#libs/source/source'
import type { StateStore } from '#libs/store/state-store'
import type { Target } from '#libs/target/target'
import type { JobRequest } from '#schemas/records'
import type { SourceKnowledge } from '../coordinator/granting.ts'

/** Source and targets of a job, as this process reaches them. */
export interface JobEnds {
  readonly source: Source
  readonly target: Target
  /** The verifier's own, where it has credentials of its own. */
  readonly readTarget: Target
}

export interface ServeOptions {
  readonly settings: ClusterSettings
  readonly log: EventLog
  readonly store: StateStore
  /** Joins the group of a role; called once the log is folded to its end. */
  readonly join: (role: GroupRole) => Promise<Membership>
  /** Throws LOCATION_REFUSED and what opening throws. */
  readonly openEnds: (job: string, request: JobRequest) => Promise<JobEnds>
  /** Code why a request cannot be accepted; null: it can. */
  readonly refusalOf: (request: JobRequest) => string | null
  readonly signingKey: SigningKey | null
  /** What is configured of sources; absent: limits of jobs and the latency of reads protect them. */
  readonly knowledge?: SourceKnowledge
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly software: string
  /** Random, so that no two lives of an instance have one name. */
  readonly incarnation: string
  /** An effect did not return after it was aborted: only the end of the process ends it (rule 3). */
  readonly onStuck: (code: ErrorCode) => void
  readonly signal: AbortSignal
}

export interface ServeParts extends ServeOptions {
  /** Name of this process in this life: instance and incarnation. */
  readonly process: string
  readonly projection: Projection
  readonly writer: EventWriter
  readonly counts: Awaited<ReturnType<EventLog['partitionCounts']>>
}

/** How often a role looks at the state for what only time changes, and waits after an effect that failed. */
const pauses = { idleMs: 1_000, retryMs: 2_000 } as const

export function roleContext({ projection, writer, clock }: ServeParts, signal: AbortSignal): RoleContext {
  return { projection, writer, clock, ...pauses, signal }
}
