// What an earlier pass listed and a later one does not come to: gone, or out of sight.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import { decodeEvent } from '#schemas/wire'
import { createMemoryWorld, KiB, type MemoryWorld } from '#test/support/memory-migration'

/** More than two pages of items in a folder, one file beside it on each side. */
const count = 2_500

function fill(world: MemoryWorld): void {
  world.tree.write('before', Buffer.from('before'))
  world.tree.makeDirectory('folder')
  world.tree.makeDirectory('folder/deep')
  for (let n = 0; n < count; n += 1) world.tree.write(`folder/deep/${n}`, Buffer.from(`file ${n}`))
  world.tree.write('folder/large', Buffer.alloc(200 * KiB, 1))
  world.tree.write('later', Buffer.from('later'))
}

const all = count + 5
const hidden = count + 3

test('what lies below a directory that became unreadable is failed and not gone, and nothing is sent once it is back', async () => {
  const world = createMemoryWorld()
  fill(world)
  const first = await world.run()
  world.tree.deny('folder', true)
  const second = await world.run()
  assert.equal(second.job.vanished, 0)
  assert.equal(second.tally.failed.items, hidden)
  assert.equal(second.tally.verified.items, all - hidden)
  assert.deepEqual(
    second.tally.codes.map(({ code }) => code),
    ['SOURCE_UNREADABLE'],
  )
  world.tree.deny('folder', false)
  const third = await world.run()
  assert.equal(third.tally.verified.items, all)
  assert.equal(third.tally.targetBytesWritten, first.tally.targetBytesWritten)
})

test('what a mount covers is skipped as that, and what is really gone is still told so', async () => {
  const world = createMemoryWorld()
  fill(world)
  await world.run()
  world.tree.mountOver('folder')
  world.tree.remove('later')
  const second = await world.run()
  assert.equal(second.job.vanished, 1)
  assert.deepEqual([second.tally.skipped.items, second.tally.failed.items], [hidden + 1, 0])
  assert.equal((await world.run()).job.vanished, 1)
})

test('a walk that another process goes on with still knows what it cannot see', async () => {
  const world = createMemoryWorld()
  fill(world)
  await world.run()
  world.tree.deny('folder', true)
  const stop = new AbortController()
  const { log } = world
  const append = log.append.bind(log)
  log.append = async (records) => {
    const appended = await append(records)
    const isCut = records.some(({ value }) => {
      const event = decodeEvent(value ?? Buffer.alloc(0))
      return event.type === 'ItemsListed' && event.pass === 2 && event.page === 1
    })
    if (isCut) stop.abort(new WaybillError('ABORTED'))
    return appended
  }
  await assert.rejects(world.run({ signal: stop.signal }), { code: 'ABORTED' })
  log.append = append
  const second = await world.run()
  assert.deepEqual([second.job.pass, second.job.vanished, second.tally.failed.items], [2, 0, hidden])
})

test('a directory that a filter leaves out is told when it cannot be read: nobody knows what it holds', async () => {
  const world = createMemoryWorld()
  fill(world)
  world.tree.deny('folder', true)
  const { tally } = await world.run({ selects: ({ name }) => name.toString() === 'later' })
  assert.deepEqual([tally.verified.items, tally.failed.items], [1, 1])
})
