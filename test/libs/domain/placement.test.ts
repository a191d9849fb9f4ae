import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { partitionAt, partitionOfName, placeChunks } from '#libs/domain/placement'

const load = (partition: number, bytes = 0, claimant = 'worker') => ({ partition, claimant, chunks: 0, bytes })

test('each chunk goes to the partition with the fewest unfinished bytes', () => {
  assert.deepEqual(placeChunks([load(0, 25), load(1)], 4, 10), [
    { partition: 1, count: 3 },
    { partition: 0, count: 1 },
  ])
})

test('a claimant with many partitions gets no more than one with few', () => {
  const many = [0, 1, 2, 3].map((partition) => load(partition, 0, 'many'))
  const placed = placeChunks([...many, load(4, 0, 'few')], 8, 10)
  const ofFew = placed.filter(({ partition }) => partition === 4).reduce((sum, { count }) => sum + count, 0)
  assert.equal(ofFew, 4)
})

test('equal loads are filled in the order of the partitions', () => {
  assert.deepEqual(placeChunks([load(5), load(2)], 3, 10), [
    { partition: 2, count: 1 },
    { partition: 5, count: 1 },
    { partition: 2, count: 1 },
  ])
})

test('empty chunks are spread too', () => {
  assert.equal(placeChunks([load(0), load(1)], 10, 0).length, 10)
})

test('without a partition nothing is placed in silence', () => {
  assert.throws(() => placeChunks([], 1, 10), RangeError)
})

test('every chunk has exactly one partition, one of those given, and none beyond the end', () => {
  const loads = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(
      loads,
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 0, max: 100 }),
      (partitions, count, bytes) => {
        const placements = placeChunks(
          partitions.map((partition) => load(partition, partition)),
          count,
          bytes,
        )
        for (let index = 0; index < count; index += 1) assert.ok(partitions.includes(partitionAt(placements, index)))
        assert.throws(() => partitionAt(placements, count), RangeError)
      },
    ),
  )
})

test('a name is always in the same partition, and names spread over all', () => {
  assert.equal(partitionOfName('archive-2026', 8), 2)
  const counts = new Array(8).fill(0)
  for (let index = 0; index < 8_000; index += 1) counts[partitionOfName(`job-${index}`, 8)] += 1
  for (const count of counts) assert.ok(count > 700 && count < 1_300, `${counts}`)
})
