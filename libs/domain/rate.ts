// How fast a source may be read (architecture.md "Source protection"): the hard cap, and its shares. Adaptation to
// measured load replaces `decideRate` alone.
import type { JobRow } from '#schemas/rows'

/** A grant's life: the worker counts it from sending its report, the coordinator from the grant's ack. */
export const grantLifeMs = 10_000
/** Workers report this often. */
export const reportEveryMs = 3_000
/** Share of the source's peak that a job may take. */
const peakShare = 0.1

export interface RateDecision {
  /** null: unlimited. */
  readonly bytesPerSecond: number | null
  /** In words, for the log and for people. */
  readonly reason: string
}

type Limits = Pick<JobRow, 'throughputBytesPerSecond' | 'sourcePeakBytesPerSecond'>

/** The cap of one job: the least of its own limit and a tenth of the source's peak. */
export function decideRate(limits: Limits): RateDecision {
  const { throughputBytesPerSecond: limit, sourcePeakBytesPerSecond: peak } = limits
  const tenth = peak === null ? null : Math.floor(peak * peakShare)
  if (limit === null && tenth === null) {
    return { bytesPerSecond: null, reason: 'no limit was asked for and no peak of the source is known' }
  }
  if (tenth === null || (limit !== null && limit <= tenth)) return { bytesPerSecond: limit, reason: 'limit of the job' }
  return { bytesPerSecond: tenth, reason: '10 % of the peak of the source' }
}

export interface LiveGrant {
  readonly worker: string
  readonly bytesPerSecond: number | null
}

/**
 * What a worker may be granted now: an equal share among the workers that have work, never more than what the other
 * grants that still live leave of the cap.
 */
export function grantFor(cap: number | null, workers: number, others: readonly LiveGrant[]): number | null {
  if (cap === null) return null
  const taken = others.reduce((sum, grant) => sum + (grant.bytesPerSecond ?? cap), 0)
  return Math.max(0, Math.min(Math.floor(cap / Math.max(1, workers)), cap - taken))
}
