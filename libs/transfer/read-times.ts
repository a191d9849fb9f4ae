// How long reads at the source take, from one report of the worker to the next. A histogram whose buckets grow by a quarter:
// a quantile is off by an eighth at most, and a read costs two looks at the clock and one addition.
import type { Clock } from '#libs/runtime/clock'

const firstMs = 0.05
const growth = 1.25
/** The last bucket begins above 100 s. */
const bucketCount = 66
/** A read that is under way for so long counts like one that ended: a source that hangs ends none. */
const stalledMs = 1_000

export interface ReadSummary {
  readonly reads: number
  readonly bytesPerSecond: number
  /** Half, and 95 %, of the reads took at most this. 0 without reads. */
  readonly msP50: number
  readonly msP95: number
}

export class ReadTimes {
  readonly #clock: Clock
  readonly #counts = new Uint32Array(bucketCount)
  readonly #underWay = new Set<{ readonly startedMs: number }>()
  #bytes = 0
  #sinceMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.monotonic()
  }

  /** Times one read of `bytes`. Throws what the call throws; a read that failed counts with the time it took. */
  async time(bytes: number, call: () => Promise<unknown>): Promise<void> {
    const read = { startedMs: this.#clock.monotonic() }
    this.#underWay.add(read)
    try {
      await call()
      this.#bytes += bytes
    } finally {
      this.#underWay.delete(read)
      this.#count(this.#counts, this.#clock.monotonic() - read.startedMs)
    }
  }

  /** What happened since the last call. */
  take(): ReadSummary {
    const nowMs = this.#clock.monotonic()
    const counts = this.#counts.slice()
    for (const { startedMs } of this.#underWay) {
      if (nowMs - startedMs >= stalledMs) this.#count(counts, nowMs - startedMs)
    }
    const seconds = Math.max(0.001, (nowMs - this.#sinceMs) / 1000)
    const summary = {
      reads: counts.reduce((sum, count) => sum + count, 0),
      bytesPerSecond: this.#bytes / seconds,
      msP50: quantile(counts, 0.5),
      msP95: quantile(counts, 0.95),
    }
    this.#counts.fill(0)
    this.#bytes = 0
    this.#sinceMs = nowMs
    return summary
  }

  #count(counts: Uint32Array, ms: number): void {
    const bucket = ms <= firstMs ? 0 : Math.ceil(Math.log(ms / firstMs) / Math.log(growth))
    const index = Math.min(bucketCount - 1, bucket)
    counts[index] = (counts[index] ?? 0) + 1
  }
}

/** The middle of the bucket that holds the quantile; 0 when all are empty. */
function quantile(counts: Uint32Array, share: number): number {
  const wanted = Math.ceil(counts.reduce((sum, count) => sum + count, 0) * share)
  let passed = 0
  for (const [index, count] of counts.entries()) {
    passed += count
    if (count > 0 && passed >= wanted) return index === 0 ? firstMs : firstMs * growth ** (index - 0.5)
  }
  return 0
}
