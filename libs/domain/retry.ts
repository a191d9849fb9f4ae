// How long to wait before the next attempt: exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And
// Jitter", 2015).

const baseMs = 500
const ceilingMs = 30_000

/** Milliseconds to wait after the attempt of this number (1, 2, ...). `random` is uniform in [0, 1). */
export function retryDelayMs(attempt: number, random: () => number): number {
  return Math.floor(random() * Math.min(ceilingMs, baseMs * 2 ** attempt))
}
