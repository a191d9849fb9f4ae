import assert from 'node:assert/strict'
import { test } from 'node:test'
import { capOfJob, rateSourceOf, sourceCap } from '#libs/domain/rate'
import {
  type ControlInput,
  type ControlState,
  controlRate,
  controlRules,
  isNews,
  openControl,
  type RateDecision,
  type SignalLevel,
} from '#libs/domain/rate-control'

const MB = 1_000_000
const cap = { bytesPerSecond: 100 * MB, reason: 'limit of the job' }
const busy: SignalLevel = { name: 'busy', value: 0.9, ageMs: 0, threshold: 0.7, bytesPerSecond: null }
const calm: SignalLevel = { ...busy, value: 0.2 }

function given(state: ControlState, input: Partial<ControlInput>): { state: ControlState; decision: RateDecision } {
  return controlRate(state, { cap, nowMs: 0, latency: null, levels: [], ownBytesPerSecond: 90 * MB, ...input })
}

/** Looks each 3 s from `fromMs` on. */
function looks(state: ControlState, fromMs: number, count: number, input: Partial<ControlInput>): ControlState {
  let next = state
  for (let n = 0; n < count; n += 1) next = given(next, { ...input, nowMs: fromMs + n * 3_000 }).state
  return next
}

test('the cap is the least of a tenth of the lowest peak and the sum of the limits', () => {
  const job = { job: 'j', isOfTimetable: false, priority: 'normal', workersMax: null } as const
  const one = { ...job, bytesPerSecond: 30 * MB, peakBytesPerSecond: null }
  const two = { ...job, bytesPerSecond: 40 * MB, peakBytesPerSecond: 600 * MB }
  const open = { ...job, bytesPerSecond: null, peakBytesPerSecond: null }
  assert.deepEqual(sourceCap([one], null), {
    bytesPerSecond: 30 * MB,
    reason: 'limit of the job (alone: the peak of the source is not known)',
  })
  const peak = { bytesPerSecond: 300 * MB, isMeasured: true }
  assert.deepEqual(sourceCap([one], peak), { bytesPerSecond: 30 * MB, reason: 'limit of the job' })
  assert.deepEqual(sourceCap([one, two], null), { bytesPerSecond: 60 * MB, reason: '10 % of the peak of the source' })
  assert.deepEqual(sourceCap([one, one], null).bytesPerSecond, 60 * MB)
  assert.deepEqual(sourceCap([one, open], null).bytesPerSecond, null)
  assert.match(sourceCap([one, open], { bytesPerSecond: 500 * MB, isMeasured: true }).reason, /measured lower bound/)
  assert.equal(sourceCap([open], { bytesPerSecond: 500 * MB, isMeasured: false }).bytesPerSecond, 50 * MB)
  assert.equal(sourceCap([two], { bytesPerSecond: 100 * MB, isMeasured: false }).bytesPerSecond, 10 * MB)
  const timed = {
    throughputBytesPerSecond: 7,
    throughputTimetable: '1MB/s Mon closed UTC',
    sourcePeakBytesPerSecond: null,
  }
  const monday = Date.parse('2026-01-05T12:00:00Z')
  assert.deepEqual(capOfJob(timed, monday), {
    bytesPerSecond: 0,
    reason: 'limit of the job, by its timetable (alone: the peak of the source is not known)',
  })
})

test('above the threshold: halved at once, and no more before the cooldown is over', () => {
  const first = given(openControl(undefined, 0), { levels: [busy], nowMs: 1_000 })
  assert.equal(first.decision.bytesPerSecond, 50 * MB)
  assert.equal(first.decision.action, 'halved')
  assert.match(first.decision.reason, /^source: busy is 0.9, limit 0.7; halved from 95.4 MiB\/s to 47.7 MiB\/s$/)
  const soon = given(first.state, { levels: [busy], nowMs: 4_000 })
  assert.equal(soon.decision.bytesPerSecond, 50 * MB)
  const later = given(soon.state, { levels: [busy], nowMs: 1_000 + controlRules.cooldownMs })
  assert.equal(later.decision.bytesPerSecond, 25 * MB)
})

test('between quiet and loud the rate is held, and the time does not count', () => {
  const { state } = given(openControl(undefined, 0), { levels: [busy] })
  const held = looks(state, 3_000, 200, { levels: [{ ...busy, value: 0.65 }] })
  assert.equal(held.allowedBytesPerSecond, 50 * MB)
  assert.equal(held.quietMs, 0)
})

