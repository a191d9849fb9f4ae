import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryWorld, KiB } from '#test/support/memory-migration'

test('the sweep at the end of a pass aborts uploads on keys of large items and no upload of a stranger', async () => {
  const world = createMemoryWorld()
  world.tree.makeDirectory('folder')
  world.tree.write('folder/small', Buffer.alloc(10, 1))
  world.tree.write('gone', Buffer.alloc(200 * KiB, 2))
  world.tree.write('large', Buffer.alloc(200 * KiB, 3))
  const { store } = world.target
  const strangers = ['folder/small', 'folder/other', 'folder', 'largest', 'zzz', 'A'].map((key) =>
    store.openUpload(Buffer.from(key)),
  )
  const open = (): ReadonlySet<string> => new Set(store.uploads.keys())
  // The answer to its opening was lost: no event names it.
  store.openUpload(Buffer.from('large'))
  assert.equal((await world.run()).isComplete, true)
  assert.deepEqual(open(), new Set(strangers))
  world.tree.remove('gone')
  store.openUpload(Buffer.from('gone'))
  await world.run()
  assert.deepEqual(open(), new Set(strangers))
})
