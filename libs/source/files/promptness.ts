// Whether a file system answers from memory at present. A call through libuv's pool wakes a thread and then the loop again,
// 20 to 100 us of processor time, several times what opening or reading a small cached file takes. So such calls are made on
// the loop as long as they come back at once. Once they wait for a disk they go to the pool, where a disk has many of them to
// order and the loop stays free; after some the loop tries again.
import type { Clock } from '#libs/runtime/clock'

/** A mean above this is waiting and no computing: the head of a disk takes 5 to 10 ms, a cached page 0.01. */
const waitingMs = 0.4
/** One call counts no more than this: on a busy machine a thread is put aside for some ms now and then. */
const countedMsMax = 2
const meanShare = 1 / 8
/** Calls that go to the pool before the loop tries again. */
const awayCalls = 128

export class Promptness {
  readonly #clock: Pick<Clock, 'monotonic'>
  #meanMs = 0
  #away = 0

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Calls come back at once, as far as is known. */
  get isPrompt(): boolean {
    return this.#away === 0
  }

  /** False: this call goes to the pool. */
  takesNext(): boolean {
    if (this.#away === 0) return true
    this.#away -= 1
    return false
  }

  /** Makes the call on the loop and learns how long it took. */
  run<T>(call: () => T): T {
    const startedMs = this.#clock.monotonic()
    try {
      return call()
    } finally {
      this.#learn(this.#clock.monotonic() - startedMs)
    }
  }

  #learn(tookMs: number): void {
    this.#meanMs += (Math.min(tookMs, countedMsMax) - this.#meanMs) * meanShare
    if (this.#meanMs < waitingMs) return
    this.#away = awayCalls
    // The next try begins close to the limit: where it waits again, a few calls are enough to see it.
    this.#meanMs = waitingMs / 2
  }
}
