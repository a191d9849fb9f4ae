// Rate and time left, from what was seen in the last minute.
import type { ProgressSnapshot } from '../embedded/progress-snapshot.ts'

export interface Sample {
  /** Monotonic. */
  readonly atMs: number
  readonly copiedBytes: number
  readonly verifiedBytes: number
  readonly chunksDone: number
}

export interface Estimate {
  /** Copied bytes a second over the window; null before there is enough to say. */
  readonly bytesPerSecond: number | null
  /** Time left; null while the total is unknown, before there is enough to say, and when nothing moves. */
  readonly left: { readonly likelyMs: number; readonly shortMs: number; readonly longMs: number } | null
}

export const windowMs = 60_000
const samplesMax = 61
const enoughMs = 3000
const slicesMax = 6

export function sampleOf(snapshot: ProgressSnapshot, atMs: number): Sample {
  const { copiedBytes, verifiedBytes, chunks } = snapshot
  return { atMs, copiedBytes, verifiedBytes, chunksDone: chunks.done }
}

/** Adds a sample and forgets what is older than the window; samples closer than a second replace the newest. */
export function addSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const oldest = sample.atMs - windowMs
  const before = samples.at(-2)
  const isClose = before !== undefined && sample.atMs - before.atMs < windowMs / (samplesMax - 1)
  const kept = isClose ? samples.slice(0, -1) : samples
  return [...kept.filter((each) => each.atMs >= oldest), sample].slice(-samplesMax)
}

/** One kind of work: how much of it is left, and how to count it in a sample. */
interface Work {
  readonly left: number
  readonly count: (sample: Sample) => number
}

/** Slices of the window, each long enough to say something. */
function slicesOf(samples: readonly Sample[]): readonly (readonly [Sample, Sample])[] {
  const step = Math.max(1, Math.ceil((samples.length - 1) / slicesMax))
  const slices: (readonly [Sample, Sample])[] = []
  for (let start = 0; start + step < samples.length; start += step) {
    const first = samples[start]
    const last = samples[start + step]
    if (first !== undefined && last !== undefined && last.atMs > first.atMs) slices.push([first, last])
  }
  return slices
}

function speed([first, last]: readonly [Sample, Sample], count: Work['count']): number {
  return (count(last) - count(first)) / (last.atMs - first.atMs)
}

function timeLeft(work: Work, samples: readonly Sample[], whole: readonly [Sample, Sample]): Estimate['left'] {
  if (work.left <= 0) return { likelyMs: 0, shortMs: 0, longMs: 0 }
  const likely = speed(whole, work.count)
  if (likely <= 0) return null
  const speeds = slicesOf(samples)
    .map((slice) => speed(slice, work.count))
    .sort((left, right) => left - right)
  // The slowest and the fastest slice say little about a whole run: each is averaged with the mean.
  const slow = ((speeds[0] ?? likely) + likely) / 2
  const fast = ((speeds.at(-1) ?? likely) + likely) / 2
  return {
    likelyMs: work.left / likely,
    shortMs: work.left / Math.max(fast, likely),
    longMs: work.left / Math.min(Math.max(slow, likely / 2), likely),
  }
}

/** Pure: the same samples and snapshot give the same estimate. The kind of work that takes longest decides. */
export function estimate(samples: readonly Sample[], snapshot: ProgressSnapshot): Estimate {
  const first = samples[0]
  const last = samples.at(-1)
  if (first === undefined || last === undefined || last.atMs - first.atMs < enoughMs) {
    return { bytesPerSecond: null, left: null }
  }
  const bytesPerSecond = Math.max(0, speed([first, last], (sample) => sample.copiedBytes) * 1000)
  if (!snapshot.isTotalKnown) return { bytesPerSecond, left: null }
  const works: readonly Work[] = [
    { left: snapshot.totalBytes - snapshot.copiedBytes, count: (sample) => sample.copiedBytes },
    { left: snapshot.totalBytes - snapshot.verifiedBytes, count: (sample) => sample.verifiedBytes },
    { left: snapshot.chunks.planned - snapshot.chunks.done, count: (sample) => sample.chunksDone },
  ]
  let longest: Estimate['left'] = { likelyMs: 0, shortMs: 0, longMs: 0 }
  for (const work of works) {
    const left = timeLeft(work, samples, [first, last])
    if (left === null) return { bytesPerSecond, left: null }
    if (left.likelyMs > longest.likelyMs) longest = left
  }
  return { bytesPerSecond, left: longest }
}
