// How long reads at the source take, from one report of the worker to the next. A histogram whose buckets grow by a quarter:
// a quantile is off by an eighth at most, and a read costs two looks at the clock and one addition.
//
// A source that becomes slow answers few reads, so the quick ones before would hide them for the rest of an interval. Reads in
// a row that are all slower than usual are therefore counted apart as well: once they have lasted for a second they are the
// news, and the report is not waited for.
import type { Clock } from '#libs/runtime/clock'

const firstMs = 0.05
const growth = 1.25
/** The last bucket begins above 100 s. */
const bucketCount = 66
/** A read that is under way for so long counts like one that ended: a source that hangs ends none. */
const stalledMs = 1_000
/** Slower than usual: twice the usual, and more than a seek or a late turn of the loop. */
const slowTimes = 2
const slowSlackMs = 20
const slowReadsMin = 8
const slowLastsMs = 1_000

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
  /** The last reads in a row that were slower than usual. */
  readonly #slow = new Uint32Array(bucketCount)
  readonly #underWay = new Set<{ readonly startedMs: number }>()
  #slowReads = 0
  #slowSinceMs = 0
  /** Of the last report that was not slow; null: nothing is known yet. */
  #usualMs: number | null = null
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
      this.#end(read.startedMs)
    }
  }

  /** A read that began at `startedMs` (monotonic) and has just given `bytes`. */
  took(startedMs: number, bytes: number): void {
    this.#bytes += bytes
    this.#end(startedMs)
  }

  /** True once the source has been slower than usual for a second. */
  hasSlowed(): boolean {
    return this.#slowReads >= slowReadsMin && this.#clock.monotonic() - this.#slowSinceMs >= slowLastsMs
  }

  /** What happened since the last call; of a source that has slowed, only the reads since then. */
  take(): ReadSummary {
    const nowMs = this.#clock.monotonic()
    const isSlow = this.hasSlowed()
    const counts = (isSlow ? this.#slow : this.#counts).slice()
    for (const { startedMs } of this.#underWay) {
      if (nowMs - startedMs >= stalledMs) count(counts, nowMs - startedMs)
    }
    const seconds = Math.max(0.001, (nowMs - this.#sinceMs) / 1000)
    const reads = counts.reduce((sum, some) => sum + some, 0)
    const [msP50, msP95] = [quantile(counts, 0.5), quantile(counts, 0.95)]
    if (!isSlow && reads > 0) this.#usualMs = msP50
    const bytesPerSecond = this.#bytes / seconds
    this.#counts.fill(0)
    this.#forgetSlow()
    this.#bytes = 0
    this.#sinceMs = nowMs
    return { reads, bytesPerSecond, msP50, msP95 }
  }

  #end(startedMs: number): void {
    const tookMs = this.#clock.monotonic() - startedMs
    count(this.#counts, tookMs)
    if (this.#usualMs === null) return
    if (tookMs <= Math.max(this.#usualMs * slowTimes, this.#usualMs + slowSlackMs)) {
      if (this.#slowReads > 0) this.#forgetSlow()
      return
    }
    if (this.#slowReads === 0) this.#slowSinceMs = startedMs
    this.#slowReads += 1
    count(this.#slow, tookMs)
  }

  #forgetSlow(): void {
    this.#slow.fill(0)
    this.#slowReads = 0
  }
}

function count(counts: Uint32Array, ms: number): void {
  const bucket = ms <= firstMs ? 0 : Math.ceil(Math.log(ms / firstMs) / Math.log(growth))
  const index = Math.min(bucketCount - 1, bucket)
  counts[index] = (counts[index] ?? 0) + 1
}

/** The middle of the bucket that holds the quantile; 0 when all are empty. */
function quantile(counts: Uint32Array, share: number): number {
  const wanted = Math.ceil(counts.reduce((sum, some) => sum + some, 0) * share)
  let passed = 0
  for (const [index, some] of counts.entries()) {
    passed += some
    if (some > 0 && passed >= wanted) return index === 0 ? firstMs : firstMs * growth ** (index - 0.5)
  }
  return 0
}
