// The machine's time behind the clock port: the one place that asks for it.
import type { Clock } from './clock.ts'

/** Longest delay a timer of Node takes; a longer one would fire at once. */
const delayMsMax = 2 ** 31 - 1

/** By hand, since `node:timers/promises` makes an error with a stack each time it is cut short, and most sleeps are. */
function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return new Promise((resolve) => setTimeout(resolve, ms))
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    for (let left = ms; left >= 0; left -= delayMsMax) await delay(Math.min(left, delayMsMax), signal)
  },
}
