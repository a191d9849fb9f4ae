// Brings a store up to date for those who only look.
import type { Projection } from './projection.ts'

/** Folds what the log held at the call. Throws what the log and the store throw, and the signal's reason. */
export async function foldToEnd(projection: Projection, signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const folding = projection.run(AbortSignal.any([signal, stop.signal]))
  try {
    // A fold that fails must not leave the wait without an end.
    await Promise.race([folding.then(() => signal.throwIfAborted()), projection.caughtUp(signal)])
  } finally {
    stop.abort()
    await Promise.allSettled([folding])
  }
}
