// What the rows say of one migration, and how the API shows it.

import { createHash } from 'node:crypto'
import { capsOf, estimateCompletion } from '#libs/domain/completion-estimate'
import { failureReasonOf, type JobStatus, statusOf, totalsOf } from '#libs/domain/job-control'
import { keyOf } from '#libs/domain/keys'
import { limitOf, phaseOf } from '#libs/domain/phase'
import { rateSourceOf } from '#libs/domain/rate'
import { emptyListing, emptyTally } from '#libs/domain/rows'
import type { Migration } from '#schemas/api/migration'
import type { JobRequest } from '#schemas/records'
import type { JobRow, ListingRow, RowOf, TallyRow } from '#schemas/rows'
import type { ApiContext } from './context.ts'
import { ApiProblem } from './problems.ts'

export interface JobSight {
  readonly job: string
  readonly request: JobRequest
  /** undefined: asked for and not accepted yet. */
  readonly row: JobRow | undefined
  readonly tally: TallyRow
  readonly listing: ListingRow
  readonly rate: RowOf<'rate'> | undefined
  readonly status: JobStatus
}

type Reading = Pick<ApiContext, 'projection'>

/** null: there is no such migration. */
export async function findJob({ projection }: Reading, job: string): Promise<JobSight | null> {
  const { rows } = projection
  const [row, tally = emptyTally] = await Promise.all([rows.get(keyOf.job(job)), rows.get(keyOf.tally(job))])
  if (row === undefined) {
    const [asked] = await rows.slice('request', `request/${job}/`, 1)
    if (asked === undefined) return null
    const { request } = asked.row
    return { job, request, row, tally, listing: emptyListing, rate: undefined, status: 'pending' }
  }
  const listing = (await rows.get(keyOf.listing(job, row.pass))) ?? emptyListing
  const rate = await rows.get(keyOf.rate(rateSourceOf(row.request.source)))
  return { job, request: row.request, row, tally, listing, rate, status: statusOf(row, tally) }
}

/** Throws MIGRATION_UNKNOWN. */
export async function knownJob(context: Reading, job: string): Promise<JobSight> {
  const sight = await findJob(context, job)
  if (sight === null) throw new ApiProblem('MIGRATION_UNKNOWN')
  return sight
}

const bytesOfGigabyte = 1_000_000_000

/** A limit is hard: rounded down. */
export function bytesPerSecondOf(gigabytesPerHour: number): number {
  return Math.max(1, Math.floor((gigabytesPerHour * bytesOfGigabyte) / 3600))
}

/** Rounded to what a person typed. */
function gigabytesPerHourOf(bytesPerSecond: number | null): number | null {
  return bytesPerSecond === null ? null : Math.round((bytesPerSecond * 3600) / (bytesOfGigabyte / 1000)) / 1000
}

export type Limits = Pick<
  JobRow,
  'throughputBytesPerSecond' | 'throughputTimetable' | 'sourcePeakBytesPerSecond' | 'workersMax' | 'priority'
>

export function limitsOf({ row, request }: JobSight): Limits {
  const { throughputBytesPerSecond, throughputTimetable, sourcePeakBytesPerSecond, workersMax, priority } =
    row ?? request
  return { throughputBytesPerSecond, throughputTimetable, sourcePeakBytesPerSecond, workersMax, priority }
}

/** Names the limits as they are: a change that was made for others is refused. */
export function tagOfLimits(sight: JobSight): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(limitsOf(sight)))
    .digest('base64url')
  return `"${digest.slice(0, 22)}"`
}

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

/** Bytes to move, as far as they are known. */
export const bytesToMove = (tally: TallyRow): number => Math.max(0, tally.listed.bytes - tally.skipped.bytes)

/**
 * When a migration will be done; null while that cannot be said.
 * @param expectedBytes what the source is believed to hold, until it is listed; 0: nothing is said
 */
export function completionOf(
  sight: JobSight,
  nowMs: number,
  measured: number | null,
  expectedBytes = 0,
): string | null {
  const { row, tally, status } = sight
  if (status === 'complete' || status === 'failed' || status === 'paused') return null
  const isListed = row !== undefined && row.pass > 0 && row.lastPage !== null
  if (!isListed && expectedBytes === 0) return null
  const total = isListed ? bytesToMove(tally) : Math.max(bytesToMove(tally), expectedBytes)
  return isoOrNull(
    estimateCompletion({
      nowMs,
      leftBytes: Math.max(0, total - tally.bytesTransferred),
      leftToVerifyBytes: Math.max(0, total - tally.bytesVerified),
      measuredBytesPerSecond: measured,
      ...capsOf(limitsOf(sight), nowMs),
    }),
  )
}

function controlOf(row: JobRow | undefined): Migration['control'] {
  if (row === undefined || row.controlActor === '') return null
  return { by: row.controlActor, reason: row.controlReason, code: row.controlCode }
}

/** The nine fields that lists and single migrations share. */
export function briefOf(sight: JobSight, nowMs: number, measured: number | null) {
  const { job, row, tally, status, request } = sight
  return {
    job_id: job,
    status,
    source_path: request.source,
    target_path: request.target,
    priority: limitsOf(sight).priority,
    total_bytes: bytesToMove(tally),
    bytes_transferred: tally.bytesTransferred,
    bytes_verified: tally.bytesVerified,
    chunks_total: tally.chunksNamed,
    chunks_complete: tally.chunksVerified,
    estimated_completion_at: completionOf(sight, nowMs, measured),
    last_failure_reason: row === undefined ? null : failureReasonOf(row, tally),
  }
}

export function migrationOf(sight: JobSight, nowMs: number, measured: number | null): Migration {
  const { row, tally, listing, rate } = sight
  const { throughputBytesPerSecond, throughputTimetable, sourcePeakBytesPerSecond, workersMax } = limitsOf(sight)
  return {
    ...briefOf(sight, nowMs, measured),
    throughput_limit_gb_per_hour: gigabytesPerHourOf(throughputBytesPerSecond),
    throughput_timetable: throughputTimetable,
    source_peak_gb_per_hour: gigabytesPerHourOf(sourcePeakBytesPerSecond),
    max_parallel_workers: workersMax,
    phase: row === undefined ? 'requested' : phaseOf(row, listing, tally),
    limited_by: row === undefined ? 'nothing: it is not accepted yet' : limitOf(row, rate, null),
    is_listing_complete: row !== undefined && row.pass > 0 && row.lastPage !== null,
    pass: row?.pass ?? 0,
    passes_complete: row?.passesCompleted ?? 0,
    items: totalsOf(tally),
    items_listed: tally.listed.items,
    chunks_failed: tally.chunksFailed,
    chunks_in_flight: tally.chunksLeased,
    measured_bytes_per_second: measured,
    source_bytes_read: tally.sourceBytesRead,
    target_bytes_written: tally.targetBytesWritten,
    target_bytes_read: tally.targetBytesRead,
    control: controlOf(row),
  }
}

/** A migration whose request is in the log and not folded here yet. */
export function pendingSight(job: string, request: JobRequest): JobSight {
  return { job, request, row: undefined, tally: emptyTally, listing: emptyListing, rate: undefined, status: 'pending' }
}
