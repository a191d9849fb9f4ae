// One run of a job on this machine: opens its state, runs all roles, writes the report of what came out. A store that
// turns out to be damaged is moved aside and folded again, once, saying so.
import { join } from 'node:path'
import { codeOf, errorCatalogue, WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { PassState } from '#libs/domain/report'
import { emptyTally } from '#libs/domain/rows'
import type { EventLog } from '#libs/log/event-log'
import { openProjection, type Projection } from '#libs/projection/projection'
import { reportFacts } from '#libs/projection/report-facts'
import { reportLeaves, toldLeaves } from '#libs/projection/report-leaves'
import type { ReportFacts } from '#libs/report/header'
import type { SigningKey } from '#libs/report/keys'
import type { ReportLeaf } from '#libs/report/leaf'
import { makeReportFolder, writeWholeFile } from '#libs/report/output'
import { type RenderedForm, renderReport } from '#libs/report/render'
import { type ReportContent, type WrittenReport, writeReport } from '#libs/report/write'
import { discardStore, type JobFolder, openJobFolder } from '#libs/runtime/job-folder'
import type { JobRow, TallyRow } from '#schemas/rows'
import { serveLocally } from './local-api.ts'
import { type MigrationOptions, runMigration } from './migration.ts'
import type { ProgressSnapshot } from './progress-snapshot.ts'
import { snapshotOf } from './snapshot.ts'
import { storeDamageText, storeLossText } from './store-loss.ts'

export interface SessionOptions extends Omit<MigrationOptions, 'log' | 'store' | 'onStarted'> {
  readonly folder: string
  readonly signingKey: SigningKey | null
  /** The verifier reads with credentials of its own. */
  readonly hasOwnCredentials: boolean
  /** Where the report goes beside the job's folder; null: only there. */
  readonly reportFile: { readonly path: string; readonly form: RenderedForm } | null
  /** Called each time the report is written: gives what is told of every item, in the report's order. */
  readonly listen: () => (leaf: ReportLeaf) => void
  /** What the target limits the run to, by its answers, in words; null: it does not. */
  readonly targetLimit: () => string | null
  /** Said to the person at once, in words. */
  readonly onNotice: (text: string) => void
}

export interface SessionEnd {
  readonly report: WrittenReport
  readonly facts: ReportFacts
  /** null: there was no space to write it. */
  readonly reportPath: string | null
  /** What this run did by itself; the facts tell the whole job. */
  readonly run: { readonly ms: number; readonly moved: ReportFacts['moved'] }
  /** Why a run that can go on stopped, in words; null when it reached its end. */
  readonly stoppedBecause: string | null
}

export interface Session {
  /** How far the run is; null before its state is open. */
  snapshot(): Promise<ProgressSnapshot | null>
  /** Throws what ends a run before it can be reported: preflight errors, JOB_HELD, LOG_DAMAGED, LOG_FULL, INTERNAL. */
  readonly done: Promise<SessionEnd>
}

interface Outcome {
  readonly state: PassState
  /** What ended the run before its aim; null when nothing did. */
  readonly error: unknown
}

/** Where a run began: the bytes that earlier runs moved are not its own. */
interface Start {
  readonly atMs: number
  readonly tally: TallyRow
}

export function startSession(options: SessionOptions): Session {
  let looking: Projection | null = null
  const run = async (): Promise<SessionEnd> => {
    for (let tries = 1; ; tries += 1) {
      const folder = await openJobFolder(options.folder)
      if (folder.movedAside !== null) options.onNotice(storeDamageText(folder.movedAside))
      const start = options.clock.monotonic()
      let loss: unknown
      let before: Promise<TallyRow | undefined> = Promise.resolve(undefined)
      try {
        const outcome = await runOnce(options, folder, (projection) => {
          looking = projection
          before = projection.rows.get(keyOf.tally(options.job))
        })
        const tally = (await before) ?? emptyTally
        const projection = await openProjection(folder.log, folder.store)
        return await report(options, folder.log, projection, outcome, { atMs: start, tally })
      } catch (error) {
        if (codeOf(error) !== 'STORE_DAMAGED' || tries > 1) throw await placed(error, looking, options.job, before)
        loss = error
      } finally {
        looking = null
        await folder.close()
      }
      options.onNotice(storeLossText(loss, await discardStore(options.folder)))
    }
  }
  return {
    snapshot: async () => (looking === null ? null : snapshotOf(looking, options.job, options.targetLimit())),
    done: run(),
  }
}

/** The error, with the fact that this run had moved something before it (exit code 8 and not 3). */
async function placed(
  error: unknown,
  looking: Projection | null,
  job: string,
  before: Promise<TallyRow | undefined>,
): Promise<unknown> {
  if (!(error instanceof WaybillError) || looking === null) return error
  try {
    const tally = await looking.rows.get(keyOf.tally(job))
    const hasMoved = (tally?.targetBytesWritten ?? 0) > ((await before)?.targetBytesWritten ?? 0)
    return hasMoved ? new WaybillError(error.code, { ...error.facts, hasMoved }, { cause: error }) : error
  } catch {
    // The store may be what failed; the first error is the one to tell.
    return error
  }
}

/** Runs the roles. A signal, a pause and a full disk are ends that can be reported; what else is thrown is not. */
async function runOnce(
  options: SessionOptions,
  folder: JobFolder,
  onOpen: (projection: Projection) => void,
): Promise<Outcome> {
  const { log, store } = folder
  let isStarted = false
  let stopApi = (): Promise<void> => Promise.resolve()
  try {
    const end = await runMigration({
      ...options,
      log,
      store,
      onStarted: ({ projection, writer }) => {
        isStarted = true
        onOpen(projection)
        stopApi = serveLocally({ ...options, projection, writer, log })
      },
    })
    if (!end.isComplete) return { state: 'stopped', error: null }
    return { state: end.job.isLastPassCancelled ? 'cancelled' : 'completed', error: null }
  } catch (error) {
    if (options.signal.aborted && isStarted) {
      return { state: options.signal.reason === 'SIGTERM' ? 'terminated' : 'interrupted', error }
    }
    const isPause = errorCatalogue[codeOf(error)].retry === 'pause'
    if (isStarted && isPause) return { state: 'stopped', error }
    throw error
  } finally {
    await stopApi()
  }
}

function movedSince(
  moved: ReportFacts['moved'],
  { sourceBytesRead, targetBytesWritten, targetBytesRead }: TallyRow,
): ReportFacts['moved'] {
  return {
    source_bytes_read: moved.source_bytes_read - sourceBytesRead,
    target_bytes_written: moved.target_bytes_written - targetBytesWritten,
    target_bytes_read: moved.target_bytes_read - targetBytesRead,
  }
}

async function report(
  options: SessionOptions,
  log: EventLog,
  projection: Projection,
  outcome: Outcome,
  start: Start,
): Promise<SessionEnd> {
  const { job, folder, signingKey, reportFile, clock } = options
  const { rows } = projection
  const row = await rows.get(keyOf.job(job))
  if (row === undefined) throw outcome.error
  const facts = await reportFacts({
    job,
    rows,
    log,
    software: options.software,
    readers: [`${options.process}.verifier`],
    hasOwnCredentials: options.hasOwnCredentials,
    state: outcome.state,
    endedAt: clock.now(),
  })
  // A later reading must not replace the report of the pass: both are kept.
  const name = `pass-${row.pass}${options.aim === 'verify' ? `-round-${row.round}` : ''}.ndjson`
  const content = (): ReportContent => ({
    facts,
    leaves: toldLeaves(reportLeaves({ rows, log, job }, row), options.listen()),
    signingKey,
  })
  const kept = await keepReport(join(folder, 'reports'), name, content).catch((error: unknown) => {
    // Where the disk is full the run stopped for that, and this must still be told; else the report is owed.
    if (outcome.state === 'completed' || codeOf(error) !== 'REPORT_NOT_WRITTEN') throw error
    options.onNotice('the report could not be written; `waybill report show` makes it once there is space')
    return null
  })
  if (kept !== null && reportFile !== null) {
    const { form, path } = reportFile
    await writeWholeFile(path, (sink) => renderReport(sink, { form, path: kept.path, masterName: name }))
  }
  return {
    report: kept?.report ?? (await writeReport({ write: () => null }, content())),
    facts,
    reportPath: kept === null ? null : (reportFile?.path ?? kept.path),
    run: { ms: clock.monotonic() - start.atMs, moved: movedSince(facts.moved, start.tally) },
    stoppedBecause: stoppedBecause(row, outcome),
  }
}

function stoppedBecause({ control, controlReason }: JobRow, { state, error }: Outcome): string | null {
  if (control === 'paused') return controlReason
  return state === 'stopped' && error !== null ? errorCatalogue[codeOf(error)].help : null
}

async function keepReport(
  folder: string,
  name: string,
  content: () => ReportContent,
): Promise<{ readonly path: string; readonly report: WrittenReport }> {
  const path = join(folder, name)
  await makeReportFolder(folder, 0o700)
  return { path, report: await writeWholeFile(path, (sink) => writeReport(sink, content())) }
}
