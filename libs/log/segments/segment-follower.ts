// Follows, in another process, a log that is being written: looks behind the known end for whole records and for the next
// segment. It may see records that are written and not yet synced; a power cut can take those back, a kill cannot.
import type { Clock } from '#libs/runtime/clock'
import { damage } from './log-error.ts'
import type { SegmentChain } from './segment-chain.ts'
import type { SegmentCursor } from './segment-cursor.ts'
import { findSegment } from './segment-opening.ts'

/** How long a reader at the end waits before it looks again. */
const pollMs = 100

export class SegmentFollower {
  readonly #chain: SegmentChain
  readonly #clock: Clock
  #cursor: SegmentCursor | null = null
  #looking: Promise<boolean> | null = null

  constructor(chain: SegmentChain, clock: Clock) {
    this.#chain = chain
    this.#clock = clock
  }

  /** Whether more came in; several readers share one look. @throws WaybillError LOG_DAMAGED */
  look(): Promise<boolean> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  /** Resolves when there is something new, or when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.look())) {
      try {
        await this.#clock.sleep(pollMs, signal)
      } catch (error) {
        if (!signal.aborted) throw error
      }
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#looking])
    await this.#cursor?.close()
  }

  async #lookOnce(): Promise<boolean> {
    const segment = this.#chain.segments.at(-1)
    if (segment === undefined) return this.#enterNext()
    this.#cursor ??= await this.#chain.openCursor(segment, this.#chain.end)
    const size = await this.#cursor.size()
    const { offset } = this.#chain.end
    if (size < offset) throw damage(segment.name, size, 'the segment became shorter')
    if (size === offset) return this.#enterNext()
    const run = await this.#cursor.next(size)
    if (run.records.length > 0) {
      this.#chain.extend(run)
      return true
    }
    await this.#cursor.assertCutShort(size)
    return false
  }

  /** The next segment has the name of the next sequence, so that it is never entered before all of this one is read. */
  async #enterNext(): Promise<boolean> {
    if (this.#chain.segments.at(-1)?.first === this.#chain.end.sequence) return false
    const header = await findSegment(this.#chain, this.#chain.end.sequence)
    if (header === null) return false
    await this.#cursor?.close()
    this.#cursor = null
    this.#chain.addSegment(header)
    return true
  }
}
