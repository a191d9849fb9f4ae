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

test('a source that becomes slow is told of after a second, by its slow reads alone', async () => {
  const clock = createVirtualClock()
  const times = new ReadTimes(clock)
  const read = async (ms: number): Promise<void> => {
    const reading = times.time(1, () => clock.sleep(ms))
    await clock.advance(ms)
    await reading
  }
  for (let n = 0; n < 100; n += 1) await read(5)
  times.take()
  for (let n = 0; n < 400; n += 1) await read(5)
  for (let n = 0; n < 9; n += 1) await read(100)
  assert.ok(!times.hasSlowed(), 'a hiccup of 0.9 s')
  await read(100)
  assert.ok(times.hasSlowed())
  const { reads, msP50 } = times.take()
  assert.equal(reads, 10)
  assert.ok(Math.abs(msP50 - 100) <= 100 / 8, `${msP50}`)
  for (let n = 0; n < 9; n += 1) await read(100)
  await read(5)
  await read(100)
  assert.ok(!times.hasSlowed(), 'one quick read ends the row')
})
