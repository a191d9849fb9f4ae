// The report of a pass, written by the coordinator that ended it, below its state folder. Anyone can make it again from
// the log (`waybill report show`); this one is there without being asked for.
import { join } from 'node:path'
import { readEvent } from '#libs/projection/event-reader'
import { readersOf } from '#libs/projection/readers'
import { reportFacts } from '#libs/projection/report-facts'
import { reportLeaves } from '#libs/projection/report-leaves'
import { makeReportFolder, writeWholeFile } from '#libs/report/output'
import { type ReportContent, writeReport } from '#libs/report/write'
import { isThere } from '#libs/runtime/folders'
import type { JobRow } from '#schemas/rows'
import type { ServeParts } from './parts.ts'

type ReportParts = Pick<ServeParts, 'projection' | 'log' | 'software' | 'signingKey' | 'settings' | 'logger'>

/** The report of the newest pass as it stands; of a complete one it is the same whoever makes it. */
export async function reportContent(parts: ReportParts, job: string, row: JobRow): Promise<ReportContent> {
  const { projection, log, software, signingKey } = parts
  const { rows } = projection
  const isComplete = row.pass > 0 && row.passesCompleted === row.pass
  const completed = isComplete
    ? await readEvent(log, 'PassCompleted', { topic: 'jobs', partition: row.acceptedIn, position: row.completedAt })
    : null
  const facts = await reportFacts({
    job,
    rows,
    log,
    software,
    readers: await readersOf({ rows, log, job }),
    hasOwnCredentials: false,
    state: completed === null ? 'running' : completed.isCancelled ? 'cancelled' : 'completed',
    endedAt: completed?.at ?? null,
  })
  return { facts, leaves: reportLeaves({ rows, log, job }, row), signingKey }
}

/** Writes the report of the newest pass, which is complete, unless it is there. Throws REPORT_NOT_WRITTEN. */
export async function keepReport(parts: ReportParts, job: string, row: JobRow): Promise<void> {
  const folder = join(parts.settings.stateFolder, 'reports', job)
  const path = join(folder, `pass-${row.pass}.ndjson`)
  if (await isThere(path)) return
  const content = await reportContent(parts, job, row)
  await makeReportFolder(folder, 0o700)
  const { verdict } = await writeWholeFile(path, (sink) => writeReport(sink, content))
  parts.logger.info({ job, pass: row.pass, exitCode: verdict.exit_code, path }, 'report written')
}
