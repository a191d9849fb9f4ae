// The report of a pass, written by the coordinator that ended it, below its state folder. Anyone can make it again from
// the log (`waybill report show`); this one is there without being asked for.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { readProof } from '#libs/projection/chunk-history'
import { readEvent } from '#libs/projection/event-reader'
import { reportFacts } from '#libs/projection/report-facts'
import { reportLeaves } from '#libs/projection/report-leaves'
import { makeReportFolder, writeWholeFile } from '#libs/report/output'
import { type ReportContent, writeReport } from '#libs/report/write'
import type { JobRow } from '#schemas/rows'
import type { ServeParts } from './parts.ts'

/** Chunks that are asked who read them back: each verifier reads many. */
const chunksAsked = 256

type ReportParts = Pick<ServeParts, 'projection' | 'log' | 'software' | 'signingKey' | 'settings' | 'logger'>

async function readersOf({ projection, log }: ReportParts, job: string): Promise<readonly string[]> {
  const readers = new Set<string>()
  for (const { row } of await projection.rows.slice('chunk', `chunk/${job}/`, chunksAsked)) {
    const proof = row.provenAt < 0 ? null : await readProof(log, row.partition, row.provenAt)
    if (proof !== null) readers.add(proof.reader)
  }
  return [...readers].sort((a, b) => (a < b ? -1 : 1))
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

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
    readers: await readersOf(parts, job),
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
