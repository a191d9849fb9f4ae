// The worker of one job: leases chunks of its partitions and moves them. Bytes start after the lease came back (rule 3).

import { hasEnded } from '#libs/domain/job-control'
import { keyOf, parseChunkId, parseChunkKey } from '#libs/domain/keys'
import { isGrantNews, rateSourceOf, reportEveryMs } from '#libs/domain/rate'
import { retryDelayMs } from '#libs/domain/retry'
import type { EventLog } from '#libs/log/event-log'
import type { PlacedDraft } from '#libs/log/event-writer'
import { readEvent } from '#libs/projection/event-reader'
import type { Projection } from '#libs/projection/projection'
import { type ReadyChunk, readyChunks } from '#libs/projection/ready-walk'
import type { Claim } from '#libs/runtime/claims'
import type { Clock, Random } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'
import type { Role } from '#libs/runtime/role'
import { moveChunk } from '#libs/transfer/move-chunk'
import type { MoveContext } from '#libs/transfer/move-context'
import { ReadTimes } from '#libs/transfer/read-times'
import type { ChunkRow, JobRow } from '#schemas/rows'

export interface WorkerOptions {
  readonly job: string
  /** Name of this worker, for grants and reports. */
  readonly worker: string
  readonly projection: Projection
  readonly log: EventLog
  /** Claims on chunks that this process believes to hold; they change with a rebalance. */
  readonly claims: () => readonly Claim[]
  /** Partitions of the job and of its source's rate. */
  readonly jobsPartition: number
  readonly ratesPartition: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Chunks of the job leased at a time. */
  readonly chunksMax: number
  /** Ports and limits of the data plane, made once the probe's result is folded. */
  readonly transfer: () => Promise<
    Omit<MoveContext, 'overwrite' | 'looksFirst' | 'readTimes' | 'signal' | 'mustStillHold'>
  >
  /** Before the first lease under a claim: moves older temporary folders away. */
  readonly takeOver: (claim: Claim, signal: AbortSignal) => Promise<void>
  readonly mustStillHold: (claim: Claim) => void | Promise<void>
}

export type WorkerTask =
  | { readonly kind: 'report'; readonly sequence: number; readonly source: string; readonly hasWork: boolean }
  | { readonly kind: 'takeOver'; readonly claim: Claim }
  | { readonly kind: 'lease'; readonly claim: Claim; readonly chunk: string; readonly attempt: number }
  | { readonly kind: 'move'; readonly claim: Claim; readonly chunk: string; readonly attempt: number }

function taskKey(task: WorkerTask): string {
  switch (task.kind) {
    case 'report':
      return 'report'
    case 'takeOver':
      return `takeOver/${task.claim.partition}`
    case 'lease':
    case 'move':
      return `${task.kind}/${task.chunk}/${task.attempt}`
  }
}

export function createWorker(options: WorkerOptions): Role<WorkerTask> {
  const desk = new WorkDesk(options)
  return {
    name: 'worker',
    keyOf: taskKey,
    decide: (busy) => desk.decide(busy),
    perform: (task, signal) => desk.perform(task, signal),
    recover: (_task, error) => {
      // Whoever started the role tells of what ends it.
      throw error
    },
  }
}

interface Move {
  readonly claim: string
  readonly controller: AbortController
}

/** A claim that stands as folded, with the chunks leased under it. */
interface HeldClaim {
  readonly claim: Claim
  readonly leased: readonly string[]
}

/** A report that nobody answered within this time is forgotten: its grant would be over. */
const answerMsMax = 60_000
/** Chunks are leased in order: what was under way is among the first of its partition. */
const begunSearchMax = 64
/** What cannot wait for the next report is said no more often than this. */
const urgentMs = 100

