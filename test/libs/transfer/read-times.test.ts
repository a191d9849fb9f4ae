import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadTimes } from '#libs/transfer/read-times'
import { createVirtualClock } from '#test/support/virtual-clock'

test('quantiles are right to an eighth, and a report begins anew', async () => {
  const clock = createVirtualClock()
  const times = new ReadTimes(clock)
  for (let ms = 1; ms <= 100; ms += 1) {
    const read = times.time(1_000, () => clock.sleep(ms))
    await clock.advance(ms)
    await read
  }
  const { reads, msP50, msP95, bytesPerSecond } = times.take()
  assert.equal(reads, 100)
  assert.ok(Math.abs(msP50 - 50) <= 50 / 8, `${msP50}`)
  assert.ok(Math.abs(msP95 - 95) <= 95 / 8, `${msP95}`)
  assert.ok(Math.abs(bytesPerSecond - 100_000 / 5.05) < 1)
  assert.deepEqual(times.take().reads, 0)
})

test('a read that does not come back counts with the time it has taken so far', async () => {
  const clock = createVirtualClock()
  const times = new ReadTimes(clock)
  const hanging = times.time(1, () => clock.sleep(60_000))
  await clock.advance(500)
  assert.equal(times.take().reads, 0)
  await clock.advance(5_000)
  const { reads, msP50, bytesPerSecond } = times.take()
  assert.deepEqual([reads, bytesPerSecond], [1, 0])
  assert.ok(msP50 > 4_500 && msP50 < 6_500, `${msP50}`)
  await clock.advance(60_000)
  await hanging
})

test('a read that failed counts with its time and without bytes, and its error is passed on', async () => {
  const clock = createVirtualClock()
  const times = new ReadTimes(clock)
  await assert.rejects(
    times.time(1, () => Promise.reject(new Error('no'))),
    /^Error: no$/,
  )
  const { reads, bytesPerSecond } = times.take()
  assert.deepEqual([reads, bytesPerSecond], [1, 0])
})
