// The memory for bytes in flight (`--memory`): one region that loans are cut from and given back to. Allocating a fresh
// buffer of 64 MiB costs about as much as hashing it (page faults), and what the collector has not freed yet would not
// be counted; a region that is used again costs nothing and cannot grow. Pages that no loan ever touched take no memory.
import { AdmissionQueue } from './admission-queue.ts'

/** Loans are rounded up to this, so that the free list stays short. */
const grainBytes = 4096

export interface Loan {
  /** Exactly as long as was asked for; what is in it is undefined. */
  readonly buffer: Buffer
  /** Once, and only after every call that was given the buffer has settled. */
  release(): void
}

export interface ByteBudget {
  readonly bytesMax: number
  /** Bytes of all loans, rounded up to 4 KiB each. */
  readonly inFlight: number
  /**
   * Lends a buffer of `bytes`, first come, first served. A request larger than the whole budget is let in when nothing
   * else is in flight. Rejects with the signal's reason. Who holds a loan must not ask for another one.
   */
  acquire(bytes: number, signal: AbortSignal): Promise<Loan>
}

interface Range {
  readonly start: number
  readonly end: number
}

/** Free ranges in order, never touching each other. */
class FreeRanges {
  #ranges: Range[]

  constructor(bytes: number) {
    this.#ranges = [{ start: 0, end: bytes }]
  }

  /** The lowest place that is large enough, so that untouched pages stay untouched; null when there is none. */
  cut(bytes: number): number | null {
    const index = this.#ranges.findIndex((range) => range.end - range.start >= bytes)
    const range = this.#ranges[index]
    if (range === undefined) return null
    const rest = { start: range.start + bytes, end: range.end }
    this.#ranges.splice(index, 1, ...(rest.start < rest.end ? [rest] : []))
    return range.start
  }

  join(start: number, bytes: number): void {
    const found = this.#ranges.findIndex((range) => range.start > start)
    const index = found === -1 ? this.#ranges.length : found
    const before = this.#ranges[index - 1]
    const after = this.#ranges[index]
    const touchesBefore = before?.end === start
    const touchesAfter = after?.start === start + bytes
    const joined = {
      start: touchesBefore ? before.start : start,
      end: touchesAfter ? after.end : start + bytes,
    }
    this.#ranges.splice(index - (touchesBefore ? 1 : 0), (touchesBefore ? 1 : 0) + (touchesAfter ? 1 : 0), joined)
  }
}

const emptyLoan: Loan = { buffer: Buffer.alloc(0), release: () => undefined }

class RegionBudget implements ByteBudget {
  readonly bytesMax: number
  inFlight = 0
  readonly #region: Buffer
  readonly #free: FreeRanges
  readonly #queue = new AdmissionQueue()

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
    const regionBytes = Math.floor(bytesMax / grainBytes) * grainBytes
    this.#region = Buffer.allocUnsafeSlow(regionBytes)
    this.#free = new FreeRanges(regionBytes)
  }

  acquire(bytes: number, signal: AbortSignal): Promise<Loan> {
    if (bytes === 0) return Promise.resolve(emptyLoan)
    const taken = Math.ceil(bytes / grainBytes) * grainBytes
    return this.#queue.enter(() => this.#lend(bytes, taken), signal)
  }

  #lend(bytes: number, taken: number): Loan | null {
    if (taken > this.#region.length) {
      return this.inFlight === 0 ? this.#loan(Buffer.allocUnsafeSlow(bytes), taken, null) : null
    }
    // An oversized loan leaves the region free, and still nothing else may be in flight beside it.
    if (this.inFlight + taken > this.#region.length) return null
    const start = this.#free.cut(taken)
    if (start === null) return null
    return this.#loan(this.#region.subarray(start, start + bytes), taken, start)
  }

  #loan(buffer: Buffer, taken: number, start: number | null): Loan {
    this.inFlight += taken
    let isReleased = false
    return {
      buffer,
      release: () => {
        if (isReleased) throw new RangeError('a loan was released twice')
        isReleased = true
        this.inFlight -= taken
        if (start !== null) this.#free.join(start, taken)
        this.#queue.serve()
      },
    }
  }
}

/** A budget of `bytesMax` bytes (rounded down to 4 KiB), nothing in flight. */
export function createByteBudget(bytesMax: number): ByteBudget {
  return new RegionBudget(bytesMax)
}
