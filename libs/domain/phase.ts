// What a job does now, in one word, and what limits it: one answer for the screen, the command line and the API.
import type { JobRow, ListingRow, TallyRow } from '#schemas/rows'
import { isAtRest } from './job-control.ts'
import { pendingOf } from './tally.ts'

/**
 * starting: state is opened, the target is tried. scanning: the source is listed and nothing is moved yet.
 * moving: bytes are copied and read back, perhaps while listing goes on. reconciling: the target is listed and compared.
 * finishing: uploads are swept, directories finished, the report made.
 */
export const phases = [
  'starting',
  'scanning',
  'moving',
  'verifying',
  'reconciling',
  'finishing',
  'complete',
  'stopped',
] as const
export type Phase = (typeof phases)[number]

export function phaseOf(job: JobRow, listing: ListingRow, tally: TallyRow): Phase {
  if (job.control !== 'running') return 'stopped'
  if (job.pass > 0 && job.passesCompleted === job.pass) return job.roundCause === 'verify' ? 'verifying' : 'complete'
  if (job.probedForPass < job.pass) return 'starting'
  if (tally.chunksPlanned === 0 && job.lastPage === null) return 'scanning'
  if (job.lastPage === null || pendingOf(tally).items > 0 || tally.owed > 0) return 'moving'
  const isCompared = listing.compared.isDone && listing.comparedPages === listing.pages
  return isCompared || job.request.reconcile === 'none' ? 'finishing' : 'reconciling'
}

/**
 * What limits a job, in words.
 * @param targetLimit what the target's answers say limits it; null: nothing, or not known here.
 */
export function limitOf(
  job: Pick<JobRow, 'control' | 'controlReason' | 'pass' | 'passesCompleted' | 'passAsked' | 'roundCause'>,
  rate: { readonly reason: string; readonly bytesPerSecond: number | null } | undefined,
  targetLimit: string | null,
): string {
  if (job.control === 'paused') return `paused: ${job.controlReason}`
  // A store that asks to slow down is slower than any rate that is granted.
  if (targetLimit !== null) return targetLimit
  if (job.control === 'cancelled') return 'nothing: it was cancelled'
  // Reading the target again is no work at the source, whose rate does not limit it.
  if (isAtRest(job)) return job.roundCause === 'verify' ? 'this machine' : 'nothing: it has ended'
  if (rate !== undefined && rate.bytesPerSecond !== null) return rate.reason
  return 'this machine'
}
