// The owner of one partition of the rates: for all sources that hash to it, over all jobs, it decides how fast they may be
// read, says why, and answers each worker's report with a grant that expires (docs/source-protection.md).

import { keyOf, reportPrefixOf } from '#libs/domain/keys'
import { partitionOfName } from '#libs/domain/placement'
import {
  grantLifeMs,
  isReading,
  type JobLimit,
  jobLimitOf,
  type KnownPeak,
  rateSourceOf,
  sourceCap,
} from '#libs/domain/rate'
import {
  type ControlRules,
  type ControlState,
  controlRate,
  controlRules,
  isNews,
  openControl,
  type RateDecision,
  type SignalLevel,
} from '#libs/domain/rate-control'
import { mergeLatencies, type ReadLatency } from '#libs/domain/rate-latency'
import { grantFor, shareRate } from '#libs/domain/rate-share'
import type { PlacedDraft } from '#libs/log/event-writer'
import type { Projection } from '#libs/projection/projection'
import type { Claim } from '#libs/runtime/claims'
import type { Clock } from '#libs/runtime/clock'
import type { Role } from '#libs/runtime/role'
import type { JobRow, ReportRow } from '#schemas/rows'
import { type Booked, forgottenMs, GrantBook } from './grant-book.ts'

export type GrantTask =
  | { readonly kind: 'decide'; readonly source: string; readonly decision: RateDecision }
  | {
      readonly kind: 'grant'
      readonly report: ReportRow
      readonly bytesPerSecond: number | null
      /** 0: forget the worker. */
      readonly lifeMs: number
    }

/** What is known of sources beside what the log says of them. */
export interface SourceKnowledge {
  /** Levels of the configured signals of a source, as they stand; empty where none is configured. */
  levels(source: string): readonly SignalLevel[]
  /** What the source can deliver; null: neither measured nor configured. */
  peak(source: string): KnownPeak | null
}

const nothingKnown: SourceKnowledge = { levels: () => [], peak: () => null }

export interface GranterOptions {
  readonly projection: Projection
  readonly clock: Clock
  /** Claims of the same partition of jobs (decisions) and of rates (grants). */
  readonly jobs: Claim
  readonly rates: Claim
  /** Partitions of the topic rates. */
  readonly partitionCount: number
  /** Without it only limits and the latency of our own reads protect a source. */
  readonly knowledge?: SourceKnowledge | undefined
  readonly rules?: ControlRules | undefined
}

const rowsAtOnce = 1_000
/** What only time changes is looked at this often: timetables, silent workers, quiet sources. */
const lookEveryMs = 1_000
const forgottenAtOnce = 100
/** A report is answered once more, before the next one, when its worker may have more than that of what it was given. */
const raiseMin = 1.1
const raiseBytesMin = 4096

interface SourceJobs {
  readonly source: string
  readonly rows: readonly { readonly job: string; readonly row: JobRow }[]
}

export function createGranter(options: GranterOptions): Role<GrantTask> {
  const desk = new GrantDesk(options)
  return {
    name: 'granter',
    keyOf: keyOfTask,
    decide: (busy) => desk.decide(busy),
    perform: (task) => Promise.resolve([draftOf(task, options)]),
    recover: (_task, error) => {
      throw error
    },
  }
}

function keyOfTask(task: GrantTask): string {
  return task.kind === 'decide' ? `decide/${task.source}` : `grant/${task.report.worker}`
}

function draftOf(task: GrantTask, { jobs, rates }: GranterOptions): PlacedDraft {
  const fence = ({ claim, epoch }: Claim): { claim: string; epoch: number } => ({ claim, epoch })
  if (task.kind === 'decide') {
    const { source, decision } = task
    const event = { type: 'RateDecided', job: '', ...fence(jobs), source, ...decision } as const
    return { topic: 'jobs', partition: jobs.partition, event }
  }
  const { report, bytesPerSecond, lifeMs } = task
  const { worker, reportSequence } = report
  const grant = { worker, reportSequence, bytesPerSecond, lifeMs }
  const event = { type: 'RateGranted', job: '', ...fence(rates), ...grant } as const
  return { topic: 'rates', partition: rates.partition, event }
}

