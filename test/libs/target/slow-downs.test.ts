import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SlowDowns } from '#libs/target/slow-downs'

test('slow-downs of the last minute are counted, named by the last one, and forgotten', () => {
  const slowDowns = new SlowDowns()
  assert.equal(slowDowns.text(0), null)
  slowDowns.note({ status: 500, reason: 'InternalError' }, 1_000)
  assert.equal(slowDowns.text(1_000), null)
  for (let n = 0; n < 41; n += 1)
    slowDowns.note({ status: 503, reason: 'SlowDown', isSlowDown: true }, 1_000 + n * 1_000)
  assert.equal(slowDowns.text(41_500), 'target (503 SlowDown, 41/min)')
  assert.equal(slowDowns.text(70_999), 'target (503 SlowDown, 31/min)')
  slowDowns.note({ status: 429, reason: '', isSlowDown: true }, 71_000)
  assert.equal(slowDowns.text(71_000), 'target (429, 31/min)')
  assert.equal(slowDowns.text(200_000), null)
})
