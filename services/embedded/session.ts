// One run of a job on this machine: opens its state, runs all roles, writes the report of what came out. A store that
// turns out to be damaged is moved aside and folded again, once, saying so.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { PassState } from '#libs/domain/report'
import { emptyTally } from '#libs/domain/rows'
import type { EventLog } from '#libs/log/event-log'
import { openProjection, type Projection } from '#libs/projection/projection'
import { reportLeaves } from '#libs/projection/report-leaves'
import type { SigningKey } from '#libs/report/keys'
import { writeWholeFile } from '#libs/report/output'
import { type WrittenReport, writeReport } from '#libs/report/write'
import { discardStore, type JobFolder, openJobFolder } from '#libs/runtime/job-folder'
import { type MigrationOptions, runMigration } from './migration.ts'
import type { ProgressSnapshot } from './progress-snapshot.ts'
import { reportFacts } from './report-facts.ts'
import { snapshotOf } from './snapshot.ts'

export interface SessionOptions extends Omit<MigrationOptions, 'log' | 'store' | 'onStarted'> {
  readonly folder: string
  readonly signingKey: SigningKey | null
  /** The verifier reads with credentials of its own. */
  readonly hasOwnCredentials: boolean
  /** Where the report goes beside the job's folder; null: only there. */
  readonly reportFile: string | null
  /** Said to the person at once, in words. */
  readonly onNotice: (text: string) => void
}

export interface SessionEnd {
  readonly report: WrittenReport
  readonly reportPath: string
  readonly findings: Readonly<Record<string, number>>
  readonly moved: {
    readonly sourceBytesRead: number
    readonly targetBytesWritten: number
    readonly targetBytesRead: number
  }
}

export interface Session {
  /** How far the run is; null before its state is open. */
  snapshot(): Promise<ProgressSnapshot | null>
  /** Throws what ends a run before it can be reported: preflight errors, JOB_HELD, LOG_DAMAGED, LOG_FULL, INTERNAL. */
  readonly done: Promise<SessionEnd>
}

interface Outcome {
  readonly state: PassState
  readonly error: unknown
}

export function startSession(options: SessionOptions): Session {
  let looking: Projection | null = null
  const run = async (): Promise<SessionEnd> => {
    for (let tries = 1; ; tries += 1) {
      const folder = await openJobFolder(options.folder)
      if (folder.movedAside !== null)
        options.onNotice(`the state store was damaged: it is rebuilt from the log (kept as ${folder.movedAside})`)
      try {
        const outcome = await runOnce(options, folder, (projection) => {
          looking = projection
        })
        return await report(options, folder.log, await openProjection(folder.log, folder.store), outcome)
      } catch (error) {
        if (codeOf(error) !== 'STORE_DAMAGED' || tries > 1) throw error
        options.onNotice('the state store is damaged: it is moved aside and rebuilt from the log')
      } finally {
        looking = null
        await folder.close()
      }
      await discardStore(options.folder)
    }
  }
  return {
    snapshot: async () => (looking === null ? null : snapshotOf(looking, options.job)),
    done: run(),
  }
}

/** Runs the roles. A signal and a pause are ends that can be reported; what else is thrown is not. */
async function runOnce(
  options: SessionOptions,
  folder: JobFolder,
  onOpen: (projection: Projection) => void,
): Promise<Outcome> {
  const { log, store } = folder
  let isStarted = false
  try {
    const end = await runMigration({
      ...options,
      log,
      store,
      onStarted: ({ projection }) => {
        isStarted = true
        onOpen(projection)
      },
    })
    if (!end.isComplete) return { state: 'stopped', error: null }
    return { state: end.job.isLastPassCancelled ? 'cancelled' : 'completed', error: null }
  } catch (error) {
    if (options.signal.aborted && isStarted) {
      return { state: options.signal.reason === 'SIGTERM' ? 'terminated' : 'interrupted', error }
    }
    throw error
  }
}

async function report(
  options: SessionOptions,
  log: EventLog,
  projection: Projection,
  outcome: Outcome,
): Promise<SessionEnd> {
  const { job, folder, signingKey, reportFile } = options
  const row = await projection.rows.get(keyOf.job(job))
  const tally = (await projection.rows.get(keyOf.tally(job))) ?? emptyTally
  if (row === undefined) throw outcome.error
  const facts = await reportFacts({ ...options, rows: projection.rows, log, state: outcome.state })
  const reports = join(folder, 'reports')
  await mkdir(reports, { recursive: true, mode: 0o700 })
  const kept = join(reports, `pass-${row.pass}.ndjson`)
  const write = (path: string): Promise<WrittenReport> =>
    writeWholeFile(path, (sink) =>
      writeReport(sink, { facts, leaves: reportLeaves({ rows: projection.rows, log, job }, row), signingKey }),
    )
  const written = await write(kept)
  if (reportFile !== null) await write(reportFile)
  return {
    report: written,
    reportPath: reportFile ?? kept,
    findings: facts.findings,
    moved: {
      sourceBytesRead: tally.sourceBytesRead,
      targetBytesWritten: tally.targetBytesWritten,
      targetBytesRead: tally.targetBytesRead,
    },
  }
}
