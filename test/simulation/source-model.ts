// A model of a busy source, for the controller alone: what it can deliver is shared with others, reads wait longer the fuller
// it is, and behind a backlog when more is wanted than it has. Time goes in steps of one report.
import { type RateCap, reportEveryMs } from '#libs/domain/rate'
import { type ControlRules, controlRate, controlRules, isNews, openControl } from '#libs/domain/rate-control'
import type { RateAction } from '#schemas/events'
import { seededRandom } from '../support/seeded-random.ts'

export interface SourceScenario {
  readonly name: string
  /** What the plot and the page say of it. */
  readonly story: string
  readonly minutes: number
  /** What the source can deliver, in bytes a second. */
  readonly capacity: number
  /** Hard limit of our reading at a minute. */
  readonly cap: (minute: number) => number
  /** What others want of the source at a minute, as a share of its capacity. */
  readonly others: (minute: number) => number
  /** A configured signal that says how busy the source is; absent: only the latency of our reads tells. */
  readonly hasSignal?: boolean
  /** Minutes in which that signal is silent. */
  readonly silent?: (minute: number) => boolean
}

export interface RateSample {
  readonly minute: number
  readonly cap: number
  readonly rate: number
  readonly others: number
  readonly latencyMs: number
  /** Whether the latency of that moment was above what the controller compares it with. */
  readonly isLoud: boolean
  readonly action: RateAction | null
  readonly reason: string
}

const serviceMs = 8
const fullest = 0.98

/** Latency of a read: service time, waiting in a queue (M/M/1: 1 / (1 - utilisation)), and the backlog in front of it. */
function latencyOf(used: number, backlogSeconds: number, noise: number): number {
  return (serviceMs / (1 - Math.min(fullest, used))) * noise + backlogSeconds * 1000
}

/** Runs the controller against the model, one look a report. The same seed gives the same samples. */
export function runSource(
  scenario: SourceScenario,
  seed: number,
  rules: ControlRules = controlRules,
): readonly RateSample[] {
  const random = seededRandom(seed)
  const samples: RateSample[] = []
  let state = openControl(undefined, 0, rules)
  let row: Parameters<typeof isNews>[0]
  let own = 0
  let backlog = 0
  let answeredMs = 0
  for (let nowMs = 0; nowMs < scenario.minutes * 60_000; nowMs += reportEveryMs) {
    const minute = nowMs / 60_000
    const { capacity } = scenario
    const others = Math.max(0, scenario.others(minute)) * capacity
    // Those that wait are served first as capacity allows; nobody waits longer than half a second in all.
    backlog = Math.min(capacity / 2, Math.max(0, backlog + ((own + others - capacity) * reportEveryMs) / 1000))
    const latencyMs = latencyOf((own + others) / capacity, backlog / capacity, 0.85 + 0.3 * random())
    const reads = Math.round(own / 250_000) * 3
    const latency = { reads, msP50: latencyMs, msP95: latencyMs * (2 + random()) }
    if (scenario.silent?.(minute) !== true) answeredMs = nowMs
    const busy = Math.min(1, (own + others) / capacity)
    const level = {
      name: 'busy',
      value: busy,
      ageMs: nowMs - answeredMs,
      threshold: 0.7,
      bytesPerSecond: own + others,
    }
    const cap: RateCap = { bytesPerSecond: scenario.cap(minute), reason: 'limit of the job' }
    const levels = scenario.hasSignal === true ? [level] : []
    const { state: next, decision } = controlRate(state, { cap, nowMs, latency, levels, ownBytesPerSecond: own }, rules)
    state = next
    const isLoud = decision.signals.some(({ value, threshold }) => threshold !== null && value > threshold)
    const action = isNews(row, decision) ? decision.action : null
    if (action !== null) row = decision
    own = decision.bytesPerSecond ?? capacity
    const shown = { minute, cap: cap.bytesPerSecond ?? capacity, rate: own, others }
    samples.push({ ...shown, latencyMs, isLoud, action, reason: decision.reason })
  }
  return samples
}

const MB = 1_000_000
const between = (minute: number, from: number, to: number): boolean => minute >= from && minute < to
const plain = { capacity: 1_000 * MB, cap: () => 100 * MB }

export const sourceScenarios: readonly SourceScenario[] = [
  {
    ...plain,
    name: 'quiet',
    story: 'Others use half of the source. Nothing is held back.',
    minutes: 60,
    others: () => 0.5,
  },
  {
    ...plain,
    name: 'busy-hour',
    story: 'Others overload the source for ten minutes, then leave.',
    minutes: 90,
    others: (minute) => (between(minute, 10, 20) ? 1.02 : 0.4),
  },
  {
    ...plain,
    name: 'bursts',
    story: 'A job of somebody else takes all for 30 s in every eighth minute.',
    minutes: 90,
    others: (minute) => (minute % 8 >= 7.5 ? 1.1 : 0.4),
  },
  {
    ...plain,
    name: 'nearly-full',
    story: 'From minute 5 on others use 72 % of the source: there is room for part of the cap only.',
    minutes: 120,
    others: (minute) => (minute < 5 ? 0.4 : 0.72),
  },
  {
    ...plain,
    name: 'overloaded',
    story: 'From minute 5 on the source is overloaded for good: the floor rate is all that is left.',
    minutes: 60,
    others: (minute) => (minute < 5 ? 0.4 : 1.05),
  },
  {
    ...plain,
    name: 'timetable',
    story: 'The cap is a quarter from minute 20 to 40, and others overload the source in minute 30 and 31.',
    minutes: 90,
    cap: (minute) => (between(minute, 20, 40) ? 25 * MB : 100 * MB),
    others: (minute) => (between(minute, 30, 32) ? 1.05 : 0.4),
  },
  {
    ...plain,
    name: 'signal',
    story: 'A configured signal tells how busy the source is (limit 0.7); it falls silent in minutes 50 to 55.',
    minutes: 90,
    hasSignal: true,
    others: (minute) => (between(minute, 10, 15) ? 0.8 : 0.4),
    silent: (minute) => between(minute, 50, 55),
  },
]
