// What the roles tell about a run, in plain numbers: the only thing the progress view knows of them.
import type { Phase } from '#libs/domain/phase'
import type { Outcome } from '#schemas/records'

export interface ProgressSnapshot {
  readonly job: string
  readonly pass: number
  readonly phase: Phase
  /** The listing of this pass ended: totals are final. */
  readonly isTotalKnown: boolean
  /** Listed so far; the total once it is known. Bytes that need no move are left out. */
  readonly totalItems: number
  readonly totalBytes: number
  readonly copiedBytes: number
  readonly verifiedBytes: number
  readonly mismatches: number
  readonly items: Readonly<Record<Outcome, number>>
  readonly chunks: {
    readonly planned: number
    /** Verified or otherwise final. */
    readonly done: number
    readonly inFlight: number
    readonly retrying: number
  }
  /** What limits the run now, in words: `target (503 SlowDown, 41/min)`, `--throughput 400GB/h`, `source disk`. */
  readonly limitedBy: string
  /** Why it ended before all was done, in words; null while it runs and when all is done. */
  readonly stoppedBecause: string | null
}

/** Items that reached an outcome, whichever. */
export function itemsDone(snapshot: ProgressSnapshot): number {
  return snapshot.totalItems - snapshot.items.pending
}

/** Items with an outcome a person must look at. */
export function itemsFailed(snapshot: ProgressSnapshot): number {
  const { failed, mismatched, missing, changed, unverifiable } = snapshot.items
  return failed + mismatched + missing + changed + unverifiable
}
