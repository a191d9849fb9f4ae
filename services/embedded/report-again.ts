// The report of a job made from its state and log at any time, also while another process works on it. Of a job at rest
// it is the same, byte for byte, whenever it is asked for.
import type { PassState } from '#libs/domain/report'
import { partitionId } from '#libs/log/event-log'
import { readEvent } from '#libs/projection/event-reader'
import { readersOf } from '#libs/projection/readers'
import { reportFacts } from '#libs/projection/report-facts'
import { reportLeaves, toldLeaves } from '#libs/projection/report-leaves'
import type { ReportFacts } from '#libs/report/header'
import type { SigningKey } from '#libs/report/keys'
import type { ReportLeaf } from '#libs/report/leaf'
import type { Sink } from '#libs/report/output'
import { type WrittenReport, writeReport } from '#libs/report/write'
import { topics } from '#schemas/events'
import type { JobRow } from '#schemas/rows'
import { eventIn } from '#schemas/wire'
import { acceptedRow, type JobView } from './job-view.ts'

/** How far the newest pass is, as the state alone tells. */
export function passStateOf(row: JobRow, isHeldElsewhere: boolean): PassState {
  if (row.pass > 0 && row.passesCompleted === row.pass) return row.isLastPassCancelled ? 'cancelled' : 'completed'
  return isHeldElsewhere ? 'running' : 'stopped'
}

/** Wall clock of the newest record, in ms since 1970. */
async function lastRecordAt({ log }: JobView): Promise<number> {
  const ends = await log.ends()
  const counts = await log.partitionCounts()
  let last = 0
  for (const topic of topics) {
    for (let partition = 0; partition < counts[topic]; partition += 1) {
      const next = ends.get(partitionId(topic, partition)) ?? 0
      const record = next === 0 ? null : await log.readAt(topic, partition, next - 1)
      const event = record && eventIn(record)
      if (event !== null) last = Math.max(last, event.at)
    }
  }
  return last
}

/** When the pass ended; in a log of many jobs only a complete pass tells. */
async function endOf(
  view: JobView,
  { pass, passesCompleted, acceptedIn, completedAt }: JobRow,
): Promise<number | null> {
  if (view.hasOwnLog) return lastRecordAt(view)
  if (passesCompleted < pass) return null
  const place = { topic: 'jobs', partition: acceptedIn, position: completedAt } as const
  return (await readEvent(view.log, 'PassCompleted', place)).at
}

export interface AgainOptions {
  readonly software: string
  readonly signingKey: SigningKey | null
  readonly onLeaf: (leaf: ReportLeaf) => void
}

/** Throws JOB_UNKNOWN, and what the log and the store throw. */
export async function factsAgain(view: JobView, software: string): Promise<ReportFacts> {
  const { job, rows, log, isHeldElsewhere } = view
  const row = acceptedRow(view)
  const state = passStateOf(row, isHeldElsewhere)
  return reportFacts({
    job,
    rows,
    log,
    software,
    readers: await readersOf(view),
    // The log does not tell; the lesser claim is made.
    hasOwnCredentials: false,
    state,
    endedAt: state === 'running' ? null : await endOf(view, row),
  })
}

/** Writes the report of the newest pass in its master form. Throws JOB_UNKNOWN. */
export async function writeReportAgain(sink: Sink, view: JobView, options: AgainOptions): Promise<WrittenReport> {
  const { rows, log, job } = view
  const row = acceptedRow(view)
  const facts = await factsAgain(view, options.software)
  const leaves = reportLeaves({ rows, log, job }, row)
  return writeReport(sink, { facts, leaves: toldLeaves(leaves, options.onLeaf), signingKey: options.signingKey })
}
