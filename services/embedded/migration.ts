// Every role of one job in one process, over one log and one store (architecture.md "The idea"). Knows ports only: the
// same code runs on files and RocksDB, and in simulation on memory and a virtual clock.

import type { Wish } from '#libs/domain/decide-coordinator'
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { ControlRules } from '#libs/domain/rate-control'
import { emptyTally } from '#libs/domain/rows'
import { provenSince } from '#libs/domain/tally'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter, type EventWriter } from '#libs/log/event-writer'
import { openProjection, type Projection } from '#libs/projection/projection'
import { type Claim, claimPartition } from '#libs/runtime/claims'
import { openClients } from '#libs/runtime/clients'
import type { Clock, Random } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'
import { appendAndFold, type RoleContext } from '#libs/runtime/role'
import type { LoadSignal } from '#libs/source/load-signal'
import type { Source, SourceEntry } from '#libs/source/source'
import type { StateStore } from '#libs/store/state-store'
import type { Target } from '#libs/target/target'
import type { JobRequest, RunSettings } from '#schemas/records'
import type { JobRow, TallyRow } from '#schemas/rows'
import { startRoles } from './roles.ts'

/** What protects the source beside the limits of the job. */
export interface SourceProtection {
  readonly signals: readonly LoadSignal[]
  /** Lower bound of what the source can deliver; null: not measured. */
  readonly measuredPeakBytesPerSecond: number | null
  readonly rules: ControlRules
}

export interface MigrationOptions {
  readonly job: string
  /** What is asked for; must equal what the job was accepted with. null: as accepted. */
  readonly request: JobRequest | null
  /** `finish` ends the open pass, or opens a new one on a complete job; `verify` reads the target once more. */
  readonly aim: 'migrate' | 'verify'
  readonly actor: string
  readonly log: EventLog
  readonly store: StateStore
  readonly source: Source
  readonly target: Target
  /** The verifier's own target, where it has credentials of its own. */
  readonly readTarget: Target
  readonly selects: (entry: SourceEntry) => boolean
  /** Absent: limits and the latency of our own reads alone. */
  readonly protection?: SourceProtection
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Name of this process, unique. */
  readonly process: string
  readonly software: string
  readonly memoryBytes: number
  /** Requests in flight, and chunks worked on at a time. */
  readonly requestsMax: number
  readonly chunksMax: number
  readonly onBytes: (phase: 'read' | 'written' | 'verified', bytes: number) => void
  /** Called once everything is claimed, with the way to look at the state while it runs. */
  readonly onStarted: (view: { readonly projection: Projection; readonly writer: EventWriter }) => void
  readonly signal: AbortSignal
}

export interface MigrationEnd {
  readonly job: JobRow
  readonly tally: TallyRow
  readonly isComplete: boolean
}

export interface Claims {
  readonly jobs: Claim
  readonly listings: Claim
  readonly rates: Claim
  readonly chunks: readonly Claim[]
}

async function claimAll(context: RoleContext, options: MigrationOptions): Promise<Claims> {
  const claim = `${options.process}.${context.clock.now()}`
  const take = (topic: Claim['topic'], partition: number): Promise<Claim> =>
    claimPartition(context, { topic, partition, claim: `${claim}.${topic}.${partition}`, cause: 'start' })
  const counts = await options.log.partitionCounts()
  const chunks: Claim[] = []
  const [jobs, listings, rates] = [await take('jobs', 0), await take('listings', 0), await take('rates', 0)]
  for (let partition = 0; partition < counts.chunks; partition += 1) chunks.push(await take('chunks', partition))
  return { jobs, listings, rates, chunks }
}

/** Fields that may differ between runs of one job: limits are changed by events of their own. */
const adjustable: ReadonlySet<string> = new Set([
  'throughputBytesPerSecond',
  'throughputTimetable',
  'sourcePeakBytesPerSecond',
  'workersMax',
  'priority',
  'errorsMax',
  'verify',
  'samplePercent',
  'reconcile',
  'overwrite',
])

/** Names of the options in which a request differs from the one the job was accepted with. */
export function differences(asked: JobRequest, accepted: JobRequest): readonly string[] {
  return Object.entries(asked).flatMap(([name, value]) => {
    const before = accepted[name as keyof JobRequest]
    return adjustable.has(name) || JSON.stringify(value) === JSON.stringify(before) ? [] : [name]
  })
}

function settingsOf({ overwrite, verify, samplePercent, reconcile, errorsMax }: JobRequest): RunSettings {
  return { overwrite, verify, samplePercent, reconcile, errorsMax }
}

/** A mount that vanished, or another one in its place, is not the source that the job was made for. */
async function checkRoot({ aim, job, source }: MigrationOptions, row: JobRow): Promise<void> {
  if (aim === 'verify' || row.sourceRoot === '') return
  const { rootIdentity } = await source.describe()
  if (rootIdentity !== row.sourceRoot) {
    throw new WaybillError('SOURCE_REPLACED', { job, expected: row.sourceRoot, found: rootIdentity })
  }
}

