import assert from 'node:assert/strict'
import test from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'

test('a sleep takes its time, on the monotonic clock', async () => {
  const startMs = systemClock.monotonic()
  await systemClock.sleep(20)
  assert.ok(systemClock.monotonic() - startMs >= 19)
})

test('an aborted sleep rejects at once with the reason of the signal itself', async () => {
  const reason = new Error('enough')
  const stop = new AbortController()
  const sleeping = systemClock.sleep(3_600_000, stop.signal)
  stop.abort(reason)
  await assert.rejects(sleeping, (error) => error === reason)
  await assert.rejects(systemClock.sleep(1, stop.signal), (error) => error === reason)
})