class GrantDesk {
  readonly #options: GranterOptions
  readonly #book = new GrantBook()
  readonly #controls = new Map<string, ControlState>()
  readonly #startedMs: number
  /** null: to be read again. */
  #jobs: readonly SourceJobs[] | null = null
  #seen = -1
  #jobsSeen = -1
  #lookedMs = Number.NEGATIVE_INFINITY
  #wasBusy = false

  constructor(options: GranterOptions) {
    this.#options = options
    this.#startedMs = options.clock.monotonic()
  }

  async decide(busy: ReadonlySet<string>): Promise<readonly GrantTask[]> {
    const nowMs = this.#options.clock.monotonic()
    if (!this.#isDue(busy, nowMs)) return []
    this.#jobs ??= await this.#readJobs()
    const lost = await this.#readReports(nowMs)
    const mayGrant = await this.#mayGrant(nowMs)
    const forgotten = [...this.#book.expire(nowMs), ...lost]
    const tasks: GrantTask[] = []
    for (const jobs of this.#jobs) tasks.push(...(await this.#decideSource(jobs, { busy, nowMs, mayGrant })))
    for (const report of forgotten) tasks.push({ kind: 'grant', report, bytesPerSecond: 0, lifeMs: 0 })
    return tasks.filter((task) => !busy.has(keyOfTask(task)))
  }

  /** The projection wakes the role at every commit; nothing is new unless jobs or rates moved, or time passed. */
  #isDue(busy: ReadonlySet<string>, nowMs: number): boolean {
    const { projection, rates, partitionCount } = this.#options
    const positions = projection.positions()
    // Positions only rise, so their sum tells whether any did.
    let jobs = 0
    for (let partition = 0; partition < partitionCount; partition += 1) jobs += positions.get(`jobs/${partition}`) ?? 0
    const all = jobs + (positions.get(`rates/${rates.partition}`) ?? 0)
    const isDue = this.#wasBusy || all !== this.#seen || nowMs - this.#lookedMs >= lookEveryMs
    this.#wasBusy = busy.size > 0
    if (!isDue) return false
    if (jobs !== this.#jobsSeen) this.#jobs = null
    this.#jobsSeen = jobs
    this.#seen = all
    this.#lookedMs = nowMs
    return true
  }

  /** After a takeover grants of another process may live, so none is given before those are over. */
  async #mayGrant(nowMs: number): Promise<boolean> {
    if (nowMs - this.#startedMs >= grantLifeMs) return true
    const { projection, rates } = this.#options
    const standing = await projection.rows.get(keyOf.partition('rates', rates.partition))
    return standing?.claim === rates.claim && standing.cause === 'start'
  }

  /** Jobs that read now, by the sources of this partition. */
  async #readJobs(): Promise<readonly SourceJobs[]> {
    const { projection, rates, partitionCount } = this.#options
    const bySource = new Map<string, { job: string; row: JobRow }[]>()
    for (let after: string | undefined; ; ) {
      const rows = await projection.rows.slice('job', 'job/', rowsAtOnce, after)
      for (const { key, row } of rows) {
        const source = rateSourceOf(row.request.source)
        if (!isReading(row) || partitionOfName(source, partitionCount) !== rates.partition) continue
        const entry = { job: key.slice('job/'.length), row }
        bySource.set(source, [...(bySource.get(source) ?? []), entry])
      }
      after = rows.at(-1)?.key
      if (rows.length < rowsAtOnce) break
    }
    for (const source of this.#controls.keys()) if (!bySource.has(source)) this.#controls.delete(source)
    return [...bySource].map(([source, rows]) => ({ source, rows }))
  }

  /** Takes in the reports to this claim; returns some of those to earlier ones whose workers never came back. */
  async #readReports(nowMs: number): Promise<readonly ReportRow[]> {
    const { projection, rates } = this.#options
    const lost: ReportRow[] = []
    for (let after: string | undefined; ; ) {
      const rows = await projection.rows.slice('report', reportPrefixOf(rates.partition), rowsAtOnce, after)
      for (const { row } of rows) {
        // Workers that live report every few seconds, so each has reported to this claim soon after it stands.
        if (row.epoch === rates.epoch) this.#book.see(row, nowMs)
        else if (nowMs - this.#startedMs > forgottenMs && lost.length < forgottenAtOnce) lost.push(row)
      }
      after = rows.at(-1)?.key
      if (rows.length < rowsAtOnce) return lost
    }
  }

  async #decideSource(
    { source, rows }: SourceJobs,
    { busy, nowMs, mayGrant }: { busy: ReadonlySet<string>; nowMs: number; mayGrant: boolean },
  ): Promise<readonly GrantTask[]> {
    // A rate under which grants are given is in the log first.
    if (busy.has(`decide/${source}`)) return []
    const { projection, clock } = this.#options
    const limits = rows.map(({ job, row }) => jobLimitOf(job, row, clock.now()))
    const booked = this.#book.of(source, nowMs)
    const row = await projection.rows.get(keyOf.rate(source))
    const decision = this.#control(source, limits, booked, () => openControl(row, nowMs, this.#rules))
    if (isNews(row, decision)) return [{ kind: 'decide', source, decision }]
    return mayGrant ? this.#grants(source, decision.bytesPerSecond, limits, { booked, busy, nowMs }) : []
  }

  get #rules(): ControlRules {
    return this.#options.rules ?? controlRules
  }

  #control(
    source: string,
    limits: readonly JobLimit[],
    booked: readonly Booked[],
    open: () => ControlState,
  ): RateDecision {
    const { knowledge = nothingKnown, clock } = this.#options
    const alive = booked.filter(({ isAlive }) => isAlive).map(({ report }) => report)
    const latencies = alive.map(({ reads, readMsP50, readMsP95 }): ReadLatency => {
      return { reads, msP50: readMsP50, msP95: readMsP95 }
    })
    const input = {
      cap: sourceCap(limits, knowledge.peak(source)),
      nowMs: clock.monotonic(),
      latency: mergeLatencies(latencies),
      levels: knowledge.levels(source),
      ownBytesPerSecond: alive.reduce((sum, { readBytesPerSecond }) => sum + readBytesPerSecond, 0),
    }
    const { state, decision } = controlRate(this.#controls.get(source) ?? open(), input, this.#rules)
    this.#controls.set(source, state)
    return decision
  }

  #grants(
    source: string,
    bytesPerSecond: number | null,
    limits: readonly JobLimit[],
    look: { readonly booked: readonly Booked[]; readonly busy: ReadonlySet<string>; readonly nowMs: number },
  ): readonly GrantTask[] {
    const rate = bytesPerSecond ?? Number.POSITIVE_INFINITY
    const shares = shareRate(
      rate,
      limits,
      look.booked.map(({ grantee }) => grantee),
    )
    const limitOf = new Map(limits.map(({ job, bytesPerSecond: limit }) => [job, limit ?? Number.POSITIVE_INFINITY]))
    const tasks: GrantTask[] = []
    for (const { grantee, report, answer, isAlive } of look.booked) {
      if (look.busy.has(`grant/${report.worker}`)) continue
      const share = shares.get(grantee.id) ?? 0
      // Looked at before the rest, which is dear with many workers; and one that is silent would never read at more.
      const least = answer === null ? Number.NEGATIVE_INFINITY : answer * raiseMin + raiseBytesMin
      if (share <= least || (answer !== null && !isAlive)) continue
      // Read anew each time: a grant given a moment ago counts for the next.
      const grantees = this.#book.of(source, look.nowMs).map((one) => one.grantee)
      const bounds = { rate, limit: limitOf.get(grantee.job) ?? 0, grantees }
      const granted = grantFor(grantee, share, bounds)
      if (granted <= least) continue
      this.#book.grant(grantee.id, granted)
      const shown = granted === Number.POSITIVE_INFINITY ? null : granted
      tasks.push({ kind: 'grant', report, bytesPerSecond: shown, lifeMs: grantLifeMs })
    }
    return tasks
  }
}
