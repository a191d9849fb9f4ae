// How long our own reads take, against how long they take when the source is quiet. Reads wait behind everybody else's, so
// this tells of load that no counter of ours can see, on any source. It costs nothing and needs no access.
import type { RateSignal } from '#schemas/records'

/** How long the reads of one interval took, from all workers of the source. */
export interface ReadLatency {
  readonly reads: number
  readonly msP50: number
  readonly msP95: number
}

export interface LatencyBaseline {
  readonly msP50: number
  readonly msP95: number
  /** Intervals it was learned from. */
  readonly intervals: number
}

export interface LatencyRules {
  /** Fewer reads in an interval say nothing. */
  readonly readsMin: number
  readonly readsMinOfP95: number
  /** Intervals after which the baseline is compared with. */
  readonly learnIntervals: number
  /** Loud: above `times` x baseline and above baseline + `slackMs`. */
  readonly p50: { readonly times: number; readonly slackMs: number }
  readonly p95: { readonly times: number; readonly slackMs: number }
}

/** The slack is more than one seek of a disk, or a late turn of a busy worker, so that neither passes for load. */
export const latencyRules: LatencyRules = {
  readsMin: 5,
  readsMinOfP95: 40,
  learnIntervals: 5,
  p50: { times: 2, slackMs: 20 },
  p95: { times: 3, slackMs: 100 },
}

export const latencyNames = { p50: 'read-latency-p50-ms', p95: 'read-latency-p95-ms' } as const

/** Several workers' latencies as one, weighted by their reads. */
export function mergeLatencies(all: readonly ReadLatency[]): ReadLatency | null {
  const reads = all.reduce((sum, one) => sum + one.reads, 0)
  if (reads === 0) return null
  const mean = (of: (one: ReadLatency) => number): number =>
    all.reduce((sum, one) => sum + of(one) * one.reads, 0) / reads
  return { reads, msP50: mean(({ msP50 }) => msP50), msP95: mean(({ msP95 }) => msP95) }
}

/**
 * What the baseline moves by towards the latency of one interval: down soon, up by two thirds of the way in a day, so that
 * load which lasts for hours does not pass for quiet.
 */
const learning = { first: 0.3, down: 0.3, up: 0.000035 } as const

/** The baseline after one more interval. */
export function learnLatency(
  baseline: LatencyBaseline | null,
  latency: ReadLatency,
  { readsMin, learnIntervals }: LatencyRules = latencyRules,
): LatencyBaseline | null {
  if (latency.reads < readsMin) return baseline
  if (baseline === null) return { msP50: latency.msP50, msP95: latency.msP95, intervals: 1 }
  const isLearning = baseline.intervals < learnIntervals
  const move = (from: number, to: number): number => {
    const share = isLearning ? learning.first : to < from ? learning.down : learning.up
    return from + (to - from) * share
  }
  return {
    msP50: move(baseline.msP50, latency.msP50),
    msP95: move(baseline.msP95, latency.msP95),
    intervals: Math.min(learnIntervals, baseline.intervals + 1),
  }
}

/** The two signals of an interval; without thresholds while the baseline is being learned. Empty when too little was read. */
export function latencySignals(
  baseline: LatencyBaseline | null,
  latency: ReadLatency | null,
  rules: LatencyRules = latencyRules,
): readonly RateSignal[] {
  if (latency === null || latency.reads < rules.readsMin) return []
  const isKnown = baseline !== null && baseline.intervals >= rules.learnIntervals
  const signal = (name: string, value: number, quiet: number, rule: LatencyRules['p50']): RateSignal => {
    const threshold = isKnown ? Math.max(quiet * rule.times, quiet + rule.slackMs) : null
    return { name, value, ageMs: 0, baseline: isKnown ? quiet : null, threshold }
  }
  const p50 = signal(latencyNames.p50, latency.msP50, baseline?.msP50 ?? 0, rules.p50)
  if (latency.reads < rules.readsMinOfP95) return [p50]
  return [p50, signal(latencyNames.p95, latency.msP95, baseline?.msP95 ?? 0, rules.p95)]
}

/** The baseline as signals of an earlier decision tell it: a successor need not learn it again. */
export function baselineFrom(
  signals: readonly RateSignal[],
  { learnIntervals }: LatencyRules = latencyRules,
): LatencyBaseline | null {
  const quiet = (name: string): number | null => signals.find((one) => one.name === name)?.baseline ?? null
  const msP50 = quiet(latencyNames.p50)
  if (msP50 === null) return null
  return { msP50, msP95: quiet(latencyNames.p95) ?? msP50 * 3, intervals: learnIntervals }
}
