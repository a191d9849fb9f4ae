// First come, first served: who waits for something scarce is let in strictly in order, so that a large request is not
// starved by small ones behind it.

interface Waiter {
  /** True when the waiter was served and may leave the queue. */
  readonly attempt: () => boolean
}

export class AdmissionQueue {
  readonly #waiters = new Set<Waiter>()

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
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        attempt: () => {
          const late = attempt()
          if (late === null) return false
          signal.removeEventListener('abort', leave)
          resolve(late)
          return true
        },
      }
      const leave = (): void => {
        this.#waiters.delete(waiter)
        reject(signal.reason)
        // The one that left may have been the large one that the others stood behind.
        this.serve()
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** To be called whenever there may be something to give again. */
  serve(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.attempt()) return
      this.#waiters.delete(waiter)
    }
  }
}
