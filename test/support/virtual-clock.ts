// Time that moves only when a test says so. Sleepers wake in the order of their time, equal times in the order in which
// they fell asleep, and between two wakings everything that waits for nothing but promises runs to its end: the same
// program gives the same history each time.
import type { Clock } from '#libs/runtime/clock'

export interface VirtualClock extends Clock {
  /** Sleepers that wait for a time to come. */
  readonly sleepers: number
  /** Moves time on by `ms`, waking sleepers on the way. */
  advance(ms: number): Promise<void>
  /**
   * Moves time on until the promise is settled and gives its value. Throws when it is not settled after `msMax` of
   * virtual time, or when nothing sleeps that could settle it.
   */
  run<T>(promise: Promise<T>, msMax?: number): Promise<T>
}

interface Sleeper {
  readonly wakesAt: number
  readonly order: number
  readonly wake: () => void
}

/** One turn of the real loop lets all promises that wait for nothing else run out. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

class SteppedClock implements VirtualClock {
  #elapsedMs = 0
  #order = 0
  readonly #startMs: number
  readonly #asleep = new Set<Sleeper>()

  constructor(startMs: number) {
    this.#startMs = startMs
  }

  get sleepers(): number {
    return this.#asleep.size
  }

  now(): number {
    return this.#startMs + Math.floor(this.#elapsedMs)
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      this.#order += 1
      const sleeper: Sleeper = { wakesAt: this.#elapsedMs + Math.max(0, ms), order: this.#order, wake }
      const asleep = this.#asleep
      function wake(): void {
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      function stop(): void {
        asleep.delete(sleeper)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', stop, { once: true })
      asleep.add(sleeper)
    })
  }

  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms
    await settlePromises()
    for (let next = this.#next(); next !== null && next.wakesAt <= untilMs; next = this.#next()) {
      await this.#wake(next)
    }
    this.#elapsedMs = untilMs
  }

  async run<T>(promise: Promise<T>, msMax = 24 * 60 * 60 * 1000): Promise<T> {
    const untilMs = this.#elapsedMs + msMax
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await settlePromises()
    while (!isSettled) {
      const next = this.#next()
      if (next === null) throw new Error('nothing sleeps, and the promise is not settled')
      if (next.wakesAt > untilMs) throw new Error(`the promise is not settled after ${msMax} virtual ms`)
      await this.#wake(next)
    }
    return promise
  }

  async #wake(sleeper: Sleeper): Promise<void> {
    this.#elapsedMs = Math.max(this.#elapsedMs, sleeper.wakesAt)
    this.#asleep.delete(sleeper)
    sleeper.wake()
    await settlePromises()
  }

  #next(): Sleeper | null {
    let first: Sleeper | null = null
    for (const sleeper of this.#asleep) {
      const isEarlier =
        first === null ||
        sleeper.wakesAt < first.wakesAt ||
        (sleeper.wakesAt === first.wakesAt && sleeper.order < first.order)
      if (isEarlier) first = sleeper
    }
    return first
  }
}

/** A clock at `startMs` of the wall clock and 0 of the monotonic one. */
export function createVirtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  return new SteppedClock(startMs)
}
