// Deadlines that the holder of a lease enforces on itself (rule 3). One sleeper serves all calls of a chunk, since a
// timer for each slice of each small file would cost more than reading it.
//
// Traps:
// * A call of the target holds the tries and waits of libs/target/retrying.ts, and adapters that see bytes move give up a
//   single try by themselves. What is watched here is the whole of it: a guard against a call that never ends.
// * Only calls of the ports are watched. Waiting for the gate, the budget, a slot or the fence is no lack of progress.
// * An aborted call is still awaited: its buffer may be read or written until it settles. When it does not settle within
//   5 s, `onStuck` is told; nothing in this process can end a read that hangs in the kernel.
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import { defaultRetryRules } from '#libs/target/retrying'

/** No byte moved. */
export const idleMsMax = 25_000
/** The answer to a body that was fully sent. */
const answerMsMax = 60_000
/** A body slower than this is given up where the port cannot tell that bytes move. */
const bodyBytesPerMsMin = 64
const stuckMsMax = 5_000

/** How long the target may be silent with all tries: no new one starts after the retry rules' limit, the last may run on. */
export const silenceMsMax = defaultRetryRules.elapsedMsMax + idleMsMax + answerMsMax

/** How long a write of `bytes` may take in all. */
export function writeMsMax(bytes: number): number {
  return silenceMsMax + Math.ceil(bytes / bodyBytesPerMsMin)
}

interface Call {
  deadlineMs: number
  readonly code: ErrorCode
  readonly controller: AbortController
  isAborted: boolean
}

export interface CallLimits {
  readonly msMax: number
  /** Thrown when the deadline passes. */
  readonly code: ErrorCode
}

export interface Progress {
  /** Starts the deadline anew: a byte has moved. */
  readonly moved: () => void
}

export interface Watchdog {
  /**
   * Runs one call of a port. Its signal aborts with the outer signal's reason, or at the deadline with the limit's code,
   * which is then thrown whatever the call itself says.
   */
  watch<T>(limits: CallLimits, call: (signal: AbortSignal, progress: Progress) => Promise<T>): Promise<T>
  /** Ends the sleeper; every call must have settled. */
  close(): Promise<void>
}

export interface WatchdogOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onStuck?: ((code: ErrorCode) => void) | undefined
}

class ChunkWatchdog implements Watchdog {
  readonly #options: WatchdogOptions
  readonly #calls = new Set<Call>()
  readonly #closing = new AbortController()
  #sleeping: Promise<void> | null = null
  readonly #abortAll = (): void => {
    const { reason } = this.#options.signal
    for (const call of this.#calls) this.#abort(call, reason)
  }

  constructor(options: WatchdogOptions) {
    this.#options = options
    options.signal.addEventListener('abort', this.#abortAll, { once: true })
  }

  async watch<T>(limits: CallLimits, run: (signal: AbortSignal, progress: Progress) => Promise<T>): Promise<T> {
    const { clock, signal } = this.#options
    signal.throwIfAborted()
    const controller = new AbortController()
    const call: Call = { deadlineMs: clock.monotonic() + limits.msMax, code: limits.code, controller, isAborted: false }
    this.#calls.add(call)
    this.#sleeping ??= this.#sleep()
    try {
      const moved = (): void => {
        if (!call.isAborted) call.deadlineMs = clock.monotonic() + limits.msMax
      }
      return await run(controller.signal, { moved })
    } catch (error) {
      if (!call.isAborted) throw error
      throw controller.signal.reason
    } finally {
      this.#calls.delete(call)
    }
  }

  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#abortAll)
    this.#closing.abort()
    await this.#sleeping
  }

  #abort(call: Call, reason: unknown): void {
    if (call.isAborted) return
    call.isAborted = true
    call.deadlineMs = this.#options.clock.monotonic() + stuckMsMax
    call.controller.abort(reason)
  }

  async #sleep(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await clock.sleep(this.#nextMs(), signal)
      } catch (error) {
        if (signal.aborted) return
        throw error
      }
      this.#inspect()
    }
  }

  /** Until the earliest deadline; with no call at work a full deadline, since a call that starts now ends no sooner. */
  #nextMs(): number {
    const nowMs = this.#options.clock.monotonic()
    let next = nowMs + stuckMsMax
    for (const call of this.#calls) next = Math.min(next, call.deadlineMs)
    return Math.max(1, next - nowMs)
  }

  #inspect(): void {
    const nowMs = this.#options.clock.monotonic()
    for (const call of this.#calls) {
      if (call.deadlineMs > nowMs) continue
      if (call.isAborted) {
        this.#options.onStuck?.(call.code)
        call.deadlineMs = Number.POSITIVE_INFINITY
      } else {
        this.#abort(call, new WaybillError(call.code))
      }
    }
  }
}

export function createWatchdog(options: WatchdogOptions): Watchdog {
  return new ChunkWatchdog(options)
}
