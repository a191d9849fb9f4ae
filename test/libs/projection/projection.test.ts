import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { openMemoryLog } from '#libs/log/memory-log'
import { openProjection } from '#libs/projection/projection'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import type { EventOf } from '#schemas/events'
import { encodeEvent } from '#schemas/wire'

const partitionCounts = { jobs: 1, listings: 1, rates: 1, chunks: 2 }

const claimed = (claim: string, epoch: number): EventOf<'PartitionClaimed'> => ({
  type: 'PartitionClaimed',
  job: '',
  at: 0,
  writer: 'w',
  sequence: epoch,
  software: 'test',
  claim,
  epoch,
  cause: 'start',
})

const record = (event: EventOf<'PartitionClaimed'>, partition = 0) => ({
  topic: 'chunks' as const,
  partition,
  key: Buffer.from(`${event.claim}/${event.epoch}`),
  value: encodeEvent(event),
})

/** A store whose commits wait until they are let through, or fail. */
function gatedStore(inner: StateStore): StateStore & { open(): void; fail(): void; readonly waiting: () => number } {
  const gates: { resolve: () => void; reject: (error: unknown) => void }[] = []
  return {
    getMany: (keys) => inner.getMany(keys),
    range: (range) => inner.range(range),
    close: () => inner.close(),
    async commit(changes) {
      await new Promise<void>((resolve, reject) => gates.push({ resolve, reject }))
      await inner.commit(changes)
    },
    open: () => gates.shift()?.resolve(),
    fail: () => gates.shift()?.reject(new Error('the process died')),
    waiting: () => gates.length,
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('nothing counts as folded before it is in the store', async () => {
  const log = openMemoryLog({ partitionCounts })
  const store = gatedStore(openMemoryStore())
  const projection = await openProjection(log, store)
  const stop = new AbortController()
  const running = projection.run(stop.signal)
  await log.append([record(claimed('a', 1))])
  await turn()
  assert.equal(store.waiting(), 1)
  let isFolded = false
  const folded = projection.foldedUpTo('chunks', 0, 0, stop.signal).then(() => {
    isFolded = true
  })
  await turn()
  assert.equal(isFolded, false)
  assert.equal(projection.positions().get('chunks/0') ?? 0, 0)
  store.open()
  await folded
  assert.equal((await projection.rows.get(keyOf.partition('chunks', 0)))?.claim, 'a')
  stop.abort()
  await running
})

test('a crash between fold and commit folds again, and the state is as if nothing had happened', async () => {
  const log = openMemoryLog({ partitionCounts })
  const inner = openMemoryStore()
  const store = gatedStore(inner)
  await log.append([record(claimed('a', 1)), record(claimed('b', 2))])
  const first = await openProjection(log, store)
  const running = first.run(new AbortController().signal)
  await turn()
  store.fail()
  await assert.rejects(running, /the process died/)
  const second = await openProjection(log, inner)
  const stop = new AbortController()
  const again = second.run(stop.signal)
  await second.caughtUp(stop.signal)
  assert.equal((await second.rows.get(keyOf.partition('chunks', 0)))?.claim, 'b')
  assert.deepEqual(second.counts(), { folded: 2, known: 0, stale: 0, poison: 0 })
  stop.abort()
  await again
})

test('what does not decode, says nothing or stands on the wrong topic is poison, named by its place, and the rest folds', async () => {
  const log = openMemoryLog({ partitionCounts })
  const store = openMemoryStore()
  const key = Buffer.from('k')
  await log.append([
    { topic: 'chunks', partition: 0, key, value: Buffer.from('nonsense') },
    { topic: 'chunks', partition: 0, key, value: null },
    record(claimed('a', 1)),
  ])
  const projection = await openProjection(log, store)
  const stop = new AbortController()
  const running = projection.run(stop.signal)
  await projection.caughtUp(stop.signal)
  const poison = await projection.rows.slice('poison', 'poison/', 10)
  assert.deepEqual(
    poison.map(({ key: place }) => place),
    [keyOf.poison('', 'chunks', 0, 0), keyOf.poison('', 'chunks', 0, 1)],
  )
  assert.equal(projection.counts().folded, 1)
  stop.abort()
  await running
})
