import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRows } from '#libs/projection/row-reader'
import { snapshotOf } from '#services/embedded/snapshot'
import { createMemoryWorld } from '#test/support/memory-migration'

test('what limits a run is the target while it asks to slow down', async () => {
  const world = createMemoryWorld()
  world.tree.write('file', Buffer.alloc(10))
  await world.run()
  const rows = readRows(world.store)
  const limit = 'target (503 SlowDown, 41/min)'
  assert.equal((await snapshotOf({ rows }, 'job', limit))?.limitedBy, limit)
  assert.equal((await snapshotOf({ rows }, 'job', null))?.limitedBy, 'nothing: it has ended')
  assert.equal(await snapshotOf({ rows }, 'another job', limit), null)
})
