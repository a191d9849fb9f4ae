// Time as an argument. The core never asks the machine; simulation passes a virtual clock.

export interface Clock {
  /** Wall clock, ms since 1970. For people and for reports, never for order. */
  now(): number
  /** Monotonic ms. For deadlines, leases and rates. */
  monotonic(): number
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Uniform in [0, 1). */
export type Random = () => number
