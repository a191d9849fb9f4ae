// How much of the cap a source is read with (docs/source-protection.md "The controller"): additive increase, multiplicative
// decrease (Chiu and Jain 1989). A pure function of the state, of what the source's signals say, and of the time given.
import type { RateAction } from '#schemas/events'
import type { RateSignal } from '#schemas/records'
import type { RateRow } from '#schemas/rows'
import { formatDuration, formatRate } from './quantity.ts'
import { type RateCap, reportEveryMs } from './rate.ts'
import {
  baselineFrom,
  type LatencyBaseline,
  type LatencyRules,
  latencyNames,
  latencyRules,
  latencySignals,
  learnLatency,
  type ReadLatency,
} from './rate-latency.ts'

/** What a signal of the source says, beside the latency of our own reads. */
export interface SignalLevel {
  readonly name: string
  /** null: it never answered. */
  readonly value: number | null
  /** Since it answered last, or since it is asked. */
  readonly ageMs: number
  /** Above this the source is overloaded. */
  readonly threshold: number
  /** All that is read of the source, ours included, where the signal knows: then our part is taken off the value. */
  readonly bytesPerSecond: number | null
}

export interface ControlRules {
  /** The source must be quiet for so long before each step up. */
  readonly quietMs: number
  /** One step up, as a share of the cap. */
  readonly stepShare: number
  /** What is always left, as a share of the cap. */
  readonly floorShare: number
  /** A signal older than this is silent. */
  readonly staleMs: number
  /** From one halving to the next: the time until reports tell of the first. */
  readonly cooldownMs: number
  /** Quiet: below this share of every threshold. Between that and the threshold the rate is held. */
  readonly quietShare: number
  readonly latency: LatencyRules
}

export const controlRules: ControlRules = {
  quietMs: 300_000,
  stepShare: 0.1,
  floorShare: 0.05,
  staleMs: 15_000,
  cooldownMs: 2 * reportEveryMs,
  quietShare: 0.8,
  latency: latencyRules,
}

/** Never less than this, unless the cap is less. */
const floorBytesMin = 64 * 1024
const referenceName = 'reference-bytes-per-second'
const ownName = 'own-bytes-per-second'

export interface ControlState {
  /** What the controller allows; null: it holds nothing back. */
  readonly allowedBytesPerSecond: number | null
  /** Without a cap: what was read when the rate was halved first. Steps and floor are shares of it. */
  readonly referenceBytesPerSecond: number | null
  /** Of the last change, in words. */
  readonly reason: string
  /** Monotonic ms of the caller's clock. */
  readonly halvedMs: number
  readonly lookedMs: number
  readonly learnedMs: number
  /** How long the source was quiet since the last change of the allowance or the last loud moment. */
  readonly quietMs: number
  readonly baseline: LatencyBaseline | null
  readonly isFloored: boolean
}

export interface ControlInput {
  readonly cap: RateCap
  readonly nowMs: number
  /** Of the reports since the last look; null: nobody read. */
  readonly latency: ReadLatency | null
  readonly levels: readonly SignalLevel[]
  /** What our workers read of the source. */
  readonly ownBytesPerSecond: number
}

export interface RateDecision {
  /** null: unlimited. */
  readonly bytesPerSecond: number | null
  readonly reason: string
  readonly action: RateAction
  readonly capBytesPerSecond: number | null
  readonly allowedBytesPerSecond: number | null
  readonly signals: readonly RateSignal[]
}

/** A decision as the row of its source keeps it. */
type LastDecision = Omit<RateRow, 'writer' | 'sequence'>

/** The state to begin with: what the last decision in the log says of it. Quiet time and cooldown begin anew. */
export function openControl(
  row: LastDecision | undefined,
  nowMs: number,
  rules: ControlRules = controlRules,
): ControlState {
  return {
    allowedBytesPerSecond: row?.allowedBytesPerSecond ?? null,
    referenceBytesPerSecond: row?.signals.find(({ name }) => name === referenceName)?.value ?? null,
    reason: row?.allowedBytesPerSecond == null ? '' : row.reason,
    halvedMs: Number.NEGATIVE_INFINITY,
    lookedMs: nowMs,
    learnedMs: Number.NEGATIVE_INFINITY,
    quietMs: 0,
    baseline: row === undefined ? null : baselineFrom(row.signals, rules.latency),
    isFloored: row?.action === 'floored',
  }
}

/** What others put on the source: a signal that knows all reads is reduced by our part of them. */
function levelSignal({ name, value, ageMs, threshold, bytesPerSecond }: SignalLevel, own: number): RateSignal {
  const ownShare = bytesPerSecond === null || bytesPerSecond <= 0 ? 0 : Math.min(1, own / bytesPerSecond)
  return { name, value: (value ?? 0) * (1 - ownShare), ageMs, baseline: null, threshold }
}

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString())

