// What moving a chunk needs from its role: ports, limits and the right to act.
import type { ErrorCode } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { Source } from '#libs/source/source'
import type { TargetWriter } from '#libs/target/target'
import type { Extent, JobRequest } from '#schemas/records'
import type { ByteBudget } from './byte-budget.ts'
import type { ReadGate } from './read-gate.ts'
import type { ReadTimes } from './read-times.ts'
import type { RequestSlots } from './request-slots.ts'

/** The standing lease that the work is done under. */
export interface ChunkLease {
  readonly job: string
  readonly claim: string
  readonly epoch: number
  readonly chunk: string
  readonly attempt: number
}

export interface MoveContext {
  readonly source: Source
  readonly writer: TargetWriter
  readonly budget: ByteBudget
  readonly gate: ReadGate
  readonly clock: Clock
  /** Shared by all chunks of the process; a pack keeps at most `slotsMax` items at work. */
  readonly slots: RequestSlots
  readonly overwrite: JobRequest['overwrite']
  /** Ask for the object before the first byte; left out on attempt 1 of a target that the probe found empty. */
  readonly looksFirst: boolean
  /** Digest that the log holds for the object an extent replaces; equal to the one read: no bytes are sent. */
  readonly loggedDigest?: (extent: Extent) => Promise<Buffer | null>
  /** How long reads at the source take, for the worker's reports. */
  readonly readTimes?: ReadTimes
  readonly onBytes?: (phase: 'read' | 'written', bytes: number) => void
  /** A call of a port was aborted and has not returned within 5 s: only the end of the process ends it. */
  readonly onStuck?: (code: ErrorCode) => void
  /** Aborts for pause, fence and shutdown. */
  readonly signal: AbortSignal
  /** Called before each request; waits until the fence is known and throws when it is lost. */
  readonly mustStillHold: () => void | Promise<void>
}
