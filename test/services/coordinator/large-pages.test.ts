// An event has at most 512 KiB: what one decision comes to is cut into as many as it takes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { readRows } from '#libs/projection/row-reader'
import type { EventOf } from '#schemas/events'
import { decodeEvent } from '#schemas/wire'
import { createMemoryWorld, type MemoryWorld } from '#test/support/memory-migration'

const count = 700
const folder = Array.from({ length: 4 }, (_, depth) => `${depth}`.repeat(200)).join('/')

/** Items whose names alone take more than an event. */
function fill(world: MemoryWorld): readonly string[] {
  for (let end = folder.indexOf('/'); end !== -1; end = folder.indexOf('/', end + 1)) {
    world.tree.makeDirectory(folder.slice(0, end))
  }
  world.tree.makeDirectory(folder)
  const names = Array.from({ length: count }, (_, n) => `${folder}/${String(n).padStart(4, '0')}`)
  for (const name of names) world.tree.write(name, Buffer.from('content'))
  return names
}

async function comparedPages({ log }: MemoryWorld, pass: number): Promise<readonly EventOf<'TargetListed'>[]> {
  const end = (await log.ends()).get('listings/0') ?? 0
  const pages: EventOf<'TargetListed'>[] = []
  for (let position = 0; position < end; position += 1) {
    const value = (await log.readAt('listings', 0, position))?.value
    const event = value == null ? null : decodeEvent(value)
    if (event?.type === 'TargetListed' && event.pass === pass) pages.push(event)
  }
  return pages
}

const sumOf = (pages: readonly EventOf<'TargetListed'>[], name: 'strangers' | 'objects'): number =>
  pages.reduce((sum, page) => sum + page[name], 0)

test('a target that was emptied is found so and filled again, however many items it held', async () => {
  const world = createMemoryWorld()
  fill(world)
  await world.run()
  const stored = world.target.store.objects.size
  world.target.store.objects.clear()
  const second = await world.run()
  assert.equal(second.isComplete, true)
  assert.equal(second.tally.verified.items, count + 4)
  assert.equal(world.target.store.objects.size, stored)
})

test('what is missing or strange at the target is counted once, also when the comparison is cut', async () => {
  const world = createMemoryWorld()
  const names = fill(world)
  await world.run()
  const { objects } = world.target.store
  for (const [index, name] of names.entries()) if (index % 7 !== 0) objects.delete(name)
  const kept = [...objects.values()][0]
  assert.ok(kept !== undefined)
  for (let n = 0; n < 30; n += 1) objects.set(`${folder}/${String(n * 20).padStart(4, '0')}-strange`, kept)
  const second = await world.run()
  assert.equal(second.isComplete, true)
  assert.equal(second.tally.verified.items, count + 4)
  const missing = second.tally.codes.find(({ code }) => code === 'TARGET_MISSING')
  assert.equal(missing?.count, names.filter((_, index) => index % 7 !== 0).length)
  const pages = await comparedPages(world, 2)
  const first = pages.slice(0, pages.findIndex(({ isLast }) => isLast) + 1)
  assert.ok(first.length > 1)
  assert.equal(sumOf(first, 'strangers'), 30)
  assert.equal(sumOf(first, 'objects'), names.length / 7 + 4 + 30)
  const listing = await readRows(world.store).get(keyOf.listing('job', 2))
  assert.equal(listing?.compared.strangers, 30)
  assert.equal(listing?.compared.objects, count + 4 + 30)
})

test('items that vanished all at once are listed as such, on as many pages as they need', async () => {
  const world = createMemoryWorld()
  const names = fill(world)
  world.tree.write('stays', Buffer.from('stays'))
  await world.run()
  for (const name of names) world.tree.remove(name)
  const second = await world.run()
  assert.equal(second.isComplete, true)
  assert.equal(second.tally.skipped.items, count)
})

test('corrections that do not fit one page come on several', async () => {
  const world = createMemoryWorld()
  for (let n = 0; n < 99; n += 1) world.tree.link(`link-${n}`, 'x'.repeat(6_000))
  await world.run()
  world.target.store.objects.clear()
  const second = await world.run()
  assert.equal(second.isComplete, true)
  assert.equal(second.tally.verified.items, 99)
  assert.equal(world.target.store.objects.size, 99)
})
