// What is told of a job, in one line, in many, and as an object: of this machine and of a cluster alike.
import { isAtRest } from '#libs/domain/job-control'
import { keyOf } from '#libs/domain/keys'
import { showText } from '#libs/domain/name-text'
import { limitOf } from '#libs/domain/phase'
import { formatCount, formatRate, formatShare, formatSize } from '#libs/domain/quantity'
import { rateSourceOf } from '#libs/domain/rate'
import { outcomes } from '#libs/domain/report'
import { emptyTally } from '#libs/domain/rows'
import { codesSince, pendingOf } from '#libs/domain/tally'
import type { JobRow, RowOf, TallyRow } from '#schemas/rows'
import type { JobView } from '../embedded/job-view.ts'
import { passStateOf } from '../embedded/report-again.ts'
import { asOfText } from './jobs.ts'

export interface JobSight {
  readonly job: string
  readonly row: JobRow | undefined
  readonly tally: TallyRow
  /** The last decision on the rate of its source. */
  readonly rate: RowOf<'rate'> | undefined
  readonly isHeldElsewhere: boolean
  readonly asOf: string | null
}

export async function sightOf(view: JobView): Promise<JobSight> {
  const { job, row, rows, isHeldElsewhere } = view
  const tally = (await rows.get(keyOf.tally(job))) ?? emptyTally
  const rate = row === undefined ? undefined : await rows.get(keyOf.rate(rateSourceOf(row.request.source)))
  return { job, row, tally, rate, isHeldElsewhere, asOf: asOfText(view) }
}

/** What limits it now, in words; null before it is accepted. */
function limitedBy({ row, rate, isHeldElsewhere }: JobSight): string | null {
  if (row === undefined) return null
  const isWorkedOn = isHeldElsewhere || row.control !== 'running' || isAtRest(row)
  return isWorkedOn ? limitOf(row, rate, null) : 'nothing: no process works on it'
}

function stateWord({ row, isHeldElsewhere }: JobSight): string {
  if (row === undefined) return isHeldElsewhere ? 'starting' : 'not started'
  const state = passStateOf(row, isHeldElsewhere)
  // A complete pass and a process that works on it: the target is read again, or a new pass begins.
  if (state === 'completed' && isHeldElsewhere) return row.roundCause === 'verify' ? 'verifying' : 'running'
  return state === 'stopped' && row.control === 'paused' ? 'paused' : state
}

function totalsOf(tally: TallyRow): Readonly<Record<string, { readonly items: number; readonly bytes: number }>> {
  const counts = { ...tally, pending: pendingOf(tally) }
  return Object.fromEntries(outcomes.map((outcome) => [outcome, counts[outcome]]))
}

const provenItems = ({ verified, already_there: there }: TallyRow): number => verified.items + there.items
const provenBytes = ({ verified, already_there: there }: TallyRow): number => verified.bytes + there.bytes

/** Those of the newest pass. */
function findingsOf({ row, tally }: JobSight): TallyRow['codes'] {
  return codesSince(tally.codes, row?.codesBefore ?? [])
}

export function sightObject(sight: JobSight): object {
  const { job, row, tally, asOf } = sight
  return {
    job_id: job,
    state: stateWord(sight),
    as_of: asOf,
    source: row?.request.source ?? null,
    target: row?.request.target ?? null,
    pass: row?.pass ?? 0,
    passes_completed: row?.passesCompleted ?? 0,
    round: row?.round ?? 0,
    control: row?.control ?? null,
    reason: row?.controlReason ?? null,
    listed: tally.listed,
    is_listing_complete: row?.lastPage !== null && row !== undefined,
    totals: totalsOf(tally),
    chunks: { planned: tally.chunksPlanned, verified: tally.chunksVerified, failed: tally.chunksFailed },
    source_bytes_read: tally.sourceBytesRead,
    target_bytes_written: tally.targetBytesWritten,
    target_bytes_read: tally.targetBytesRead,
    throughput_bytes_per_second: row?.throughputBytesPerSecond ?? null,
    throughput_timetable: row?.throughputTimetable ?? null,
    source_peak_bytes_per_second: row?.sourcePeakBytesPerSecond ?? null,
    max_workers: row?.workersMax ?? null,
    priority: row?.priority ?? null,
    limited_by: limitedBy(sight),
    findings: Object.fromEntries(findingsOf(sight).map(({ code, count }) => [code, count])),
  }
}

export interface Unreadable {
  readonly job: string
  readonly code: string
}

/** @param place where they were looked for, in words */
export function listText(sights: readonly (JobSight | Unreadable)[], place: string): string {
  if (sights.length === 0) return `no jobs in ${place}\n`
  const columns = Math.max(...sights.map(({ job }) => job.length))
  const lines = sights.map((sight) => {
    const name = sight.job.padEnd(columns)
    if ('code' in sight) return `${name}  unreadable  ${sight.code}`
    const { row, tally } = sight
    const ends = row === undefined ? '' : `  ${showText(row.request.source)} -> ${showText(row.request.target)}`
    const proven = `${formatCount(provenItems(tally))} of ${formatCount(tally.listed.items)} items proven`
    return `${name}  ${stateWord(sight).padEnd(11)} pass ${row?.pass ?? 0}  ${proven}, ${formatSize(tally.listed.bytes)}${ends}`
  })
  return `${lines.join('\n')}\n`
}

/** `more`: what is told of the job's state and reports, `next` what can be typed. */
export function showLines(sight: JobSight, more: readonly string[], next: string | null): readonly string[] {
  const { row, tally, asOf } = sight
  const totals = Object.entries(totalsOf(tally))
    .filter(([name, { items }]) => items > 0 || name === 'verified')
    .map(
      ([name, { items, bytes: size }]) =>
        ` ${name.replaceAll('_', ' ').padEnd(14)}${formatCount(items)} items, ${formatSize(size)}`,
    )
  const limit = row?.throughputTimetable ?? formatRate(row?.throughputBytesPerSecond ?? null)
  const limited = limitedBy(sight)
  const findings = findingsOf(sight).map(({ code, count }) => `${code} ${formatCount(count)}`)
  const reason = row === undefined || row.control === 'running' ? '' : `: ${showText(row.controlReason)}`
  return [
    `${sight.job}: ${stateWord(sight)}${reason}`,
    ...(asOf === null ? [] : [` as of         ${asOf}`]),
    ` from          ${showText(row?.request.source ?? 'not known yet')}`,
    ` to            ${showText(row?.request.target ?? 'not known yet')}`,
    ` pass          ${row?.pass ?? 0}, ${row?.passesCompleted ?? 0} complete; ${row?.round ?? 0} rounds of reading`,
    ` listed        ${formatCount(tally.listed.items)} items, ${formatSize(tally.listed.bytes)}${row?.lastPage === null ? ' so far' : ''}`,
    ...totals,
    ` proven        ${formatShare(provenBytes(tally), tally.listed.bytes - tally.skipped.bytes)} of the bytes`,
    ` chunks        ${formatCount(tally.chunksPlanned)} planned, ${formatCount(tally.chunksVerified)} read back, ${formatCount(tally.chunksFailed)} failed`,
    ` bytes         ${formatSize(tally.sourceBytesRead)} read at the source, ${formatSize(tally.targetBytesWritten)} written, ${formatSize(tally.targetBytesRead)} read back`,
    ` limit         ${limit}`,
    ...(limited === null ? [] : [` limited by    ${showText(limited)}`]),
    ...(findings.length === 0 ? [] : [` findings      ${findings.join(', ')}`]),
    ...more,
    ...(next === null ? [] : [` next          ${next}`]),
  ]
}
