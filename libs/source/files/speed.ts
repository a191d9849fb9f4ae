// What a folder can deliver, measured: more and more readers, past the page cache, until more of them give no more or the
// reads of each begin to wait. What is found is a lower bound: the disks were not idle, and the measure is short and polite.
import fs, { constants } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#libs/runtime/clock'
import type { Bytes } from '#schemas/avro'
import type { Source } from '../source.ts'
import { openPath } from './calls.ts'

export interface SpeedLimits {
  readonly msMax: number
  readonly bytesMax: number
}

export interface MeasuredSpeed {
  /** Of the best step that kept within the latency limit. */
  readonly bytesPerSecond: number
  readonly readers: number
  readonly bytes: number
  /** True when the reads went past the page cache: only then it says anything of the disks. */
  readonly isUncached: boolean
  readonly endedBy: 'time' | 'bytes' | 'latency' | 'end of the source'
}

/** Steps of the ramp: readers at work. */
const ramp = [1, 2, 4, 8, 16] as const
/** The first reader alone sets the measure; above this the source makes its readers wait. */
const latencyTimesMax = 4
const latencySlackMs = 50
const pieceBytes = 1024 * 1024
const wasmPageBytes = 64 * 1024

/** Memory that WebAssembly maps by the page: direct reads need aligned addresses, and JavaScript tells none. */
declare const WebAssembly: {
  readonly Memory: new (size: {
    readonly initial: number
    readonly maximum: number
  }) => { readonly buffer: ArrayBuffer }
}

interface Piece {
  readonly name: Bytes
  readonly offset: number
  readonly length: number
}

async function* piecesOf(source: Source, signal: AbortSignal): AsyncGenerator<Piece> {
  let cursor: Bytes | null = null
  do {
    const page = await source.list(cursor, { entriesMax: 1_000, nameBytesMax: 96 * 1024 }, signal)
    for (const { name, kind, identity, outcome } of page.entries) {
      if (kind !== 'file' || outcome !== null) continue
      for (let offset = 0; offset < identity.size; offset += pieceBytes) {
        yield { name, offset, length: Math.min(pieceBytes, identity.size - offset) }
      }
    }
    cursor = page.cursor
  } while (cursor !== null)
}

interface Step {
  readonly startedMs: number
  bytes: number
  readonly readMs: number[]
}

class SpeedRun {
  readonly #root: string
  readonly #clock: Clock
  readonly #limits: SpeedLimits
  readonly #pieces: AsyncGenerator<Piece>
  readonly #startedMs: number
  readonly #signal: AbortSignal
  #turn: Promise<unknown> = Promise.resolve()
  #bytes = 0
  isUncached = constants.O_DIRECT !== undefined
  isOver: MeasuredSpeed['endedBy'] | null = null

  constructor(options: MeasureOptions) {
    this.#root = options.root
    this.#clock = options.clock
    this.#limits = options.limits
    this.#signal = options.signal
    this.#pieces = piecesOf(options.source, options.signal)
    this.#startedMs = options.clock.monotonic()
  }

  get bytes(): number {
    return this.#bytes
  }

  /** One reader after the other asks for its next piece. */
  #next(): Promise<IteratorResult<Piece>> {
    const next = this.#turn.then(() => this.#pieces.next())
    this.#turn = next.catch(() => undefined)
    return next
  }

  async step(readers: number, buffers: readonly Buffer[], untilMs: number): Promise<Step> {
    const step: Step = { startedMs: this.#clock.monotonic(), bytes: 0, readMs: [] }
    await Promise.all(buffers.slice(0, readers).map((buffer) => this.#read(step, buffer, untilMs)))
    return step
  }

  async #read(step: Step, buffer: Buffer, untilMs: number): Promise<void> {
    while (this.#clock.monotonic() < untilMs) {
      this.#signal.throwIfAborted()
      if (this.#bytes >= this.#limits.bytesMax) this.isOver ??= 'bytes'
      if (this.#clock.monotonic() - this.#startedMs >= this.#limits.msMax) this.isOver ??= 'time'
      if (this.isOver !== null) return
      const { value, done } = await this.#next()
      if (done === true) {
        this.isOver ??= 'end of the source'
        return
      }
      const startedMs = this.#clock.monotonic()
      const length = await this.#readPiece(value, buffer)
      step.readMs.push(this.#clock.monotonic() - startedMs)
      step.bytes += length
      this.#bytes += length
    }
  }

  async #readPiece({ name, offset, length }: Piece, buffer: Buffer): Promise<number> {
    const path = Buffer.concat([Buffer.from(join(this.#root, '/')), name])
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    try {
      const fd = await openPath(path, this.isUncached ? flags | constants.O_DIRECT : flags)
      try {
        return await pread(fd, this.isUncached ? buffer : buffer.subarray(0, length), offset)
      } finally {
        fs.closeSync(fd)
      }
    } catch (error) {
      // The file system has no direct reads: what is measured then is the page cache too.
      if (this.isUncached && isRefusal(error)) {
        this.isUncached = false
        return 0
      }
      if (isGone(error)) return 0
      throw error
    }
  }
}

const codeIs = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code))
const isRefusal = (error: unknown): boolean => codeIs(error, 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP')
/** A live source: what was listed may be gone, or not be ours to read; the walk tells of that elsewhere. */
const isGone = (error: unknown): boolean => codeIs(error, 'ENOENT', 'ELOOP', 'EACCES', 'EPERM', 'ESTALE')

function pread(fd: number, buffer: Buffer, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, 0, buffer.length, offset, (error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

export interface MeasureOptions {
  /** The folder that `source` lists. */
  readonly root: string
  readonly source: Source
  readonly clock: Clock
  readonly limits: SpeedLimits
  readonly signal: AbortSignal
}

/** Reads at rising speed and keeps nothing. Throws what the source throws, and the signal's reason. */
export async function measureSpeed(options: MeasureOptions): Promise<MeasuredSpeed> {
  const { clock, limits } = options
  const memory = new WebAssembly.Memory({
    initial: (ramp.at(-1) ?? 1) * (pieceBytes / wasmPageBytes),
    maximum: (ramp.at(-1) ?? 1) * (pieceBytes / wasmPageBytes),
  })
  const buffers = Array.from({ length: ramp.at(-1) ?? 1 }, (_, index) =>
    Buffer.from(memory.buffer, index * pieceBytes, pieceBytes),
  )
  const run = new SpeedRun(options)
  const stepMs = limits.msMax / ramp.length
  let quietMs = 0
  let best = { bytesPerSecond: 0, readers: 0 }
  for (const readers of ramp) {
    const step = await run.step(readers, buffers, clock.monotonic() + stepMs)
    const readMs = median(step.readMs)
    if (readers === 1) quietMs = readMs
    else if (readMs > Math.max(quietMs * latencyTimesMax, quietMs + latencySlackMs)) run.isOver = 'latency'
    const seconds = Math.max(0.001, (clock.monotonic() - step.startedMs) / 1000)
    const bytesPerSecond = Math.floor(step.bytes / seconds)
    if (run.isOver !== 'latency' && bytesPerSecond > best.bytesPerSecond) best = { bytesPerSecond, readers }
    if (run.isOver !== null) break
  }
  return { ...best, bytes: run.bytes, isUncached: run.isUncached, endedBy: run.isOver ?? 'time' }
}