/** A signal above its threshold, in words. */
function complaintOf({ name, value, baseline, threshold }: RateSignal): string {
  const limit = `limit ${figure(threshold ?? 0)}`
  if (name === latencyNames.p50)
    return `reads take ${figure(value)} ms (half of them), ${figure(baseline ?? 0)} when quiet, ${limit}`
  if (name === latencyNames.p95)
    return `slow reads take ${figure(value)} ms (1 of 20), ${figure(baseline ?? 0)} when quiet, ${limit}`
  return `${name} is ${figure(value)}, ${limit}`
}

/** The same text for as long as the silence lasts: a new text would be a new decision. */
function silenceOf({ name }: SignalLevel, { staleMs }: ControlRules): string {
  return `${name} has not answered for more than ${formatDuration(staleMs)}`
}

interface Look {
  readonly signals: readonly RateSignal[]
  readonly loud: RateSignal | undefined
  readonly isQuiet: boolean
  readonly silent: SignalLevel | undefined
}

function lookAt(state: ControlState, input: ControlInput, rules: ControlRules): Look {
  // Without a cap nobody asked to protect the source: a signal that was configured is heard all the same.
  const latency = input.cap.bytesPerSecond === null ? [] : latencySignals(state.baseline, input.latency, rules.latency)
  const answered = input.levels.filter(({ value, ageMs }) => value !== null && ageMs <= rules.staleMs)
  const signals = [...latency, ...answered.map((level) => levelSignal(level, input.ownBytesPerSecond))]
  const compared = signals.filter(({ threshold }) => threshold !== null)
  return {
    signals,
    loud: compared.find(({ value, threshold }) => value > (threshold ?? 0)),
    isQuiet:
      compared.length > 0 && compared.every(({ value, threshold }) => value <= (threshold ?? 0) * rules.quietShare),
    silent: input.levels.find(({ ageMs }) => ageMs > rules.staleMs),
  }
}

interface Change {
  readonly state: ControlState
  readonly action: RateAction | null
}

function floorOf(reference: number, rules: ControlRules): number {
  return Math.min(reference, Math.max(floorBytesMin, Math.floor(reference * rules.floorShare)))
}

function halve(state: ControlState, loud: RateSignal, input: ControlInput, rules: ControlRules): Change {
  const { cap, nowMs, ownBytesPerSecond } = input
  const reference =
    cap.bytesPerSecond ?? state.referenceBytesPerSecond ?? Math.max(floorBytesMin, Math.ceil(ownBytesPerSecond))
  const before = Math.min(state.allowedBytesPerSecond ?? reference, reference)
  const allowed = Math.max(floorOf(reference, rules), Math.floor(before / 2))
  const quiet = { ...state, quietMs: 0 }
  if (allowed >= before) return { state: quiet, action: null }
  const reason = `source: ${complaintOf(loud)}; halved from ${formatRate(before)} to ${formatRate(allowed)}`
  const referenceBytesPerSecond = cap.bytesPerSecond === null ? reference : null
  const change = { allowedBytesPerSecond: allowed, referenceBytesPerSecond, reason, halvedMs: nowMs }
  return { state: { ...quiet, ...change }, action: 'halved' }
}

function raise(state: ControlState, { cap }: ControlInput, rules: ControlRules): Change {
  const allowed = state.allowedBytesPerSecond ?? 0
  const reference = cap.bytesPerSecond ?? state.referenceBytesPerSecond ?? allowed
  const raised = allowed + Math.max(1, Math.ceil(reference * rules.stepShare))
  const isFree = raised >= reference
  const reason = `source: quiet for ${formatDuration(rules.quietMs)}; raised from ${formatRate(allowed)} to ${formatRate(Math.min(raised, reference))}`
  const change = isFree
    ? { allowedBytesPerSecond: null, referenceBytesPerSecond: null, reason: '' }
    : { allowedBytesPerSecond: raised, reason }
  return { state: { ...state, ...change, quietMs: 0 }, action: 'raised' }
}

function learn(state: ControlState, look: Look, input: ControlInput, rules: ControlRules): ControlState {
  const { latency, cap, nowMs } = input
  if (latency === null || cap.bytesPerSecond === null || look.loud !== undefined) return state
  if (nowMs - state.learnedMs < reportEveryMs / 2) return state
  return { ...state, baseline: learnLatency(state.baseline, latency, rules.latency), learnedMs: nowMs }
}

