import assert from 'node:assert'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { RowCache } from '#libs/projection/row-cache'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import { encodeRow } from '#schemas/row-wire'
import type { RowOf } from '#schemas/rows'
import { seededRandom } from '#test/support/seeded-random'

type Ready = RowOf<'leasable'>

const key = (chunk: string): string => keyOf.leasable(0, 'job', chunk)
const row = (chunk: string): Ready => ({ chunk })

interface Counted {
  readonly store: StateStore
  readonly cache: RowCache
  readonly calls: { reads: number }
  commit(changes: readonly (readonly [string, Ready | null])[]): Promise<void>
}

/** A cache over a store that counts how often it is read; `whileReading` runs between the read and its answer. */
function counted(whileReading: () => Promise<void> = () => Promise.resolve()): Counted {
  const inner = openMemoryStore()
  const calls = { reads: 0 }
  const store: StateStore = {
    async getMany(keys) {
      calls.reads += 1
      const values = await inner.getMany(keys)
      await whileReading()
      return values
    },
    async range(range) {
      calls.reads += 1
      const rows = await inner.range(range)
      await whileReading()
      return rows
    },
    commit: (changes) => inner.commit(changes),
    close: () => inner.close(),
  }
  const cache = new RowCache(store)
  return {
    store,
    cache,
    calls,
    async commit(changes) {
      const encoded = changes.map(([name, value]) => ({
        key: name,
        row: value,
        value: value === null ? null : encodeRow('leasable', value),
        bytes: 10,
      }))
      await cache.commit(encoded, () => inner.commit(encoded))
    },
  }
}

test('rows and ready lists are read once until a commit touches their kind', async () => {
  const { cache, calls, commit } = counted()
  await commit([[key('1.0.0'), row('1.0.0')]])
  for (let look = 0; look < 3; look += 1) {
    assert.deepEqual(await cache.get(key('1.0.0')), row('1.0.0'))
    assert.equal(await cache.get(key('1.0.1')), undefined)
    assert.equal((await cache.slice('leasable', 'leasable/', 10)).length, 1)
  }
  assert.equal(calls.reads, 3)
})

test('a commit shows in the next read, also of what was absent or is gone', async () => {
  const { cache, commit } = counted()
  await commit([[key('1.0.0'), row('1.0.0')]])
  await cache.getMany([key('1.0.0'), key('1.0.1')])
  await cache.slice('leasable', 'leasable/', 10)
  await commit([
    [key('1.0.0'), null],
    [key('1.0.1'), row('1.0.1')],
  ])
  assert.deepEqual(await cache.getMany([key('1.0.0'), key('1.0.1')]), [undefined, row('1.0.1')])
  assert.deepEqual(
    (await cache.slice('leasable', 'leasable/', 10)).map((entry) => entry.row),
    [row('1.0.1')],
  )
})

test('a read that a commit overtook is not remembered', async () => {
  let overtake = (): Promise<void> => Promise.resolve()
  const { cache, commit } = counted(() => overtake())
  overtake = async () => {
    overtake = () => Promise.resolve()
    await commit([[key('1.0.0'), row('1.0.0')]])
  }
  assert.equal(await cache.get(key('1.0.0')), undefined)
  assert.deepEqual(await cache.get(key('1.0.0')), row('1.0.0'))
  overtake = async () => {
    overtake = () => Promise.resolve()
    await commit([[key('1.0.1'), row('1.0.1')]])
  }
  assert.equal((await cache.slice('leasable', 'leasable/', 10)).length, 1)
  assert.equal((await cache.slice('leasable', 'leasable/', 10)).length, 2)
})

test('while a commit is written, kept rows are those before it and all else waits for its end', async () => {
  const { cache, store, commit } = counted()
  await commit([[key('1.0.0'), row('1.0.0')]])
  await cache.get(key('1.0.0'))
  let end = (): void => undefined
  const written = new Promise<void>((resolve) => {
    end = resolve
  })
  const gone = [{ key: key('1.0.0'), row: null, bytes: 0 }]
  const committing = cache.commit(gone, async () => {
    await store.commit([{ key: key('1.0.0'), value: null }])
    await written
  })
  const seen: string[] = []
  const list = cache.slice('leasable', 'leasable/', 10).then((rows) => seen.push(`list of ${rows.length}`))
  assert.deepEqual(await cache.get(key('1.0.0')), row('1.0.0'))
  seen.push('row as before')
  end()
  await Promise.all([committing, list])
  assert.deepEqual(seen, ['row as before', 'list of 0'])
  assert.equal(await cache.get(key('1.0.0')), undefined)
})

test('after a commit that failed everything is read again, and its error is passed on', async () => {
  const { cache, calls, commit } = counted()
  await commit([[key('1.0.0'), row('1.0.0')]])
  await cache.get(key('1.0.0'))
  await assert.rejects(
    cache.commit([], () => Promise.reject(new Error('disk full'))),
    /disk full/,
  )
  await cache.get(key('1.0.0'))
  assert.equal(calls.reads, 2)
})

test('a short list follows commits without being read again, and never differs from the store', async () => {
  const { cache, store, calls, commit } = counted()
  const random = seededRandom(7)
  const limit = 5
  for (let step = 0; step < 300; step += 1) {
    const changed = new Map<string, Ready | null>()
    for (let change = 0; change < 3; change += 1) {
      const chunk = `1.0.${Math.floor(random() * 12)}`
      changed.set(key(chunk), random() < 0.6 ? null : row(chunk))
    }
    await commit([...changed])
    for (const after of [undefined, key('1.0.4')]) {
      const rows = await cache.slice('leasable', 'leasable/', limit, after)
      const from = after === undefined ? 'leasable/' : `${after}\u0000`
      const stored = await store.range({ from, to: 'leasable0', limit })
      calls.reads -= 1
      assert.deepEqual(
        rows.map((entry) => entry.key),
        stored.map((entry) => entry.key),
      )
    }
  }
  assert.ok(calls.reads < 450, `${calls.reads} reads for 600 looks`)
})
