// How fast an endpoint is asked, shared by everything that talks to it. Two brakes:
//
// * A gap between requests that doubles when the store asks to slow down (503, 429) and shrinks with each success: additive
//   brakes on each connection apart would add up to the same storm again.
// * A budget of retries, earned by successes: a store that is down for all gets few requests, whatever the number of
//   workers. Without budget a retry is not given up, only late, so that an outage of minutes costs no chunk.
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'

const gapMsFirst = 4
const gapMsMax = 1000
const gapMsMin = 1
const gapShrink = 0.98
/** Requests under way answer "slow down" together; that is one message and not many. */
const slowDownPauseMs = 500
const budgetMax = 100
const earnedBySuccess = 0.25

export class Pace {
  readonly #clock: Clock
  #gapMs = 0
  #nextAtMs = 0
  #slowedAtMs = Number.NEGATIVE_INFINITY
  #budget = budgetMax

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Waits for the next free place. @throws WaybillError ABORTED */
  async enter(signal: AbortSignal): Promise<void> {
    if (this.#gapMs === 0) return
    const now = this.#clock.monotonic()
    const at = Math.max(now, this.#nextAtMs)
    this.#nextAtMs = at + this.#gapMs
    if (at > now) await sleepUnlessAborted(this.#clock, at - now, signal)
  }

  succeed(): void {
    this.#budget = Math.min(budgetMax, this.#budget + earnedBySuccess)
    if (this.#gapMs > 0) this.#gapMs = this.#gapMs < gapMsMin ? 0 : this.#gapMs * gapShrink
  }

  slowDown(): void {
    const now = this.#clock.monotonic()
    if (now - this.#slowedAtMs < slowDownPauseMs) return
    this.#slowedAtMs = now
    this.#gapMs = Math.min(gapMsMax, Math.max(gapMsFirst, this.#gapMs * 2))
  }

  /** False when the budget is used up: then the retry should wait long. */
  takeRetry(): boolean {
    if (this.#budget < 1) return false
    this.#budget -= 1
    return true
  }

  /** Between requests at present; 0 when nothing holds them back. */
  get gapMs(): number {
    return this.#gapMs
  }
}

/** @throws WaybillError ABORTED */
export async function sleepUnlessAborted(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal)
  } catch (error) {
    throw signal.aborted ? new WaybillError('ABORTED', {}, { cause: signal.reason }) : error
  }
}
