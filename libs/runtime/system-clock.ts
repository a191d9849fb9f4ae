// The machine's time behind the clock port: the one place that asks for it.
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from './clock.ts'

/** Longest delay a timer of Node takes; a longer one would fire at once. */
const delayMsMax = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      for (let left = ms; left >= 0; left -= delayMsMax) {
        await delay(Math.min(left, delayMsMax), undefined, signal === undefined ? {} : { signal })
      }
    } catch (error) {
      // Node rejects with an AbortError that only wraps the reason; the port promises the reason itself.
      if (signal?.aborted === true) throw signal.reason
      throw error
    }
  },
}
