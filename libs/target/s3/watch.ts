// Deadlines of requests that are under way (rule 3). One loop looks at all of them once a second: a timer for each
// request would cost more than the request's own bookkeeping.
import type { Clock } from '#libs/runtime/clock'

const tickMs = 1000

export class Watched {
  /** Monotonic ms of the last byte, or of the start. */
  movedAtMs: number
  /** How long nothing may move from `movedAtMs` on. */
  limitMs: number
  readonly expire: () => void

  constructor(movedAtMs: number, limitMs: number, expire: () => void) {
    this.movedAtMs = movedAtMs
    this.limitMs = limitMs
    this.expire = expire
  }
}

export class Watch {
  readonly #clock: Clock
  readonly #open = new Set<Watched>()
  readonly #closing = new AbortController()
  #isRunning: boolean = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(watched: Watched): void {
    this.#open.add(watched)
    if (!this.#isRunning) this.#start()
  }

  remove(watched: Watched): void {
    this.#open.delete(watched)
  }

  /** Ends the loop; requests still open are not expired. */
  close(): void {
    this.#closing.abort()
  }

  #start(): void {
    this.#isRunning = true
    this.#run().catch(() => {
      // The sleep was ended by `close`: no deadline matters any more.
    })
  }

  async #run(): Promise<void> {
    while (this.#open.size > 0) {
      await this.#clock.sleep(tickMs, this.#closing.signal)
      const now = this.#clock.monotonic()
      for (const watched of [...this.#open]) {
        if (now - watched.movedAtMs >= watched.limitMs) {
          this.#open.delete(watched)
          watched.expire()
        }
      }
    }
    this.#isRunning = false
  }
}
