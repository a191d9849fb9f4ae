// waybill rebuild [JOB], of a cluster: all topics folded from their first record into a store of its own, and what that says.
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { showText } from '#libs/domain/name-text'
import { formatCount, formatDuration, formatSize } from '#libs/domain/quantity'
import { verdictOfPass } from '#libs/domain/report'
import { emptyTally } from '#libs/domain/rows'
import { pendingOf } from '#libs/domain/tally'
import { type BoundedLog, boundLog } from '#libs/log/bounded-log'
import { allPoison, type PoisonRecord, poisonText } from '#libs/projection/poison'
import { openProjection, type Projection } from '#libs/projection/projection'
import { hasSelection } from '#libs/projection/report-facts'
import { stateDigest } from '#libs/projection/state-digest'
import { openClusterLog, openEmbeddedStore } from '#libs/runtime/adapters'
import { makeFolder } from '#libs/runtime/folders'
import { decodeEvent, WireError } from '#schemas/wire'
import { passStateOf } from '../../embedded/report-again.ts'
import { clusterJobNames } from '../cluster-jobs.ts'
import { jobViewOf } from '../cluster-look.ts'
import { clusterSettingsOf, stateFolderOfCluster } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'
import { jobNamed } from '../jobs.ts'
import { reportFileOf } from '../session-run.ts'
import { software } from '../software.ts'
import { kafkaSettingsOf } from '../topic-plan.ts'
import { until } from '../value-types.ts'
import { writeForm } from './report.ts'

function timeOf(value: Buffer): number | null {
  try {
    return decodeEvent(value).at
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}

interface JobLine {
  readonly job: string
  readonly state: string
  readonly pass: number
  readonly verdict: ReturnType<typeof verdictOfPass> | null
}

async function lineOf({ rows }: Projection, job: string): Promise<JobLine> {
  const row = await rows.get(keyOf.job(job))
  if (row === undefined) return { job, state: 'requested', pass: 0, verdict: null }
  const tally = (await rows.get(keyOf.tally(job))) ?? emptyTally
  const state = passStateOf(row, row.control !== 'paused')
  const totals = { ...tally, pending: pendingOf(tally) }
  const verdict = verdictOfPass({ state, totals, listed: tally.listed, hasSelection: hasSelection(row) })
  return { job, state, pass: row.pass, verdict }
}

interface Rebuilt {
  readonly log: BoundedLog
  readonly projection: Projection
  readonly digest: string
  /** Of the folding alone. */
  readonly ms: number
  readonly jobs: readonly JobLine[]
  /** Records that cannot be folded. */
  readonly poison: readonly PoisonRecord[]
}

const progressEveryMs = 10_000

async function foldAll(input: CommandInput, projection: Projection): Promise<number> {
  const { clock, signal, settings, terminal } = input
  const ended = new AbortController()
  const isTold = !settings.quiet && settings.progress !== 'none'
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await clock.sleep(progressEveryMs, ended.signal)
      terminal.notice(`${formatCount(projection.counts().folded)} events folded\n`)
    }
  }
  const watching = isTold ? watch() : Promise.resolve()
  const startedMs = clock.monotonic()
  try {
    await projection.run(signal)
    signal.throwIfAborted()
    return clock.monotonic() - startedMs
  } finally {
    ended.abort(new Error('folded'))
    await Promise.allSettled([watching])
  }
}

const countOf = ({ projection }: Rebuilt): number => {
  const { folded, known, stale, poison } = projection.counts()
  return folded + known + stale + poison
}

const perSecond = (end: Rebuilt): number => Math.round(countOf(end) / Math.max(end.ms / 1000, 0.001))
const peakBytes = (): number => process.resourceUsage().maxRSS * 1024

