// A source read by workers that exist as their reports and grants only: the production granter over a memory log, on a
// virtual clock. What the workers hold valid at the same time is summed up at every step of 50 ms.

import { keyOf } from '#libs/domain/keys'
import { type GivenGrant, isGrantNews, reportEveryMs } from '#libs/domain/rate'
import type { ControlRules } from '#libs/domain/rate-control'
import { createEventWriter, type EventWriter } from '#libs/log/event-writer'
import { openMemoryLog } from '#libs/log/memory-log'
import { openProjection, type Projection } from '#libs/projection/projection'
import { type Claim, claimPartition } from '#libs/runtime/claims'
import { runRole } from '#libs/runtime/role'
import { openMemoryStore } from '#libs/store/memory-store'
import type { EventOf } from '#schemas/events'
import type { JobRequest } from '#schemas/records'
import { decodeEvent } from '#schemas/wire'
import { createGranter, type SourceKnowledge } from '#services/coordinator/granting'
import { smallRequest } from '#test/support/memory-migration'
import { createVirtualClock, type VirtualClock } from '#test/support/virtual-clock'

const stepMs = 50

interface HeldGrant extends GivenGrant {
  readonly untilMs: number
}

/** One worker of one job in one run of its process. */
export class PaperWorker {
  readonly #stage: RateStage
  readonly #writer: EventWriter
  readonly name: string
  readonly job: string
  readonly process: string
  /** It could use this many bytes a second; 0: it has no work. */
  wants = Number.POSITIVE_INFINITY
  /** Grants arrive so many ms late. */
  lagMs = 0
  readMs = 5
  isDead = false
  #sequence: number
  #sentAt = new Map<number, number>()
  #reportedMs = Number.NEGATIVE_INFINITY
  #held: HeldGrant | null = null
  #seen: { readonly grant: HeldGrant; readonly fromMs: number }[] = []
  #read = 0

  constructor(stage: RateStage, options: { process: string; job: string; run: number }) {
    this.#stage = stage
    this.process = options.process
    this.job = options.job
    this.name = `${options.process}/${options.job}`
    this.#sequence = options.run * 1_000_000
    this.#writer = stage.writerOf(`${options.process}.${options.run}`)
  }

  /** What it may read at now. */
  get rate(): number {
    const nowMs = this.#stage.clock.monotonic()
    return !this.isDead && this.#held !== null && nowMs < this.#held.untilMs ? this.#held.bytesPerSecond : 0
  }

  get speed(): number {
    return Math.min(this.rate, this.wants)
  }

