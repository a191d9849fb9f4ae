// One attempt at one chunk: its counters, its deadlines, and the one reason for which it may stop as a whole.
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { EventOf } from '#schemas/events'
import type { Extent, NoteCount } from '#schemas/records'
import type { ChunkLease, MoveContext } from './move-context.ts'
import { createWatchdog, idleMsMax, type Watchdog, writeMsMax } from './watchdog.ts'

/** Why the whole attempt ends without a result. */
export interface Stop {
  readonly code: ErrorCode
  readonly isCounted: boolean
  readonly detail: string
}

const sourceLimits = { msMax: idleMsMax, code: 'SOURCE_STALLED' } as const

export class ChunkRun {
  readonly #notes = new Map<string, number>()
  readonly planned: EventOf<'ChunkPlanned'>
  readonly lease: ChunkLease
  readonly context: MoveContext
  sourceBytesRead = 0
  targetBytesWritten = 0
  #stop: Stop | null = null
  readonly #inner = new AbortController()
  readonly #watchdog: Watchdog
  readonly #abort = (): void => {
    this.stopWith({ code: 'ABORTED', isCounted: false, detail: 'paused, fenced or shut down' })
  }

  constructor(planned: EventOf<'ChunkPlanned'>, lease: ChunkLease, context: MoveContext) {
    this.planned = planned
    this.lease = lease
    this.context = context
    const { clock, onStuck } = context
    this.#watchdog = createWatchdog({ clock, signal: this.#inner.signal, onStuck })
    context.signal.addEventListener('abort', this.#abort, { once: true })
    if (context.signal.aborted) this.#abort()
  }

  /** Aborts when the attempt stops, from outside or from inside. */
  get signal(): AbortSignal {
    return this.#inner.signal
  }

  get stop(): Stop | null {
    return this.#stop
  }

  /** The first reason holds. */
  stopWith(stop: Stop): void {
    if (this.#stop !== null) return
    this.#stop = stop
    this.#inner.abort(new WaybillError('ABORTED', { for: stop.code }))
  }

  /** One call of the source, given up after 25 s without an answer. */
  source<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#watchdog.watch(sourceLimits, call)
  }

  /** One request to the target, in a slot of its own and under the fence. `bytes`: how long its body is. */
  target<T>(bytes: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.context.slots.run(async () => {
      await this.hold()
      return this.#watchdog.watch({ msMax: writeMsMax(bytes), code: 'TARGET_TIMEOUT' }, call)
    }, this.signal)
  }

  /** Stops the attempt when the claim does not stand any more. */
  async hold(): Promise<void> {
    try {
      const holding = this.context.mustStillHold()
      if (holding !== undefined) await holding
    } catch (error) {
      this.stopWith({ code: 'ABORTED', isCounted: false, detail: 'the claim does not stand any more' })
      throw error
    }
    this.signal.throwIfAborted()
  }

  /** One read at the source: its time tells how busy the source is. */
  async reading(bytes: number, call: () => Promise<unknown>): Promise<void> {
    const { readTimes } = this.context
    if (readTimes === undefined) await call()
    else await readTimes.time(bytes, call)
  }

  /** Reads a whole item without waiting, where the source can; false: it is still to be read. */
  readNow(extent: Extent, buffer: Buffer): boolean {
    const { source, clock, readTimes } = this.context
    if (buffer.length === 0 || extent.length !== extent.identity.size) return false
    const startedMs = clock.monotonic()
    if (source.readNow?.(extent.name, extent.identity, buffer) !== true) return false
    readTimes?.took(startedMs, buffer.length)
    this.countRead(buffer.length)
    return true
  }

  countRead(bytes: number): void {
    this.sourceBytesRead += bytes
    this.context.onBytes?.('read', bytes)
  }

  countWritten(bytes: number): void {
    this.targetBytesWritten += bytes
    this.context.onBytes?.('written', bytes)
  }

  /** What the writer had to say of an item that it wrote all the same. */
  note(codes: readonly string[]): void {
    for (const code of codes) this.#notes.set(code, (this.#notes.get(code) ?? 0) + 1)
  }

  get notes(): readonly NoteCount[] {
    return [...this.#notes].map(([code, count]) => ({ code, count }))
  }

  /** To be called once nothing of the attempt is at work any more. */
  async close(): Promise<void> {
    this.context.signal.removeEventListener('abort', this.#abort)
    await this.#watchdog.close()
  }
}