function step(state: ControlState, look: Look, input: ControlInput, rules: ControlRules): Change {
  const { nowMs } = input
  // A look that comes late says nothing of the time since the one before.
  const elapsedMs = Math.min(nowMs - state.lookedMs, rules.staleMs)
  const quietMs = look.isQuiet && look.silent === undefined ? state.quietMs + elapsedMs : state.quietMs
  const looked = learn({ ...state, quietMs, lookedMs: nowMs }, look, input, rules)
  if (look.loud !== undefined) {
    const isResting = nowMs - state.halvedMs < rules.cooldownMs
    return isResting ? { state: { ...looked, quietMs: 0 }, action: null } : halve(looked, look.loud, input, rules)
  }
  const isHeld = looked.allowedBytesPerSecond !== null && input.cap.bytesPerSecond !== 0
  const isDue = isHeld && quietMs >= rules.quietMs
  return isDue ? raise(looked, input, rules) : { state: looked, action: null }
}

/** The rate that a state means under a cap, and why. */
function rateOf(
  { allowedBytesPerSecond: allowed, referenceBytesPerSecond, reason }: ControlState,
  { cap, ownBytesPerSecond }: ControlInput,
  silent: SignalLevel | undefined,
  rules: ControlRules,
): { readonly bytesPerSecond: number | null; readonly reason: string } {
  if (silent !== undefined) {
    const reference = cap.bytesPerSecond ?? referenceBytesPerSecond ?? Math.max(floorBytesMin, ownBytesPerSecond)
    const floor = floorOf(Math.floor(reference), rules)
    return {
      bytesPerSecond: Math.min(floor, allowed ?? floor),
      reason: `source: ${silenceOf(silent, rules)}; floor rate`,
    }
  }
  if (allowed === null) return cap
  // Halved under a lower cap, it may be below the floor of this one.
  const bytesPerSecond = Math.max(allowed, cap.bytesPerSecond === null ? 0 : floorOf(cap.bytesPerSecond, rules))
  return cap.bytesPerSecond !== null && cap.bytesPerSecond <= bytesPerSecond ? cap : { bytesPerSecond, reason }
}

export interface Controlled {
  readonly state: ControlState
  readonly decision: RateDecision
}

/**
 * One look at the source. The decision is never above the cap; whether it is worth an event, `isNews` says. Looks may come at
 * any time and as often as one likes.
 */
export function controlRate(state: ControlState, input: ControlInput, rules: ControlRules = controlRules): Controlled {
  const look = lookAt(state, input, rules)
  const { state: stepped, action } = step(state, look, input, rules)
  const isFloored = look.silent !== undefined
  const next = { ...stepped, isFloored }
  const rate = rateOf(next, input, look.silent, rules)
  const flooring = isFloored === state.isFloored ? null : isFloored ? 'floored' : 'unfloored'
  const hasLearned = state.baseline?.intervals !== next.baseline?.intervals && isLearned(next, rules)
  return {
    state: next,
    decision: {
      ...rate,
      action: flooring ?? action ?? (hasLearned ? 'learned' : 'capped'),
      capBytesPerSecond: input.cap.bytesPerSecond,
      allowedBytesPerSecond: next.allowedBytesPerSecond,
      signals: [...toldSignals(look.signals, next, rules), ...ownSignals(next, input)],
    },
  }
}

const isLearned = ({ baseline }: ControlState, rules: ControlRules): boolean =>
  baseline !== null && baseline.intervals >= rules.latency.learnIntervals

/** With the quiet latency as known now, so that it is in the log even when nothing was read this time. */
function toldSignals(
  signals: readonly RateSignal[],
  { baseline }: ControlState,
  rules: ControlRules,
): readonly RateSignal[] {
  if (baseline === null || baseline.intervals < rules.latency.learnIntervals) return signals
  const quiet = [
    { name: latencyNames.p50, baseline: baseline.msP50 },
    { name: latencyNames.p95, baseline: baseline.msP95 },
  ]
  const others = signals.filter(({ name }) => !quiet.some((one) => one.name === name))
  return [
    ...quiet.map(({ name, baseline: ms }) => {
      const found = signals.find((one) => one.name === name)
      return found === undefined
        ? { name, value: ms, ageMs: 0, baseline: ms, threshold: null }
        : { ...found, baseline: ms }
    }),
    ...others,
  ]
}

function ownSignals(
  { referenceBytesPerSecond }: ControlState,
  { ownBytesPerSecond }: ControlInput,
): readonly RateSignal[] {
  const plain = { ageMs: 0, baseline: null, threshold: null }
  const own = { name: ownName, value: ownBytesPerSecond, ...plain }
  if (referenceBytesPerSecond === null) return [own]
  return [own, { name: referenceName, value: referenceBytesPerSecond, ...plain }]
}

/** Whether a decision says anything that the last one in the log does not. */
export function isNews(row: LastDecision | undefined, decision: RateDecision): boolean {
  if (row === undefined || decision.action !== 'capped') return true
  return (
    row.bytesPerSecond !== decision.bytesPerSecond ||
    row.reason !== decision.reason ||
    row.capBytesPerSecond !== decision.capBytesPerSecond ||
    row.allowedBytesPerSecond !== decision.allowedBytesPerSecond
  )
}