function rebuiltText({ cluster: { kafka }, settings }: CommandInput, end: Rebuilt): string {
  const { stale, poison } = end.projection.counts()
  const bound = settings.until === null ? 'to the end' : `up to ${until.show(settings.until)}`
  const lines = end.jobs.map(({ job, state, pass, verdict }) => {
    const told = verdict === null ? 'no coordinator accepted it' : `${verdict.sentence} (exit code ${verdict.exitCode})`
    return ` job            ${showText(job)}, pass ${pass}, ${state}: ${told}`
  })
  return `${[
    `FOLDED. The log ${kafka.topic_prefix} ${bound}.`,
    ` state digest   ${end.digest}`,
    ` events         ${formatCount(countOf(end))} in ${formatDuration(end.ms)}, ${formatCount(perSecond(end))} a second; ${formatCount(stale)} stale, ${formatCount(poison)} poison`,
    ` peak memory    ${formatSize(peakBytes())}`,
    ...end.poison.map((record) => ` set aside      ${showText(poisonText(record))}`),
    ...lines,
  ].join('\n')}\n`
}

function rebuiltObject({ cluster: { kafka }, settings }: CommandInput, end: Rebuilt): object {
  const { stale, poison } = end.projection.counts()
  return {
    topic_prefix: kafka.topic_prefix,
    until: settings.until === null ? null : until.show(settings.until),
    positions: Object.fromEntries(end.log.reached()),
    state_digest: end.digest,
    events: countOf(end),
    stale,
    poison,
    set_aside: end.poison,
    duration_ms: Math.round(end.ms),
    events_per_second: perSecond(end),
    peak_memory_bytes: peakBytes(),
    jobs: end.jobs.map(({ job, state, pass, verdict }) => ({
      job_id: job,
      state,
      pass,
      verdict: verdict?.status ?? null,
      sentence: verdict?.sentence ?? null,
      exit_code: verdict?.exitCode ?? null,
    })),
  }
}

async function writeReport(input: CommandInput, { log, projection }: Rebuilt, job: string): Promise<void> {
  const file = reportFileOf(input.settings.report)
  if (file === null) return
  const look = { settings: await clusterSettingsOf(input), log: { ...log, topicIds: null }, projection }
  const view = await jobViewOf({ ...look, close: () => Promise.resolve() }, job)
  await writeForm(view, file, { software: software().version, signingKey: null, onLeaf: () => undefined })
}

/** Folds into a store below `folder`, tells, and writes the report that is asked for. */
async function rebuildInto(input: CommandInput, log: BoundedLog, folder: string): Promise<void> {
  const { words, settings, terminal } = input
  const store = await openEmbeddedStore(join(folder, 'store'))
  try {
    const projection = await openProjection(log, store)
    const ms = await foldAll(input, projection)
    const names = words[0] === undefined ? await clusterJobNames({ projection }) : [jobNamed(words[0])]
    const jobs = await Promise.all(names.map((name) => lineOf(projection, name)))
    const poison = await allPoison(projection.rows)
    const end: Rebuilt = { log, projection, ms, jobs, poison, digest: await stateDigest(store) }
    if (words[0] !== undefined) {
      if (jobs[0]?.verdict == null) throw new WaybillError('JOB_UNKNOWN', { job: words[0] })
      await writeReport(input, end, words[0])
    }
    await terminal.result(settings.json ? `${JSON.stringify(rebuiltObject(input, end))}\n` : rebuiltText(input, end))
  } finally {
    await store.close()
  }
}

export const clusterRebuild: Command = async (input) => {
  const { words, settings, clock, logger } = input
  if (settings.report !== null && words[0] === undefined)
    throw new WaybillError('USAGE', { problem: '--report needs JOB: it is written for one job' })
  await kafkaSettingsOf(input)
  const bound = {
    last: settings.until?.kind === 'positions' ? settings.until.last : new Map<string, number>(),
    untilMs: settings.until?.kind === 'time' ? settings.until.ms : null,
    timeOf,
  }
  const parent = stateFolderOfCluster(input, '')
  await makeFolder(parent, 0o700)
  const folder = await mkdtemp(join(parent, 'rebuild-'))
  const log = await openClusterLog(await clusterSettingsOf(input), { clock, logger, isLook: true })
  try {
    await rebuildInto(input, boundLog(log, bound), folder)
    return 0
  } finally {
    await log.close()
    await rm(folder, { recursive: true, force: true })
  }
}
