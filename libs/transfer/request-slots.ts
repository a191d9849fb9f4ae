// How many requests may be in flight at once (`--concurrency`), over all chunks of a process.
import { AdmissionQueue } from './admission-queue.ts'

export interface RequestSlots {
  readonly slotsMax: number
  readonly inFlight: number
  /** Runs `request` once a slot is free, first come, first served. Rejects with the signal's reason while it waits. */
  run<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T>
}

class QueuedSlots implements RequestSlots {
  readonly slotsMax: number
  inFlight = 0
  readonly #queue = new AdmissionQueue()

  constructor(slotsMax: number) {
    this.slotsMax = slotsMax
  }

  async run<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
    // While a slot is free nobody waits for one, so there is nobody to come before.
    if (signal.aborted || this.#queue.length > 0 || this.#take() === null) {
      await this.#queue.enter(() => this.#take(), signal)
    }
    try {
      return await request()
    } finally {
      this.inFlight -= 1
      if (this.#queue.length > 0) this.#queue.serve()
    }
  }

  #take(): true | null {
    if (this.inFlight >= this.slotsMax) return null
    this.inFlight += 1
    return true
  }
}

/** `slotsMax` slots, at least one, none taken. */
export function createRequestSlots(slotsMax: number): RequestSlots {
  if (slotsMax < 1) throw new RangeError('at least one request must be allowed')
  return new QueuedSlots(slotsMax)
}
