// First come, first served: who waits for something scarce is let in strictly in order, so that a large request is not
// starved by small ones behind it.

interface Waiter {
  readonly signal: AbortSignal
  /** True when the waiter was served and may leave the queue. */
  readonly attempt: () => boolean
  readonly reject: (reason: unknown) => void
}

export class AdmissionQueue {
  readonly #waiters = new Set<Waiter>()
  /** Each has one listener, for all who wait under it: all the requests of a chunk do. */
  readonly #heard = new WeakSet<AbortSignal>()

  get length(): number {
    return this.#waiters.size
  }

  /**
   * Resolves with what `attempt` gives once it gives something and everyone before has been served. `attempt` returns
   * null while there is nothing to give, and takes what it gives. Rejects with the signal's reason.
   */
  enter<T>(attempt: () => T | null, signal: AbortSignal): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const given = this.#waiters.size === 0 ? attempt() : null
    if (given !== null) return Promise.resolve(given)
    this.#hear(signal)
    return new Promise((resolve, reject) => {
      const serve = (): boolean => {
        const late = attempt()
        if (late === null) return false
        resolve(late)
        return true
      }
      this.#waiters.add({ signal, attempt: serve, reject })
    })
  }

  /** To be called whenever there may be something to give again. */
  serve(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.attempt()) return
      this.#waiters.delete(waiter)
    }
  }

  #hear(signal: AbortSignal): void {
    if (this.#heard.has(signal)) return
    this.#heard.add(signal)
    signal.addEventListener('abort', () => this.#leave(signal), { once: true })
  }

  #leave(signal: AbortSignal): void {
    for (const waiter of this.#waiters) {
      if (waiter.signal !== signal) continue
      this.#waiters.delete(waiter)
      waiter.reject(signal.reason)
    }
    // Those that left may have been the large ones that others stood behind.
    this.serve()
  }
}
