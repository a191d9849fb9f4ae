import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keyOf } from '#libs/domain/keys'
import { readyChunks } from '#libs/projection/ready-walk'
import { readRows } from '#libs/projection/row-reader'
import { openMemoryStore } from '#libs/store/memory-store'
import { encodeRow } from '#schemas/row-wire'

interface Ready {
  readonly partition: number
  readonly job: string
  readonly n: number
}

const key = ({ partition, job, n }: Ready): string => keyOf.leasable(partition, job, `1.0.${n}`)

test('a walk finds exactly the ready chunks of one job in own partitions, in order', async () => {
  const ready = fc.record({
    partition: fc.integer({ min: 0, max: 12 }),
    job: fc.constantFrom('a', 'b', 'c'),
    n: fc.integer({ min: 0, max: 200 }),
  })
  const property = fc.asyncProperty(
    fc.array(ready, { maxLength: 300 }),
    fc.uniqueArray(fc.integer({ min: 0, max: 12 })),
    async (all, owned) => {
      const store = openMemoryStore()
      await store.commit(
        all.map((each) => ({ key: key(each), value: encodeRow('leasable', { chunk: `1.0.${each.n}` }) })),
      )
      const upload = encodeRow('verifiable', { chunk: '1.0.0' })
      await store.commit([{ key: keyOf.verifiableUpload('b', '1.0.0', 1), value: upload }])
      const own = owned.sort((one, other) => one - other)
      const found: string[] = []
      for await (const { partition, chunk } of readyChunks(readRows(store), 'leasable', 'b', own)) {
        found.push(keyOf.leasable(partition, 'b', chunk))
      }
      const wanted = all.filter(({ job, partition }) => job === 'b' && own.includes(partition)).map(key)
      assert.deepEqual(
        found,
        [...new Set(wanted)].sort((a, b) => (a < b ? -1 : 1)),
      )
    },
  )
  await fc.assert(property, { numRuns: 200 })
})