test('five quiet minutes give one step, and the last step gives the cap back', () => {
  const { state } = given(openControl(undefined, 0), { levels: [busy] })
  assert.equal(looks(state, 3_000, 99, { levels: [calm] }).allowedBytesPerSecond, 50 * MB)
  assert.equal(looks(state, 3_000, 100, { levels: [calm] }).allowedBytesPerSecond, 60 * MB)
  assert.equal(looks(state, 3_000, 500, { levels: [calm] }).allowedBytesPerSecond, null)
})

test('a signal that is silent for more than 15 s means the floor rate; what was allowed comes back with it', () => {
  const open = openControl(undefined, 0)
  const silent = given(open, { levels: [{ ...calm, ageMs: 15_001 }] })
  assert.equal(silent.decision.bytesPerSecond, 5 * MB)
  assert.equal(silent.decision.action, 'floored')
  assert.equal(silent.decision.reason, 'source: busy has not answered for more than 15 s; floor rate')
  const again = given(silent.state, { levels: [{ ...calm, ageMs: 30_000 }], nowMs: 3_000 })
  assert.equal(again.decision.action, 'capped')
  assert.equal(again.decision.reason, silent.decision.reason)
  const heard = given(again.state, { levels: [calm], nowMs: 6_000 })
  assert.equal(heard.decision.action, 'unfloored')
  assert.equal(heard.decision.bytesPerSecond, 100 * MB)
  const never = given(open, { levels: [{ ...calm, value: null, ageMs: 1_000 }] })
  assert.equal(never.decision.bytesPerSecond, 100 * MB, 'a signal that is new is waited for')
})

test('our own part of a load does not count where the signal knows all of it', () => {
  const all = { ...busy, bytesPerSecond: 180 * MB }
  assert.equal(given(openControl(undefined, 0), { levels: [all] }).decision.bytesPerSecond, 100 * MB)
  const others = { ...busy, bytesPerSecond: 900 * MB }
  assert.equal(given(openControl(undefined, 0), { levels: [others] }).decision.bytesPerSecond, 50 * MB)
})

test('a successor goes on with what the log says: allowance and quiet latency, the quiet time begins anew', () => {
  const latency = { reads: 100, msP50: 10, msP95: 20 }
  const learned = looks(openControl(undefined, 0), 0, 10, { latency })
  const { state, decision } = given(learned, { latency: { ...latency, msP50: 50 }, nowMs: 60_000 })
  assert.equal(decision.bytesPerSecond, 50 * MB)
  const row = { ...decision }
  const heir = openControl(row, 1_000_000)
  assert.equal(heir.allowedBytesPerSecond, state.allowedBytesPerSecond)
  assert.equal(heir.reason, state.reason)
  assert.ok(Math.abs((heir.baseline?.msP50 ?? 0) - 10) < 0.5)
  const next = given(heir, { latency, nowMs: 1_003_000 })
  assert.ok(!isNews(row, next.decision), 'nothing new is said for the change of the process alone')
})

test('without a cap a configured signal halves what is read, and gives all back after quiet steps', () => {
  const none = { bytesPerSecond: null, reason: 'none' }
  const first = given(openControl(undefined, 0), { cap: none, levels: [busy], ownBytesPerSecond: 80 * MB })
  assert.equal(first.decision.bytesPerSecond, 40 * MB)
  const heir = openControl(first.decision, 0)
  assert.equal(looks(heir, 3_000, 100, { cap: none, levels: [calm] }).allowedBytesPerSecond, 48 * MB)
  assert.equal(looks(heir, 3_000, 600, { cap: none, levels: [calm] }).allowedBytesPerSecond, null)
})

test('without a cap the latency of our own reads limits nothing', () => {
  const none = { bytesPerSecond: null, reason: 'none' }
  const calmReads = looks(openControl(undefined, 0), 0, 10, { cap: none, latency: { reads: 100, msP50: 1, msP95: 2 } })
  const slow = given(calmReads, { cap: none, latency: { reads: 100, msP50: 900, msP95: 2_000 }, nowMs: 60_000 })
  assert.equal(slow.decision.bytesPerSecond, null)
})

test('all that one connection reaches is one source, a location without one is its own', () => {
  const names = ['@nas/home/a', '@nas', '@nas2/home', '/data/a', 's3://bucket/@x']
  assert.deepEqual(names.map(rateSourceOf), ['@nas', '@nas', '@nas2', '/data/a', 's3://bucket/@x'])
})
