import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limitAt, parseTimetable, weekOfLimits } from '#libs/domain/timetable'

const GB = 1_000_000_000
const perHour = (gigabytes: number): number => Math.floor((gigabytes * GB) / 3600)
const office = '400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin'

function problemOf(text: string): string {
  const timetable = parseTimetable(text)
  assert.ok(!timetable.ok, `${text} was taken`)
  return timetable.problem
}

test('a window holds in its days and hours, and the first rate at all other times', () => {
  // 2026-01-05 is a Monday; Berlin is an hour ahead of UTC in winter.
  const at = (text: string): number | null => limitAt(office, Date.parse(text))
  assert.equal(at('2026-01-05T06:59:59Z'), perHour(400))
  assert.equal(at('2026-01-05T07:00:00Z'), perHour(100))
  assert.equal(at('2026-01-05T16:59:59Z'), perHour(100))
  assert.equal(at('2026-01-05T17:00:00Z'), perHour(400))
  assert.equal(at('2026-01-10T10:00:00Z'), perHour(400), 'a Saturday')
})

test('hours keep their place on the wall when clocks change', () => {
  // Berlin: summer time from 2026-03-29 (a Sunday) to 2026-10-25.
  assert.equal(limitAt(office, Date.parse('2026-03-27T07:00:00Z')), perHour(100), 'Friday, 08:00 in winter')
  assert.equal(limitAt(office, Date.parse('2026-03-30T05:59:00Z')), perHour(400), 'Monday, 07:59 in summer')
  assert.equal(limitAt(office, Date.parse('2026-03-30T06:00:00Z')), perHour(100), 'Monday, 08:00 in summer')
  const night = '10MB/s 01:00-04:00 closed Europe/Berlin'
  const closedMinutes = (from: string, to: string): number => {
    let closed = 0
    for (let atMs = Date.parse(from); atMs < Date.parse(to); atMs += 60_000) if (limitAt(night, atMs) === 0) closed += 1
    return closed
  }
  assert.equal(closedMinutes('2026-03-27T23:00Z', '2026-03-28T23:00Z'), 180)
  assert.equal(closedMinutes('2026-03-28T23:00Z', '2026-03-29T22:00Z'), 120, 'the hour from 2 to 3 does not exist')
  assert.equal(closedMinutes('2026-10-24T22:00Z', '2026-10-25T23:00Z'), 240, 'the hour from 2 to 3 comes twice')
})

test('a window may cross midnight, and belongs to the day on which it begins', () => {
  const text = 'unlimited Fri 22:00-06:00 50MB/s UTC'
  assert.equal(limitAt(text, Date.parse('2026-01-09T21:59:00Z')), null)
  assert.equal(limitAt(text, Date.parse('2026-01-09T22:00:00Z')), 50_000_000)
  assert.equal(limitAt(text, Date.parse('2026-01-10T05:59:00Z')), 50_000_000)
  assert.equal(limitAt(text, Date.parse('2026-01-10T06:00:00Z')), null)
  assert.equal(limitAt(text, Date.parse('2026-01-09T05:00:00Z')), null, 'the night before')
})

test('of windows that overlap the last one wins; days may be listed and may wrap around the week', () => {
  const text = '1GB/s Mon-Sun 08:00-18:00 100MB/s Sat,Sun 200MB/s Sun-Mon 12:00-13:00 closed UTC'
  assert.equal(limitAt(text, Date.parse('2026-01-07T09:00:00Z')), 100_000_000)
  assert.equal(limitAt(text, Date.parse('2026-01-10T09:00:00Z')), 200_000_000)
  assert.equal(limitAt(text, Date.parse('2026-01-11T12:30:00Z')), 0)
  assert.equal(limitAt(text, Date.parse('2026-01-12T12:30:00Z')), 0)
  assert.equal(limitAt(text, Date.parse('2026-01-07T20:00:00Z')), 1_000_000_000)
})

test('what is no timetable is refused with a sentence that says why', () => {
  assert.match(
    problemOf('400GB/h'),
    /is no timetable; a timetable reads RATE \[DAYS\] \[HOURS\] RATE .* ZONE, for example/,
  )
  assert.match(problemOf('400GB/h Mon-Fri 08:00-18:00 100GB/h'), /"100GB\/h" is no time zone/)
  assert.match(problemOf('400GB/h Mon-Fri 08:00-18:00 100GB/h +02:00'), /is no time zone/)
  assert.match(problemOf('400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Atlantis'), /is no time zone/)
  assert.match(problemOf('400GB/h Mo-Fr 100GB/h UTC'), /"Mo-Fr" is no day and no time/)
  assert.match(problemOf('400GB/h Mon 8:00-18:00 100GB/h UTC'), /"8:00-18:00" is not a rate/)
  assert.match(problemOf('400GB/h Mon 08:00-08:00 100GB/h UTC'), /is not a rate/)
  assert.match(problemOf('400GB/h Mon 08:00-24:30 100GB/h UTC'), /is not a rate/)
  assert.match(problemOf('400GB/h Mon UTC'), /the last window of the timetable has no rate/)
  assert.match(problemOf('400Gb/h Mon 1GB/s UTC'), /could be bits/)
  assert.match(problemOf('0GB/h Mon 1GB/s UTC'), /would stop the job/)
  assert.match(problemOf(`1GB/s ${'Mon 1GB/s '.repeat(60)}UTC`), /at most 50 windows/)
  assert.match(problemOf('x'.repeat(2_000)), /at most 1000 characters/)
})

test('a timetable in a job that cannot be read is closed, not unlimited', () => {
  assert.equal(limitAt('whenever you like', 0), 0)
})

test('the limits of a week are those of each of its minutes', () => {
  const timetable = parseTimetable('1GB/s Mon-Fri 08:05-18:10 100MB/s Sun 01:00-04:00 closed Europe/Berlin')
  assert.ok(timetable.ok)
  const fromMs = Date.parse('2026-03-25T11:22:33Z')
  const week = weekOfLimits(timetable.value, fromMs)
  assert.equal(week[0]?.fromMs, fromMs)
  for (let atMs = fromMs + 60_000 - (fromMs % 60_000); atMs < fromMs + 7 * 86_400_000; atMs += 7 * 60_000) {
    const told = week.findLast((limit) => limit.fromMs <= atMs)?.bytesPerSecond
    const text = '1GB/s Mon-Fri 08:05-18:10 100MB/s Sun 01:00-04:00 closed Europe/Berlin'
    assert.equal(told, limitAt(text, atMs), new Date(atMs).toISOString())
  }
})
