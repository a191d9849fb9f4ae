import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CompletionFacts, capsOf, estimateCompletion } from '#libs/domain/completion-estimate'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Monday, 00:00 UTC. */
const nowMs = Date.UTC(2026, 10, 23)
const perHour = (gigabytes: number): number => Math.floor((gigabytes * 1e9) / 3600)

const facts = (more: Partial<CompletionFacts>): CompletionFacts => ({
  nowMs,
  leftBytes: 1e15,
  leftToVerifyBytes: 0,
  measuredBytesPerSecond: null,
  caps: [],
  repeatsAfterMs: null,
  ...more,
})

const daysOf = (ms: number | null): number => (ms === null ? Number.NaN : (ms - nowMs) / dayMs)
const noLimits = { throughputBytesPerSecond: null, throughputTimetable: null, sourcePeakBytesPerSecond: null }

test('1 PB at 400 GB/h takes 104 days, and 30 days take the rate that requirement N1 names', () => {
  const limited = capsOf({ ...noLimits, throughputBytesPerSecond: perHour(400) }, nowMs)
  assert.equal(Math.round(daysOf(estimateCompletion(facts(limited)))), 104)
  assert.equal(Math.round(daysOf(estimateCompletion(facts({ measuredBytesPerSecond: 386e6 })))), 30)
})

test('what was measured counts, never faster than the cap', () => {
  const caps = [{ fromMs: nowMs, bytesPerSecond: 100e6 }]
  const at = (measuredBytesPerSecond: number | null) =>
    daysOf(estimateCompletion(facts({ caps, measuredBytesPerSecond })))
  assert.equal(at(50e6), 2 * at(null))
  assert.equal(at(400e6), at(null))
})

test('nothing is said when nothing is known, and never comes when nothing may be read', () => {
  assert.equal(estimateCompletion(facts({})), null)
  assert.equal(estimateCompletion(facts({ caps: [{ fromMs: nowMs, bytesPerSecond: 0 }] })), null)
  assert.equal(estimateCompletion(facts({ leftBytes: 0 })), nowMs)
})

test('a timetable is followed through its weeks, closed hours included', () => {
  // Open for 10 hours of each working day: 50 hours a week.
  const week = capsOf({ ...noLimits, throughputTimetable: 'closed Mon-Fri 08:00-18:00 100GB/h UTC' }, nowMs)
  const after = (gigabytes: number) => estimateCompletion(facts({ ...week, leftBytes: gigabytes * 1e9 }))
  const close = (at: number | null, expected: number) => assert.ok(Math.abs((at ?? 0) - expected) < 60_000, `${at}`)
  close(after(100), nowMs + 9 * hourMs)
  close(after(999), nowMs + 17.99 * hourMs)
  close(after(1100), nowMs + dayMs + 9 * hourMs)
  // 12 weeks of 5 TB, and the first hour of the 13th.
  close(after(60_100), nowMs + 12 * 7 * dayMs + 9 * hourMs)
})

test('a tenth of the peak bounds every hour of a timetable', () => {
  const limits = { ...noLimits, sourcePeakBytesPerSecond: 1e9, throughputTimetable: '900GB/h Sat,Sun unlimited UTC' }
  const { caps } = capsOf(limits, nowMs)
  assert.deepEqual([...new Set(caps.map(({ bytesPerSecond }) => bytesPerSecond))], [100e6])
})

test('reading back what lies behind takes its time too', () => {
  const late = facts({ leftBytes: 0, leftToVerifyBytes: 1e12, measuredBytesPerSecond: 1e8 })
  assert.equal(estimateCompletion(late), nowMs + 10_000_000)
})
