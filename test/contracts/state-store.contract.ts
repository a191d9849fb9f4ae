// What every state store promises, the one in memory included (libs/store/state-store.ts).
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { StateStore, StoreChange } from '#libs/store/state-store'
import { integerBetween, seededRandom } from '#test/support/seeded-random'

/** An empty store; the factory cleans up after the test. */
export type StoreFactory = (t: TestContext) => Promise<StateStore>

const put = (key: string, value: string): StoreChange => ({ key, value: Buffer.from(value) })
const remove = (key: string): StoreChange => ({ key, value: null })

async function valuesOf(store: StateStore, keys: readonly string[]): Promise<readonly (string | undefined)[]> {
  return (await store.getMany(keys)).map((value) => value?.toString())
}

async function rowsOf(store: StateStore, from: string, to: string, limit = 1000): Promise<readonly string[]> {
  return (await store.range({ from, to, limit })).map(({ key, value }) => `${key}=${value}`)
}

export function describeStateStore(name: string, openStore: StoreFactory): void {
  describeValues(name, openStore)
  describeRanges(name, openStore)
  describeHistory(name, openStore)
}

function describeValues(name: string, openStore: StoreFactory): void {
  test(`${name}: values come in the order of the keys, undefined where there is none`, async (t) => {
    const store = await openStore(t)
    await store.commit([put('b', '2'), put('a', '1')])
    assert.deepEqual(await valuesOf(store, ['a', 'x', 'b', 'a']), ['1', undefined, '2', '1'])
    assert.deepEqual(await valuesOf(store, []), [])
  })

  test(`${name}: of several changes of one key in a commit the last one wins`, async (t) => {
    const store = await openStore(t)
    await store.commit([put('a', '1'), put('a', '2'), put('b', '1'), remove('b'), remove('c'), put('c', '3')])
    assert.deepEqual(await valuesOf(store, ['a', 'b', 'c']), ['2', undefined, '3'])
  })

  test(`${name}: deleting what is not there is no error, and neither is an empty commit`, async (t) => {
    const store = await openStore(t)
    await store.commit([remove('a')])
    await store.commit([])
    assert.deepEqual(await rowsOf(store, '', '~'), [])
  })

  test(`${name}: values are bytes, and stay when the caller overwrites his own`, async (t) => {
    const store = await openStore(t)
    const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const kept = Buffer.from(value)
    await store.commit([{ key: 'a', value }])
    value.fill(0)
    assert.deepEqual(await store.getMany(['a']), [kept])
    assert.deepEqual(await store.range({ from: 'a', to: 'b', limit: 1 }), [{ key: 'a', value: kept }])
  })

  test(`${name}: a large commit and a large read arrive whole`, async (t) => {
    const store = await openStore(t)
    const keys = Array.from({ length: 10_000 }, (_, index) => `row/${index}`)
    await store.commit(keys.map((key) => put(key, `value of ${key}`)))
    const values = await valuesOf(store, keys)
    assert.ok(values.every((value, index) => value === `value of ${keys[index]}`))
  })

  test(`${name}: a closed store refuses everything`, async (t) => {
    const store = await openStore(t)
    await store.commit([put('a', '1')])
    await store.close()
    await assert.rejects(async () => store.getMany(['a']))
    await assert.rejects(async () => store.range({ from: 'a', to: 'b', limit: 1 }))
    await assert.rejects(async () => store.commit([put('a', '2')]))
  })
}

function describeRanges(name: string, openStore: StoreFactory): void {
  test(`${name}: a range has its first key, not its end, and keeps its limit`, async (t) => {
    const store = await openStore(t)
    await store.commit(['a', 'b', 'c', 'd'].map((key) => put(key, key)))
    assert.deepEqual(await rowsOf(store, 'b', 'd'), ['b=b', 'c=c'])
    assert.deepEqual(await rowsOf(store, 'aa', 'cc'), ['b=b', 'c=c'])
    assert.deepEqual(await rowsOf(store, '', '~', 3), ['a=a', 'b=b', 'c=c'])
    assert.deepEqual(await rowsOf(store, '', '~', 0), [])
    assert.deepEqual(await rowsOf(store, 'b', 'b'), [])
    assert.deepEqual(await rowsOf(store, 'd', 'a'), [])
    assert.deepEqual(await rowsOf(store, 'a', ''), [])
  })

  test(`${name}: keys are ordered by their bytes`, async (t) => {
    const store = await openStore(t)
    const keys = ['a', 'a/b', 'a!', 'a0', 'A', 'Z', 'a~', '10', '9', 'aa', '~', ' ', '_']
    await store.commit(keys.map((key) => put(key, '.')))
    const expected = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    assert.deepEqual(
      (await store.range({ from: ' ', to: '~~', limit: 100 })).map(({ key }) => key),
      expected,
    )
  })

  test(`${name}: ranges of any length around the size of an inner piece are whole`, async (t) => {
    const store = await openStore(t)
    const keys = Array.from({ length: 3000 }, (_, index) => String(index).padStart(5, '0'))
    await store.commit(keys.map((key) => put(key, key)))
    for (const limit of [1, 2, 1023, 1024, 1025, 2048, 2999, 3000, 3001, 10_000]) {
      const rows = await store.range({ from: '', to: '~', limit })
      assert.deepEqual(
        rows.map(({ key }) => key),
        keys.slice(0, limit),
      )
    }
  })

  test(`${name}: a range is that of one moment, whatever is committed meanwhile`, async (t) => {
    const store = await openStore(t)
    const keys = Array.from({ length: 5000 }, (_, index) => String(index).padStart(5, '0'))
    await store.commit(keys.map((key) => put(key, 'old')))
    const reading = store.range({ from: '', to: '~', limit: 10_000 })
    const writing = store.commit(keys.map((key) => put(key, 'new')))
    const values = new Set((await reading).map(({ value }) => value.toString()))
    await writing
    assert.equal(values.size, 1, 'all old or all new')
  })
}

function describeHistory(name: string, openStore: StoreFactory): void {
  test(`${name}: a random history gives the same rows as a plain map`, async (t) => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed)
      const store = await openStore(t)
      const model = new Map<string, string>()
      const key = (): string => `k${integerBetween(random, 0, 60)}`
      for (let step = 0; step < 60; step += 1) {
        const changes = Array.from({ length: integerBetween(random, 0, 12) }, (_, index) =>
          random() < 0.3 ? remove(key()) : put(key(), `${step}.${index}`),
        )
        await store.commit(changes)
        for (const change of changes) {
          if (change.value === null) model.delete(change.key)
          else model.set(change.key, change.value.toString())
        }
        const [from, to] = [key(), key()]
        const rows = [...model].filter(([one]) => one >= from && one < to).sort(([a], [b]) => (a < b ? -1 : 1))
        const limit = integerBetween(random, 1, 70)
        assert.deepEqual(
          await rowsOf(store, from, to, limit),
          rows.slice(0, limit).map(([one, value]) => `${one}=${value}`),
          `seed ${seed}, step ${step}`,
        )
      }
      const keys = [...model.keys()]
      assert.deepEqual(await valuesOf(store, keys), [...model.values()], `seed ${seed}`)
    }
  })
}