class WorkDesk {
  readonly #options: WorkerOptions
  readonly #moving = new Map<string, Move>()
  readonly #restUntil = new Map<string, number>()
  readonly #takenOver = new Set<string>()
  /** Claims whose partitions were searched for what others had begun. */
  readonly #searched = new Set<string>()
  /** Leased before, by others or under an earlier claim, and not yet again. */
  readonly #interrupted = new Map<string, ReadyChunk>()
  /** When reports were sent, by sequence: a grant's life counts from there. */
  readonly #sentAt = new Map<number, number>()
  #grantedReport = -1
  readonly #readTimes: ReadTimes
  #nextReport: number
  #saidWork = false
  /** The last report told of a slow source: the next ones need not hurry to tell it again. */
  #saidSlow = false
  /** The grant taken last is lower than the one before: others wait for what is free now. */
  #mustConfirm = false
  #grantedRate = 0

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#readTimes = new ReadTimes(options.clock)
    // Another process of this name numbers its reports elsewhere, so that its grants are not taken for ours.
    this.#nextReport = 1 + Math.floor(options.random() * 2 ** 40)
  }

  async decide(busy: ReadonlySet<string>): Promise<readonly WorkerTask[]> {
    const { projection, job } = this.#options
    const row = await projection.rows.get(keyOf.job(job))
    if (row === undefined || row.probedForPass === 0) return []
    const standing = await this.#standing()
    if (row.control !== 'running') this.#stopMoves(`job is ${row.control}`, () => true)
    this.#stopMoves('the claim is lost', (claim) => !standing.some((held) => held.claim.claim === claim))
    this.#forgetLost(standing)
    const transfer = await this.#options.transfer()
    await this.#takeGrant()
    const [held, fresh] = [[] as HeldClaim[], [] as WorkerTask[]]
    for (const each of standing) {
      if (this.#takenOver.has(each.claim.claim)) held.push(each)
      else fresh.push({ kind: 'takeOver', claim: each.claim })
    }
    const moves = await this.#moves(held)
    // What a cancelled pass left is not moved while a further one is asked for.
    const ready = row.control === 'running' && !hasEnded(row) ? await this.#leases(held, moves.length) : []
    const leases = transfer.gate.hasGrant() ? ready : []
    const tasks = [...fresh, ...[...moves, ...leases].filter((task) => !busy.has(taskKey(task)))]
    const hasWork = moves.length > 0 || ready.length > 0 || this.#moving.size > 0
    return [...this.#reportIfDue(rateSourceOf(row.request.source), hasWork), ...tasks]
  }

  /** Own claims that stand, in the order of their partitions. */
  async #standing(): Promise<readonly HeldClaim[]> {
    const claims = [...this.#options.claims()].sort((a, b) => a.partition - b.partition)
    const rows = await this.#options.projection.rows.getMany(
      claims.map(({ partition }) => keyOf.partition('chunks', partition)),
    )
    return claims.flatMap((claim, index) => {
      const row = rows[index]
      return row?.claim === claim.claim ? [{ claim, leased: row.leased }] : []
    })
  }

  /** What was kept of claims and partitions that are lost: a process may see thousands of them. */
  #forgetLost(standing: readonly HeldClaim[]): void {
    if (this.#takenOver.size <= standing.length && this.#searched.size <= standing.length) return
    const claims = new Set(standing.map(({ claim }) => claim.claim))
    for (const kept of [this.#takenOver, this.#searched])
      for (const claim of kept) if (!claims.has(claim)) kept.delete(claim)
    const partitions = new Set(standing.map(({ claim }) => claim.partition))
    for (const [chunk, { partition }] of this.#interrupted)
      if (!partitions.has(partition)) this.#interrupted.delete(chunk)
  }

  #rest(chunk: string, attempt: number): void {
    const { clock, random } = this.#options
    const now = clock.monotonic()
    // Others may have moved what rested here.
    for (const [rested, until] of this.#restUntil) if (until <= now) this.#restUntil.delete(rested)
    this.#restUntil.set(chunk, now + retryDelayMs(attempt, random))
  }

  #stopMoves(reason: string, isStopped: (claim: string) => boolean): void {
    for (const { claim, controller } of this.#moving.values()) if (isStopped(claim)) controller.abort(new Error(reason))
  }

  #reportIfDue(source: string, hasWork: boolean): WorkerTask[] {
    const last = this.#sentAt.get(this.#nextReport - 1)
    // Said at once: it cannot begin before, or others wait for what it gave back.
    const everyMs = hasWork && !this.#saidWork ? 0 : this.#isUrgent() ? urgentMs : reportEveryMs
    const isDue = last === undefined || this.#options.clock.monotonic() - last >= everyMs
    return isDue ? [{ kind: 'report', sequence: this.#nextReport, source, hasWork }] : []
  }

  /** Others wait for what a lower grant freed, or the source has become slow since the last report. */
  #isUrgent(): boolean {
    return this.#mustConfirm || (!this.#saidSlow && this.#readTimes.hasSlowed())
  }

  async #takeGrant(): Promise<void> {
    const grant = await this.#options.projection.rows.get(keyOf.grant(this.#options.worker))
    if (grant === undefined) return
    const { reportSequence } = grant
    const rate = grant.bytesPerSecond ?? Number.POSITIVE_INFINITY
    const held = { reportSequence: this.#grantedReport, bytesPerSecond: this.#grantedRate }
    if (!isGrantNews(held, { reportSequence, bytesPerSecond: rate })) return
    const sentAt = this.#sentAt.get(reportSequence)
    // A grant for a report of an earlier process of this name: its life cannot be counted, so it is no grant.
    if (sentAt === undefined) return
    this.#grantedReport = reportSequence
    for (const sequence of this.#sentAt.keys()) if (sequence < reportSequence) this.#sentAt.delete(sequence)
    const { gate } = await this.#options.transfer()
    this.#mustConfirm ||= rate < this.#grantedRate
    this.#grantedRate = rate
    gate.grant({ bytesPerSecond: grant.bytesPerSecond, validUntilMonotonicMs: sentAt + grant.lifeMs })
  }

  /** Chunks of this job that are leased under own claims. */
  async #moves(held: readonly HeldClaim[]): Promise<readonly Extract<WorkerTask, { kind: 'move' }>[]> {
    const leased = held.flatMap(({ claim, leased: keys }) => keys.map((key) => ({ claim, ...parseChunkKey(key) })))
    const own = leased.filter(({ job }) => job === this.#options.job)
    const rows = await this.#options.projection.rows.getMany(own.map(({ job, chunk }) => keyOf.chunk(job, chunk)))
    return own.flatMap(({ claim, chunk }, index) => {
      const row = rows[index]
      const isStanding = row?.local === 'leased' && row.epoch === claim.epoch
      return isStanding ? [{ kind: 'move' as const, claim, chunk, attempt: row.attempt }] : []
    })
  }

  async #leases(held: readonly HeldClaim[], leasedNow: number): Promise<readonly WorkerTask[]> {
    const { projection, chunksMax, clock, job } = this.#options
    const leases: WorkerTask[] = []
    const free = chunksMax - leasedNow
    if (free <= 0) return leases
    const claims = new Map(held.map(({ claim }) => [claim.partition, claim]))
    const now = clock.monotonic()
    const chosen = new Set<string>()
    for await (const { partition, chunk } of this.#ready(held)) {
      const claim = claims.get(partition)
      if (claim === undefined || chosen.has(chunk) || (this.#restUntil.get(chunk) ?? 0) > now) continue
      chosen.add(chunk)
      const row = await projection.rows.get(keyOf.chunk(job, chunk))
      if (row?.local !== 'planned') {
        this.#interrupted.delete(chunk)
        continue
      }
      leases.push({ kind: 'lease', claim, chunk, attempt: row.attempt + 1 })
      if (leases.length >= free) break
    }
    return leases
  }

  /** What somebody had under way when a partition changed hands does not wait behind all that was ours before. */
  async *#ready(held: readonly HeldClaim[]): AsyncGenerator<ReadyChunk> {
    const { projection, job } = this.#options
    for (const { claim } of held) {
      if (this.#searched.has(claim.claim)) continue
      this.#searched.add(claim.claim)
      for (const found of await this.#begun(claim.partition)) this.#interrupted.set(found.chunk, found)
    }
    yield* [...this.#interrupted.values()]
    const partitions = held.map(({ claim }) => claim.partition)
    yield* readyChunks(projection.rows, 'leasable', job, partitions)
  }

  /** Of the first chunks that are ready in a partition, those that were leased before. */
  async #begun(partition: number): Promise<readonly ReadyChunk[]> {
    const { projection, job } = this.#options
    const first: ReadyChunk[] = []
    for await (const found of readyChunks(projection.rows, 'leasable', job, [partition])) {
      if (first.push(found) === begunSearchMax) break
    }
    const rows = await projection.rows.getMany(first.map(({ chunk }) => keyOf.chunk(job, chunk)))
    return first.filter((_, index) => (rows[index]?.attempt ?? 0) > 0)
  }

  perform(task: WorkerTask, signal: AbortSignal): Promise<readonly PlacedDraft[]> {
    switch (task.kind) {
      case 'report':
        return Promise.resolve([this.#report(task)])
      case 'takeOver':
        return this.#takeOver(task.claim, signal)
      case 'lease': {
        const { claim, chunk, attempt } = task
        const fence = { claim: claim.claim, epoch: claim.epoch }
        const event = { type: 'ChunkLeased', job: this.#options.job, ...fence, chunk, attempt } as const
        return Promise.resolve([{ topic: 'chunks', partition: claim.partition, event }])
      }
      case 'move':
        return this.#move(task, signal)
    }
  }

  #report({ sequence, source, hasWork }: Extract<WorkerTask, { kind: 'report' }>): PlacedDraft {
    const { clock, worker, ratesPartition, job } = this.#options
    this.#saidSlow = this.#readTimes.hasSlowed()
    const { reads, bytesPerSecond, msP50, msP95 } = this.#readTimes.take()
    this.#saidWork = hasWork
    this.#mustConfirm = false
    const now = clock.monotonic()
    for (const [earlier, sentAt] of this.#sentAt) if (sentAt < now - answerMsMax) this.#sentAt.delete(earlier)
    this.#sentAt.set(sequence, now)
    this.#nextReport = sequence + 1
    const event = {
      type: 'WorkerReported',
      job,
      worker,
      reportSequence: sequence,
      source,
      hasWork,
      readBytesPerSecond: bytesPerSecond,
      grantSequence: this.#grantedReport,
      reads,
      readMsP50: msP50,
      readMsP95: msP95,
    } as const
    return { topic: 'rates', partition: ratesPartition, event }
  }

  async #takeOver(claim: Claim, signal: AbortSignal): Promise<readonly PlacedDraft[]> {
    await this.#options.takeOver(claim, signal)
    this.#takenOver.add(claim.claim)
    return []
  }

  /** True when a leased chunk need not be moved any more: its items were sealed, failed or corrected meanwhile. */
  async #isDead({ item, generation, superseded, entries }: ChunkRow): Promise<boolean> {
    if (item === '') return superseded.length >= entries
    const upload = await this.#options.projection.rows.get(keyOf.upload(this.#options.job, item, generation))
    if (upload === undefined) return false
    return upload.isSuperseded || upload.sealed !== null || upload.failed > 0 || upload.refused > 0
  }

  async #move(task: Extract<WorkerTask, { kind: 'move' }>, signal: AbortSignal): Promise<readonly PlacedDraft[]> {
    const { projection, log, job } = this.#options
    const { claim, chunk, attempt } = task
    const row = await projection.rows.get(keyOf.chunk(job, chunk))
    const jobRow = await projection.rows.get(keyOf.job(job))
    if (row === undefined || jobRow === undefined) return []
    const lease = { job, claim: claim.claim, epoch: claim.epoch, chunk, attempt }
    if (await this.#isDead(row)) {
      const why = {
        by: 'worker',
        code: 'ABORTED',
        detail: 'the item was sealed, failed or corrected',
        isCounted: false,
      } as const
      const none = { isFinal: true, sourceBytesRead: 0, targetBytesWritten: 0, proof: null }
      return [
        { topic: 'chunks', partition: claim.partition, event: { type: 'ChunkFailed', ...lease, ...why, ...none } },
      ]
    }
    const planned = await readEvent(log, 'ChunkPlanned', {
      topic: 'chunks',
      partition: claim.partition,
      position: row.plannedAt,
    })
    const controller = new AbortController()
    this.#moving.set(chunk, { claim: claim.claim, controller })
    const stop = AbortSignal.any([signal, controller.signal])
    try {
      const event = await moveChunk(planned, lease, {
        ...(await this.#options.transfer()),
        overwrite: jobRow.request.overwrite,
        looksFirst: this.#looksFirst(
          jobRow,
          chunk,
          attempt,
          planned.extents.some(({ generation }) => generation > 1),
        ),
        readTimes: this.#readTimes,
        signal: stop,
        mustStillHold: () => this.#options.mustStillHold(claim),
      })
      if (event.type === 'ChunkFailed') {
        this.#rest(chunk, attempt)
        this.#options.logger.warn({ code: event.code, chunk, attempt, detail: event.detail }, 'chunk failed')
      } else this.#restUntil.delete(chunk)
      return [{ topic: 'chunks', partition: claim.partition, event }, ...this.#pauseFor(event)]
    } finally {
      this.#moving.delete(chunk)
    }
  }

  #looksFirst(job: JobRow, chunk: string, attempt: number, isCorrected: boolean): boolean {
    const isFirstTry = attempt === 1 && !isCorrected && parseChunkId(chunk).pass === 1
    return !isFirstTry || job.abilities?.isEmpty !== true
  }

  /** A full target or expired credentials stop the whole job until a person has acted. */
  #pauseFor(event: Awaited<ReturnType<typeof moveChunk>>): PlacedDraft[] {
    if (event.type !== 'ChunkFailed' || event.isCounted || event.code === 'ABORTED') return []
    const reason = `chunk ${event.chunk}: ${event.code}`
    const paused = {
      type: 'JobPaused',
      job: this.#options.job,
      actor: 'coordinator',
      reason,
      code: event.code,
    } as const
    return [{ topic: 'jobs', partition: this.#options.jobsPartition, event: paused }]
  }
}
