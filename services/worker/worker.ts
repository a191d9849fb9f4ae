// The worker of one job: leases chunks of its partitions and moves them. Bytes start after the lease came back (rule 3).

import { codeOf } from '#libs/domain/errors'
import { keyOf, parseChunkId, parseChunkKey, readyPrefixOf } from '#libs/domain/keys'
import { reportEveryMs } from '#libs/domain/rate'
import { retryDelayMs } from '#libs/domain/retry'
import type { EventLog } from '#libs/log/event-log'
import type { PlacedDraft } from '#libs/log/event-writer'
import { readEvent } from '#libs/projection/event-reader'
import type { Projection } from '#libs/projection/projection'
import type { Claim } from '#libs/runtime/claims'
import type { Clock, Random } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'
import type { Role } from '#libs/runtime/role'
import { moveChunk } from '#libs/transfer/move-chunk'
import type { MoveContext } from '#libs/transfer/move-context'
import type { ChunkRow, JobRow } from '#schemas/rows'

export interface WorkerOptions {
  readonly job: string
  /** Name of this worker, for grants and reports. */
  readonly worker: string
  readonly projection: Projection
  readonly log: EventLog
  readonly claims: readonly Claim[]
  /** Partitions of the job and of its source's rate. */
  readonly jobsPartition: number
  readonly ratesPartition: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Chunks leased at a time. */
  readonly chunksMax: number
  /** Ports and limits of the data plane, made once the probe's result is folded. */
  readonly transfer: () => Promise<Omit<MoveContext, 'overwrite' | 'looksFirst' | 'signal' | 'mustStillHold'>>
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
    recover: (task, error) => {
      options.logger.error({ code: codeOf(error), task: task.kind, error }, 'worker effect failed')
      throw error
    },
  }
}

class WorkDesk {
  readonly #options: WorkerOptions
  readonly #moving = new Map<string, AbortController>()
  readonly #restUntil = new Map<string, number>()
  readonly #takenOver = new Set<string>()
  /** When reports were sent, by sequence: a grant's life counts from there. */
  readonly #sentAt = new Map<number, number>()
  #grantedReport = -1
  #nextReport = 1
  #bytesRead = 0
  #reportedBytes = 0

  constructor(options: WorkerOptions) {
    this.#options = options
  }

  async decide(busy: ReadonlySet<string>): Promise<readonly WorkerTask[]> {
    const { projection, job, claims } = this.#options
    const row = await projection.rows.get(keyOf.job(job))
    if (row === undefined || row.probedForPass === 0) return []
    if (row.control !== 'running') this.#stopMoves(row.control)
    const transfer = await this.#options.transfer()
    await this.#takeGrant()
    const tasks: WorkerTask[] = []
    for (const claim of claims) tasks.push(...(await this.#decidePartition(row, claim, busy, transfer.gate.hasGrant())))
    const hasWork = tasks.some(({ kind }) => kind !== 'report') || this.#moving.size > 0
    return [...this.#reportIfDue(row.request.source, hasWork), ...tasks]
  }

  #stopMoves(reason: string): void {
    for (const controller of this.#moving.values()) controller.abort(new Error(`job is ${reason}`))
  }

  #reportIfDue(source: string, hasWork: boolean): WorkerTask[] {
    const last = this.#sentAt.get(this.#nextReport - 1)
    const isDue = last === undefined || this.#options.clock.monotonic() - last >= reportEveryMs
    return isDue ? [{ kind: 'report', sequence: this.#nextReport, source, hasWork }] : []
  }

  async #takeGrant(): Promise<void> {
    const grant = await this.#options.projection.rows.get(keyOf.grant(this.#options.worker))
    if (grant === undefined || grant.reportSequence <= this.#grantedReport) return
    const sentAt = this.#sentAt.get(grant.reportSequence)
    // A grant for a report of an earlier process of this name: its life cannot be counted, so it is no grant.
    if (sentAt === undefined) return
    this.#grantedReport = grant.reportSequence
    for (const sequence of this.#sentAt.keys()) if (sequence < grant.reportSequence) this.#sentAt.delete(sequence)
    const { gate } = await this.#options.transfer()
    gate.grant({ bytesPerSecond: grant.bytesPerSecond, validUntilMonotonicMs: sentAt + grant.lifeMs })
  }

  async #decidePartition(
    job: JobRow,
    claim: Claim,
    busy: ReadonlySet<string>,
    hasGrant: boolean,
  ): Promise<WorkerTask[]> {
    const { projection, chunksMax, clock } = this.#options
    const partition = await projection.rows.get(keyOf.partition('chunks', claim.partition))
    if (partition === undefined || partition.claim !== claim.claim) return []
    if (!this.#takenOver.has(claim.claim)) return [{ kind: 'takeOver', claim }]
    const moves: WorkerTask[] = []
    for (const key of partition.leased) {
      const { chunk, job: owner } = parseChunkKey(key)
      const row = await projection.rows.get(keyOf.chunk(owner, chunk))
      if (owner === this.#options.job && row?.local === 'leased' && row.epoch === claim.epoch) {
        moves.push({ kind: 'move', claim, chunk, attempt: row.attempt })
      }
    }
    if (job.control !== 'running' || !hasGrant) return moves
    const free = chunksMax - partition.leased.length
    if (free <= 0) return moves
    const prefix = readyPrefixOf('leasable', claim.partition, this.#options.job)
    const ready = await projection.rows.slice('leasable', prefix, chunksMax * 2)
    const rested = ready.filter(({ row }) => (this.#restUntil.get(row.chunk) ?? 0) <= clock.monotonic())
    const leases: WorkerTask[] = []
    for (const { row } of rested.slice(0, free)) {
      const chunk = await projection.rows.get(keyOf.chunk(this.#options.job, row.chunk))
      if (chunk?.local !== 'planned') continue
      leases.push({ kind: 'lease', claim, chunk: row.chunk, attempt: chunk.attempt + 1 })
    }
    return [...moves, ...leases].filter((task) => !busy.has(taskKey(task)))
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
    const seconds = reportEveryMs / 1_000
    const readBytesPerSecond = (this.#bytesRead - this.#reportedBytes) / seconds
    this.#reportedBytes = this.#bytesRead
    this.#sentAt.set(sequence, clock.monotonic())
    this.#nextReport = sequence + 1
    const event = {
      type: 'WorkerReported',
      job,
      worker,
      reportSequence: sequence,
      source,
      hasWork,
      readBytesPerSecond,
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
    const { projection, log, job, clock, random } = this.#options
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
    this.#moving.set(chunk, controller)
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
        signal: stop,
        mustStillHold: () => this.#options.mustStillHold(claim),
      })
      if (event.type === 'ChunkFailed') {
        this.#restUntil.set(chunk, clock.monotonic() + retryDelayMs(attempt, random))
        this.#options.logger.warn({ code: event.code, chunk, attempt, detail: event.detail }, 'chunk failed')
      } else this.#restUntil.delete(chunk)
      this.#bytesRead += event.sourceBytesRead
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
