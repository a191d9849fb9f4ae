// When a job will be done: from what is left, what was measured, and what it may take at most. Pure.
import type { JobRow } from '#schemas/rows'
import { capOfJob, peakShare } from './rate.ts'
import { parseTimetable, weekOfLimits } from './timetable.ts'

/** A stretch of time with one cap. */
export interface CapStretch {
  /** ms since 1970, rising. */
  readonly fromMs: number
  /** null: unlimited. 0: nothing may be read. */
  readonly bytesPerSecond: number | null
}

export interface CompletionFacts {
  /** ms since 1970. */
  readonly nowMs: number
  /** Bytes still to be read at the source. */
  readonly leftBytes: number
  /** Bytes still to be read back; they are read at the same time. */
  readonly leftToVerifyBytes: number
  /** Over the last minutes, while work could go on; null: too little is known. */
  readonly measuredBytesPerSecond: number | null
  /** The cap now and as it will be; empty: unlimited. The last stretch goes on for ever, or until `repeatsAfterMs`. */
  readonly caps: readonly CapStretch[]
  /** Length of the timetable, from the first stretch's beginning; null: it does not repeat. */
  readonly repeatsAfterMs: number | null
}

type Limits = Pick<JobRow, 'throughputBytesPerSecond' | 'throughputTimetable' | 'sourcePeakBytesPerSecond'>

const weekMs = 7 * 86_400_000

/** The cap of a job now and as its timetable will have it. */
export function capsOf(limits: Limits, nowMs: number): Pick<CompletionFacts, 'caps' | 'repeatsAfterMs'> {
  const { throughputTimetable: text, sourcePeakBytesPerSecond: peak } = limits
  const timetable = text === null ? null : parseTimetable(text)
  if (timetable?.ok !== true) {
    const { bytesPerSecond } = capOfJob(limits, nowMs)
    return { caps: bytesPerSecond === null ? [] : [{ fromMs: nowMs, bytesPerSecond }], repeatsAfterMs: null }
  }
  const tenth = peak === null ? Number.POSITIVE_INFINITY : Math.floor(peak * peakShare)
  const caps = weekOfLimits(timetable.value, nowMs).map(({ fromMs, bytesPerSecond }): CapStretch => {
    const least = Math.min(bytesPerSecond ?? Number.POSITIVE_INFINITY, tenth)
    return { fromMs, bytesPerSecond: Number.isFinite(least) ? least : null }
  })
  return { caps, repeatsAfterMs: weekMs }
}

/** A longer time than this is no estimate: 100 years. */
const horizonMs = 100 * 365.25 * 86_400_000
const stretchesMax = 100_000

/** What is really moved under a cap: what was measured, where the cap does not say less. */
function paceUnder(cap: number | null, measured: number | null): number | null {
  if (cap === null) return measured
  return measured === null ? cap : Math.min(cap, measured)
}

/** ms until `bytes` are read; null: never, or unknown. */
function msToRead(bytes: number, facts: CompletionFacts): number | null {
  if (bytes <= 0) return 0
  const { caps, repeatsAfterMs, nowMs, measuredBytesPerSecond: measured } = facts
  if (caps.length === 0) return measured === null || measured <= 0 ? null : (bytes / measured) * 1000
  const first = caps[0]?.fromMs ?? nowMs
  let left = bytes
  let at = nowMs
  for (let step = 0; step < stretchesMax && at - nowMs <= horizonMs; step += 1) {
    const lap = repeatsAfterMs === null || at < first ? 0 : Math.floor((at - first) / repeatsAfterMs)
    const base = lap * (repeatsAfterMs ?? 0)
    const index = Math.max(
      0,
      caps.findLastIndex(({ fromMs }) => fromMs + base <= at),
    )
    const next = caps[index + 1]?.fromMs
    const lapEnd = repeatsAfterMs === null ? Number.POSITIVE_INFINITY : first + base + repeatsAfterMs
    const end = next === undefined ? lapEnd : next + base
    const pace = paceUnder(caps[index]?.bytesPerSecond ?? null, measured)
    if (pace === null) return null
    const needed = pace <= 0 ? Number.POSITIVE_INFINITY : (left / pace) * 1000
    if (at + needed <= end) return at + needed - nowMs
    if (end === Number.POSITIVE_INFINITY) return null
    left -= (pace * (end - at)) / 1000
    at = end
  }
  return null
}

/**
 * ms since 1970; null when it cannot be said. With a measured rate the time follows from that, never faster than the cap;
 * before anything was measured it follows from the cap alone: the soonest that the limit allows.
 */
export function estimateCompletion(facts: CompletionFacts): number | null {
  const reading = msToRead(facts.leftBytes, facts)
  if (reading === null) return null
  const { measuredBytesPerSecond: measured, leftToVerifyBytes } = facts
  const behind = measured === null || measured <= 0 ? 0 : (leftToVerifyBytes / measured) * 1000
  const ms = Math.max(reading, behind)
  return ms > horizonMs ? null : Math.round(facts.nowMs + ms)
}