  async step(): Promise<void> {
    if (this.isDead) return
    const { clock, projection } = this.#stage
    const nowMs = clock.monotonic()
    this.#read += (this.speed * stepMs) / 1000
    const row = await projection.rows.get(keyOf.grant(this.name))
    const sentAt = row === undefined ? undefined : this.#sentAt.get(row.reportSequence)
    if (row !== undefined && sentAt !== undefined) {
      const { reportSequence } = row
      const grant = { reportSequence, bytesPerSecond: row.bytesPerSecond ?? Number.POSITIVE_INFINITY }
      const last = this.#seen.at(-1)?.grant ?? this.#held ?? { reportSequence: -1, bytesPerSecond: 0 }
      if (isGrantNews(last, grant))
        this.#seen.push({ grant: { ...grant, untilMs: sentAt + row.lifeMs }, fromMs: nowMs + this.lagMs })
    }
    while ((this.#seen[0]?.fromMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#held = this.#seen.shift()?.grant ?? null
    if (nowMs - this.#reportedMs >= reportEveryMs) await this.#report(nowMs)
  }

  async #report(nowMs: number): Promise<void> {
    const seconds = Math.max(stepMs, Math.min(nowMs - this.#reportedMs, 10_000)) / 1000
    this.#sequence += 1
    this.#sentAt.set(this.#sequence, nowMs)
    this.#reportedMs = nowMs
    const event = {
      type: 'WorkerReported',
      job: this.job,
      worker: this.name,
      reportSequence: this.#sequence,
      source: this.#stage.source,
      hasWork: this.wants > 0,
      readBytesPerSecond: this.#read / seconds,
      grantSequence: this.#held?.reportSequence ?? -1,
      reads: this.speed > 0 ? 100 : 0,
      readMsP50: this.readMs,
      readMsP95: this.readMs * 2,
    } as const
    this.#read = 0
    await this.#writer.append([{ topic: 'rates', partition: 0, event }])
  }
}

export interface RateStageOptions {
  readonly knowledge?: SourceKnowledge
  readonly rules?: ControlRules
}

export class RateStage {
  readonly clock: VirtualClock = createVirtualClock()
  readonly source = 'memory:source'
  readonly workers: PaperWorker[] = []
  readonly #log = openMemoryLog({ partitionCounts: { jobs: 1, listings: 1, rates: 1, chunks: 1 } })
  readonly #stop = new AbortController()
  readonly #options: RateStageOptions
  #projection: Projection | null = null
  #writer = createEventWriter({ log: this.#log, clock: this.clock, writer: 'coordinator', software: 'test' })
  #granting = new AbortController()
  #claims: { readonly jobs: Claim; readonly rates: Claim } | null = null
  #takeovers = 0
  #runs = 0

  constructor(options: RateStageOptions = {}) {
    this.#options = options
  }

  get projection(): Projection {
    if (this.#projection === null) throw new Error('not opened')
    return this.#projection
  }

  writerOf(writer: string): EventWriter {
    return createEventWriter({ log: this.#log, clock: this.clock, writer, software: 'test' })
  }

  async open(): Promise<void> {
    this.#projection = await openProjection(this.#log, openMemoryStore())
    void this.#projection.run(this.#stop.signal)
    await this.takeOver('start')
  }

  close(): void {
    this.#granting.abort(new Error('closed'))
    this.#stop.abort(new Error('closed'))
  }

  /** A new granter under new claims; the one before is gone without a word. */
  async takeOver(cause: 'start' | 'takeover'): Promise<void> {
    this.#granting.abort(new Error('taken over'))
    this.#granting = new AbortController()
    this.#takeovers += 1
    const signal = this.#granting.signal
    const context = { projection: this.projection, writer: this.#writer, clock: this.clock, signal }
    const take = (topic: 'jobs' | 'rates'): Promise<Claim> =>
      claimPartition(context, { topic, partition: 0, claim: `c${this.#takeovers}.${topic}.0`, cause })
    this.#claims = { jobs: await take('jobs'), rates: await take('rates') }
    const { projection, clock } = this
    const granter = createGranter({ projection, clock, ...this.#claims, partitionCount: 1, ...this.#options })
    void runRole(granter, { ...context, idleMs: 1_000, retryMs: 1_000 }).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }

  /** Accepts a job that reads the source. */
  async addJob(job: string, request: Partial<JobRequest>): Promise<void> {
    if (this.#claims === null) throw new Error('not opened')
    const { claim, epoch } = this.#claims.jobs
    const asked = { ...smallRequest, source: this.source, ...request }
    const origin = { requestPartition: 0, requestPosition: 0 }
    const event = { type: 'JobAccepted', job, claim, epoch, request: asked, ...origin } as const
    await this.#writer.append([{ topic: 'jobs', partition: 0, event }])
  }

  addWorker(process: string, job: string): PaperWorker {
    this.#runs += 1
    const worker = new PaperWorker(this, { process, job, run: this.#runs })
    this.workers.push(worker)
    return worker
  }

  /** Moves time on; `look` is called at each step. */
  async pass(ms: number, look: () => void = () => undefined): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await this.clock.advance(stepMs)
      for (const worker of this.workers) await worker.step()
      look()
    }
  }

  /** Rates that are valid now, in sum. */
  granted(which: (worker: PaperWorker) => boolean = () => true): number {
    return this.workers.filter(which).reduce((sum, { rate }) => sum + rate, 0)
  }

  async decisions(): Promise<readonly EventOf<'RateDecided'>[]> {
    const found: EventOf<'RateDecided'>[] = []
    const end = (await this.#log.ends()).get('jobs/0') ?? 0
    for (let position = 0; position < end; position += 1) {
      const value = (await this.#log.readAt('jobs', 0, position))?.value
      const event = value == null ? null : decodeEvent(value)
      if (event?.type === 'RateDecided') found.push(event)
    }
    return found
  }
}
