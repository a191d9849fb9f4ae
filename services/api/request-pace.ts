// Requests a second of each principal: a bucket that fills at the rate and holds twice of it. Buckets are few and bounded:
// the fullest are forgotten first, since a new bucket is full too.
import { ApiProblem } from './problems.ts'

const bucketsMax = 10_000

interface Bucket {
  tokens: number
  atMs: number
}

export class RequestPace {
  readonly #perSecond: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Throws TOO_MANY_REQUESTS. `nowMs`: monotonic. */
  take(name: string, nowMs: number): void {
    const burst = this.#perSecond * 2
    const before = this.#buckets.get(name) ?? { tokens: burst, atMs: nowMs }
    const tokens = Math.min(burst, before.tokens + ((nowMs - before.atMs) / 1000) * this.#perSecond)
    this.#buckets.delete(name)
    this.#buckets.set(name, { tokens: Math.max(0, tokens - 1), atMs: nowMs })
    // The one that was used longest ago is the fullest.
    const oldest = this.#buckets.size > bucketsMax ? this.#buckets.keys().next().value : undefined
    if (oldest !== undefined) this.#buckets.delete(oldest)
    if (tokens < 1) throw new ApiProblem('TOO_MANY_REQUESTS', { headers: { 'retry-after': '1' } })
  }
}
