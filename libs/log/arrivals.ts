// Wakes the readers of a log that wait at its end. It sets no timer: everything is a microtask.

export class Arrivals {
  #sleepers = new Set<() => void>()
  #isClosed = false

  /** Wakes everyone who waits now. */
  announce(): void {
    const woken = this.#sleepers
    this.#sleepers = new Set()
    for (const wake of woken) wake()
  }

  /** From now on nobody waits. */
  close(): void {
    this.#isClosed = true
    this.announce()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Resolves at the next announcement, at once when the signal has aborted or nothing can arrive any more. */
  next(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake)
        this.#sleepers.delete(wake)
        resolve()
      }
      this.#sleepers.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
