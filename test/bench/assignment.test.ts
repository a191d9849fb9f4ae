import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulateAssignment } from '../../bench/assignment.ts'

test('fifty workers, one slow and one lost on the way, lose less than 5 % of what they could move', () => {
  const { efficiency, chunksRepeated } = simulateAssignment({ workers: 50, bytes: 1e14, partitions: 1000 })
  assert.ok(efficiency >= 0.95, `efficiency ${efficiency}`)
  assert.ok(chunksRepeated > 0)
})
