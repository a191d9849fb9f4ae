// waybill jobs wait JOB: until the job of the cluster is complete, pauses, or the time is over; then the same last lines and
// the same exit code as migrate.
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { ExitCode } from '#libs/domain/report'
import type { Projection } from '#libs/projection/projection'
import type { WrittenReport } from '#libs/report/write'
import type { JobView } from '../../embedded/job-view.ts'
import { type AgainOptions, factsAgain, writeReportAgain } from '../../embedded/report-again.ts'
import { snapshotOf } from '../../embedded/snapshot.ts'
import { openRequests, wordsOfClusterJob } from '../cluster-jobs.ts'
import { type ClusterLook, jobViewOf, openClusterLook } from '../cluster-look.ts'
import { isOfCluster } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'
import { jobNamed } from '../jobs.ts'
import { collectProblems } from '../problem-groups.ts'
import { askEveryMs, watchProgress } from '../progress-screen.ts'
import { problemOf, reportFileOf, screenOf } from '../session-run.ts'
import { software } from '../software.ts'
import { type RunSummary, summaryObject, summaryText } from '../summary.ts'
import { deskWait } from './desk-wait.ts'
import { writeForm } from './report.ts'

/** Why the waiting ended. */
type End = 'complete' | 'paused' | 'timeout'

async function mustBeSound({ rows }: Projection, job: string): Promise<void> {
  const [poison] = await rows.slice('poison', `poison/${job}/`, 1)
  if (poison !== undefined) throw new WaybillError('EVENT_POISON', { record: poison.key, reason: poison.row.reason })
}

/** null: it goes on. Throws JOB_UNKNOWN for a job that nobody asked for, or whose request was refused. */
async function endOf(look: ClusterLook, job: string): Promise<End | null> {
  const { projection } = look
  await mustBeSound(projection, job)
  const row = await projection.rows.get(keyOf.job(job))
  if (row === undefined) {
    if ((await openRequests(look, job)).length > 0) return null
    const rejected = await projection.rows.get(keyOf.rejected(job))
    const reason = rejected === undefined ? 'nobody asked for it' : `the request was refused: ${rejected.code}`
    throw new WaybillError('JOB_UNKNOWN', { job, reason })
  }
  if (row.control === 'paused') return 'paused'
  const isComplete = row.pass > 0 && row.passesCompleted === row.pass && row.passAsked <= row.pass
  return isComplete ? 'complete' : null
}

async function waitForEnd(
  look: ClusterLook,
  job: string,
  signals: { stop: AbortSignal; timeout: AbortSignal },
): Promise<End> {
  const { projection } = look
  const either = AbortSignal.any([signals.stop, signals.timeout])
  for (;;) {
    const version = projection.version()
    const end = await endOf(look, job)
    if (end !== null && projection.version() === version) return end
    try {
      await projection.changed(version, either)
    } catch (error) {
      if (!signals.timeout.aborted || signals.stop.aborted) throw error
      return 'timeout'
    }
  }
}

/** Follows the log until the end; shows how far the job is. */
async function follow(input: CommandInput, look: ClusterLook, job: string): Promise<End> {
  const { settings, clock, signal } = input
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  const timeout = new AbortController()
  const timing = settings.timeout === null ? null : clock.sleep(settings.timeout, ended).then(() => timeout.abort())
  // The end of the waiting ends the sleep.
  timing?.catch(() => undefined)
  const folding = look.projection.run(ended)
  // Folding ends by itself only when it fails or the signal came.
  const broken = folding.then((): never => {
    signal.throwIfAborted()
    throw new Error('the log ended')
  })
  const { mode, screen } = screenOf(input)
  const snapshot = (): ReturnType<typeof snapshotOf> => snapshotOf(look.projection, job, null)
  try {
    const waiting = Promise.race([waitForEnd(look, job, { stop: signal, timeout: timeout.signal }), broken])
    return await watchProgress(screen, { everyMs: askEveryMs[mode], clock, snapshot }, waiting)
  } finally {
    stop.abort()
    await Promise.allSettled([folding, broken])
  }
}

async function reportOf(
  input: CommandInput,
  view: JobView,
  options: AgainOptions,
): Promise<{ readonly report: WrittenReport; readonly path: string | null }> {
  const file = reportFileOf(input.settings.report)
  if (file === null) return { report: await writeReportAgain({ write: () => null }, view, options), path: null }
  return { report: await writeForm(view, file, options), path: file.path }
}

const reasons: Readonly<Record<End, string | null>> = {
  complete: null,
  paused: null,
  timeout: 'the time of --timeout is over; the job goes on',
}

async function tell(input: CommandInput, view: JobView, end: End): Promise<ExitCode> {
  const { settings, terminal } = input
  const { row } = view
  if (row === undefined)
    throw new WaybillError('JOB_UNKNOWN', { job: view.job, reason: 'no coordinator accepted it yet' })
  const problems = collectProblems()
  const options = {
    software: software().version,
    signingKey: null,
    onLeaf: (leaf: Leaf) => problems.add(problemOf(leaf)),
  }
  const { report, path } = await reportOf(input, view, options)
  const facts = await factsAgain(view, options.software)
  const { started_at: from, ended_at: to } = facts
  const summary: RunSummary = {
    aim: 'migrate',
    header: facts,
    run: { ms: Math.max(0, (to === null ? input.clock.now() : Date.parse(to)) - Date.parse(from)), moved: facts.moved },
    verdict: report.verdict,
    footer: report.footer,
    reportPath: path,
    problems: problems.groups(),
    stoppedBecause: end === 'paused' ? row.controlReason : reasons[end],
  }
  if (settings.json) await terminal.result(`${JSON.stringify(summaryObject(summary))}\n`)
  if (!settings.quiet) terminal.notice(summaryText(summary, wordsOfClusterJob(input, view.job, row.request)))
  return report.verdict.exit_code
}

type Leaf = Parameters<AgainOptions['onLeaf']>[0]

export const jobsWait: Command = async (input) => {
  if (input.settings.api !== null || !isOfCluster(input)) return deskWait(input)
  const job = jobNamed(input.words[0] ?? '')
  reportFileOf(input.settings.report)
  const look = await openClusterLook(input)
  try {
    const end = await follow(input, look, job)
    return await tell(input, await jobViewOf(look, job), end)
  } finally {
    await look.close()
  }
}