/** Makes the job run: requests it, resumes it when it was paused, brings its limits up to date. */
async function prepareJob(context: RoleContext, options: MigrationOptions): Promise<void> {
  const { job, request, actor, signal } = options
  const row = await context.projection.rows.get(keyOf.job(job))
  const say = (event: Parameters<typeof appendAndFold>[1][number]['event']): Promise<void> =>
    appendAndFold(context, [{ topic: 'jobs', partition: 0, event }], signal)
  if (row === undefined) {
    if (request === null) throw new WaybillError('JOB_UNKNOWN', { job })
    await say({ type: 'JobRequested', job, request })
    return
  }
  await checkRoot(options, row)
  if (request !== null) {
    const names = differences(request, row.request)
    if (names.length > 0) throw new WaybillError('JOB_DIFFERS', { job, options: names.join(', ') })
    const { throughputBytesPerSecond, throughputTimetable, sourcePeakBytesPerSecond, workersMax, priority } = request
    const limits = { throughputBytesPerSecond, throughputTimetable, sourcePeakBytesPerSecond, workersMax, priority }
    const settings = settingsOf(request)
    const isNew = Object.entries(limits).some(([name, value]) => row[name as keyof typeof limits] !== value)
    const isOther = Object.entries(settings).some(([name, value]) => row.request[name as keyof RunSettings] !== value)
    if (isNew || isOther) {
      const change = { ...limits, settings: isOther ? settings : null }
      await say({ type: 'LimitsChanged', job, actor, reason: 'options of this run', ...change })
    }
  }
  if (row.control === 'paused') await say({ type: 'JobResumed', job, actor, reason: options.aim })
}

/** What this run is to reach: the end of the open pass, of a new one, or of a round of verification. */
async function aimOf(
  context: RoleContext,
  options: MigrationOptions,
): Promise<{ wish: Wish; round: number; pass: number }> {
  const row = await context.projection.rows.get(keyOf.job(options.job))
  if (options.aim === 'verify' && (row === undefined || row.pass === 0 || row.passesCompleted < row.pass)) {
    throw new WaybillError('JOB_UNFINISHED', { job: options.job })
  }
  if (options.aim === 'verify') return { wish: 'verify', round: (row?.round ?? 0) + 1, pass: row?.pass ?? 0 }
  const isBetween = row !== undefined && row.pass > 0 && row.passesCompleted === row.pass
  return isBetween
    ? { wish: 'new-pass', round: 0, pass: row.pass + 1 }
    : { wish: 'finish', round: 0, pass: Math.max(1, row?.pass ?? 1) }
}

async function endOf(projection: Projection, job: string): Promise<{ job: JobRow | undefined; tally: TallyRow }> {
  const row = await projection.rows.get(keyOf.job(job))
  return { job: row, tally: (await projection.rows.get(keyOf.tally(job))) ?? emptyTally }
}

/** Throws JOB_HELD once a newer claim stands: whatever this process appends from then on changes nothing (rule 1). */
async function mustStillOwn(projection: Projection, { jobs, listings, rates, chunks }: Claims): Promise<void> {
  const own = [jobs, listings, rates, ...chunks]
  const rows = await projection.rows.getMany(own.map(({ topic, partition }) => keyOf.partition(topic, partition)))
  for (const [index, { topic, partition, claim }] of own.entries()) {
    if (rows[index]?.claim !== claim) throw new WaybillError('JOB_HELD', { topic, partition })
  }
}

/** Resolves when the aim is reached, or the job was paused; throws when it was poisoned or taken over. */
async function waitForEnd(
  projection: Projection,
  options: MigrationOptions,
  aim: { readonly wish: Wish; readonly round: number; readonly pass: number; readonly claims: Claims },
  signal: AbortSignal,
): Promise<MigrationEnd> {
  for (;;) {
    const version = projection.version()
    await mustStillOwn(projection, aim.claims)
    const { job, tally } = await endOf(projection, options.job)
    const [poison] = await projection.rows.slice('poison', 'poison/', 1)
    if (poison !== undefined) throw new WaybillError('EVENT_POISON', { record: poison.key, reason: poison.row.reason })
    if (job !== undefined) {
      const isRead = job.round >= aim.round && provenSince(tally, job.round) >= tally.readable
      const isComplete = aim.wish === 'verify' ? isRead : job.passesCompleted >= aim.pass
      // Row and tally must be of one state, or the report would be short of what came with the end.
      if (isComplete && projection.version() === version) return { job, tally, isComplete }
      if (job.control === 'paused') return { job, tally, isComplete: false }
    }
    await projection.changed(version, signal)
  }
}

/**
 * Runs the job until its aim is reached, it pauses, or the signal aborts (then the reason is thrown, after a clean stop).
 * Throws what ends a run: preflight errors of the probe, JOB_DIFFERS, JOB_UNFINISHED, JOB_HELD, LOG_FULL, INTERNAL.
 */
export async function runMigration(options: MigrationOptions): Promise<MigrationEnd> {
  const { log, store, clock, signal, software } = options
  const projection = await openProjection(log, store)
  const writer = createEventWriter({ log, clock, writer: options.process, software })
  const folding = new AbortController()
  const stop = new AbortController()
  const roles = AbortSignal.any([signal, stop.signal])
  const context: RoleContext = { projection, writer, clock, idleMs: 1_000, retryMs: 2_000, signal: roles }
  const projected = projection.run(folding.signal)
  // A projection that fails ends everything: nothing can be decided on what is not folded.
  const broken = projected.then(() => new Promise<never>(() => undefined))
  const clients = openClients(options, projection)
  try {
    await Promise.race([broken, projection.caughtUp(roles)])
    const claims = await Promise.race([broken, claimAll(context, options)])
    await Promise.race([broken, prepareJob(context, options)])
    const aim = await aimOf(context, options)
    options.onStarted({ projection, writer })
    const running = startRoles({ options, context, claims, clients, aim })
    const failed = Promise.all(running).then(() => new Promise<never>(() => undefined))
    const end = waitForEnd(projection, options, { ...aim, claims }, roles)
    try {
      return await Promise.race([broken, failed, end])
    } finally {
      stop.abort(new WaybillError('ABORTED'))
      await Promise.allSettled([...running, end])
    }
  } finally {
    stop.abort(new WaybillError('ABORTED'))
    folding.abort()
    await Promise.allSettled([projected])
    await clients.close()
  }
}
