import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  countsOf,
  isPacked,
  MiB,
  ownChunks,
  packEntriesMax,
  partBytesOf,
  partsMax,
  planPage,
  rangeOfPart,
} from '#libs/domain/plan'
import { listedItem } from './history.ts'

const chunkBytes = 64 * MiB
const GiB = 1024 * MiB
const wholeLimit = 625 * GiB

const sized = (size: number, chunks = ownChunks('file', size, chunkBytes)) =>
  listedItem('1.0.0', { identity: { size, mtimeNs: '0', ctimeNs: '0', inode: '0:0' }, chunks })

for (const [size, chunks] of [
  [0, 0],
  [1, 0],
  [chunkBytes - 1, 0],
  [chunkBytes, 0],
  [chunkBytes + 1, 2],
  [2 * chunkBytes, 2],
  [2 * chunkBytes + 1, 3],
  [wholeLimit, partsMax],
  [wholeLimit + 1, 9_847],
  [5 * 1024 * GiB, 9_987],
] as const) {
  test(`an item of ${size} bytes gets ${chunks} chunks of its own, that cover it without gap`, () => {
    assert.equal(ownChunks('file', size, chunkBytes), chunks)
    const partBytes = partBytesOf(size, chunkBytes)
    let end = 0
    for (let part = 0; part < chunks; part += 1) {
      const { offset, length } = rangeOfPart(size, partBytes, part)
      assert.equal(offset, end)
      assert.ok(length > 0 && length <= partBytes)
      end += length
    }
    if (chunks > 0) assert.equal(end, size)
  })
}

test('parts of items above 625 GiB are whole MiB and at most 10,000', () => {
  fc.assert(
    fc.property(fc.integer({ min: wholeLimit + 1, max: 40 * 1024 * GiB }), (size) => {
      const partBytes = partBytesOf(size, chunkBytes)
      assert.equal(partBytes % MiB, 0)
      assert.ok(Math.ceil(size / partBytes) <= partsMax)
    }),
  )
})

test('only files get chunks of their own', () => {
  for (const kind of ['directory', 'symlink', 'special'] as const) {
    assert.equal(ownChunks(kind, 10 * chunkBytes, chunkBytes), 0)
  }
})

const indexesOf = (sizes: readonly number[], packBytes = 100): (readonly number[])[] =>
  planPage(
    sizes.map((size) => sized(size, size > packBytes ? Math.ceil(size / packBytes) : 0)),
    packBytes,
  ).packs.map(({ indexes }) => indexes)

test('a pack closes when the next item does not fit its bytes', () => {
  assert.deepEqual(indexesOf([40, 60, 1, 99, 100, 0]), [
    [0, 1],
    [2, 3],
    [4, 5],
  ])
})

test('large items leave the packs around them as they are', () => {
  assert.deepEqual(indexesOf([40, 250, 60]), [[0, 2]])
})

test('a pack closes at 1,000 entries', () => {
  const packs = indexesOf(Array.from({ length: packEntriesMax + 1 }, () => 0))
  assert.deepEqual(
    packs.map(({ length }) => length),
    [packEntriesMax, 1],
  )
})

test('a pack closes before its plan would not fit an event', () => {
  const long = Array.from({ length: 200 }, (_, n) => ({ ...sized(0), name: Buffer.alloc(1_000, `${n}`) }))
  const { packs } = planPage(long, chunkBytes)
  assert.ok(packs.length > 1)
  for (const { indexes } of packs) assert.ok(indexes.length * 4 * 1_000 <= 320 * 1024)
})

test('packs come first, then the parts of each upload, numbered without gap', () => {
  const page = planPage([sized(10, 0), sized(250, 3), sized(10, 0), sized(150, 2)], 15)
  assert.deepEqual(
    page.packs.map(({ n }) => n),
    [0, 1],
  )
  assert.deepEqual(page.uploads, [
    { index: 1, firstN: 2, chunks: 3 },
    { index: 3, firstN: 5, chunks: 2 },
  ])
})

test('settled and carried items are in no chunk, and every other item is in exactly one pack or upload', () => {
  const anyItem = fc.record({
    size: fc.integer({ min: 0, max: 500 }),
    outcome: fc.constantFrom(null, null, null, 'failed' as const),
  })
  fc.assert(
    fc.property(fc.array(anyItem, { maxLength: 60 }), fc.integer({ min: 1, max: 200 }), (list, packBytes) => {
      const items = list.map(({ size, outcome }) => ({
        ...sized(size, size > packBytes ? Math.ceil(size / packBytes) : 0),
        outcome,
      }))
      const { packs, uploads } = planPage(items, packBytes)
      const places = [...packs.flatMap(({ indexes }) => indexes), ...uploads.map(({ index }) => index)].sort(
        (a, b) => a - b,
      )
      assert.deepEqual(
        places,
        items.flatMap((item, index) => (item.outcome === null ? [index] : [])),
      )
      for (const { indexes } of packs) assert.ok(indexes.every((index) => isPacked(items[index] as (typeof items)[0])))
      const counts = countsOf(items, packBytes)
      assert.equal(counts.chunks, packs.length + uploads.reduce((sum, { chunks }) => sum + chunks, 0))
      assert.equal(
        counts.bytes,
        items.reduce((sum, { identity }) => sum + identity.size, 0),
      )
    }),
  )
})
