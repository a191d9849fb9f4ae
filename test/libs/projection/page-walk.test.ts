import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { ItemContext } from '#libs/projection/item-reader'
import { findPage, walkItems } from '#libs/projection/page-walk'
import { readRows } from '#libs/projection/row-reader'
import { createMemoryWorld } from '#test/support/memory-migration'

/** A page of the walk holds 900 entries: the directory opens the second page, the third has what is in it. */
const files = Array.from({ length: 900 }, (_, n) => `a.${String(n).padStart(4, '0')}`)
const inside = Array.from({ length: 950 }, (_, n) => `a/${String(n).padStart(4, '0')}`)

const world = createMemoryWorld()
const context: ItemContext = { rows: readRows(world.store), log: world.log, job: 'job' }

before(async () => {
  for (const name of files) world.tree.write(name, Buffer.alloc(0))
  world.tree.makeDirectory('a')
  for (const name of inside) world.tree.write(name, Buffer.alloc(0))
  await world.run()
})

async function next(after: string | null): Promise<string | undefined> {
  const item = await walkItems(context, 1, after === null ? null : Buffer.from(after)).peek()
  return item?.listed.name.toString()
}

test('a walk that goes on behind a name misses nothing, also where a page begins with a directory', async () => {
  assert.equal(await next(null), 'a.0000')
  assert.equal(await next('a.0500'), 'a.0501')
  assert.equal(await next('a.0899'), 'a')
  assert.equal(await next('a/'), 'a/0000')
  assert.equal(await next('a/0948'), 'a/0949')
  assert.equal(await next('a/0949'), undefined)
})

test('the page of a name is found where the walk put it', async () => {
  const page = (order: string): Promise<number | null> => findPage(context, 1, Buffer.from(order))
  assert.equal(await page('a.0000'), 0)
  assert.equal(await page('a.0899'), 0)
  assert.equal(await page('a/'), 1)
  assert.equal(await page('a/0898'), 1)
  assert.equal(await page('a/0899'), 2)
  assert.equal(await page('zzz'), 2)
  assert.equal(await page('A'), null)
  assert.equal(await findPage(context, 2, Buffer.from('a')), null)
})
