import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import type { EventLog } from '#libs/log/event-log'
import { openMemoryLog } from '#libs/log/memory-log'
import { keyOfEvent } from '#libs/log/record-key'
import { poisonOf } from '#libs/projection/poison'
import { openProjection } from '#libs/projection/projection'
import { readRows } from '#libs/projection/row-reader'
import { stateDigest } from '#libs/projection/state-digest'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import type { EventOf, WaybillEvent } from '#schemas/events'
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

const leased = (job: string): EventOf<'ChunkLeased'> => ({
  ...claimed('a', 1),
  type: 'ChunkLeased',
  job,
  chunk: '1.0.0',
  attempt: 1,
})

/** Folds what is in the log and gives the store's digest. */
async function foldAll(log: EventLog, store: StateStore): Promise<string> {
  const projection = await openProjection(log, store)
  const stop = new AbortController()
  const running = projection.run(stop.signal)
  await projection.caughtUp(stop.signal)
  stop.abort()
  await running
  return stateDigest(store)
}

test('poison stops the job that its key or its event names, and none when it names none or asks for a job', async () => {
  const log = openMemoryLog({ partitionCounts })
  const store = openMemoryStore()
  const on = (topic: 'jobs' | 'chunks', key: string, value: Buffer | null) => ({
    topic,
    partition: 0,
    key: Buffer.from(key),
    value,
  })
  const contradicting: WaybillEvent = leased('second')
  await log.append([
    on('chunks', keyOfEvent(leased('first')).toString(), Buffer.from('nonsense')),
    on('chunks', keyOfEvent(leased('first')).toString(), null),
    on('jobs', 'any key', encodeEvent(contradicting)),
    on('jobs', 'first/JobRequested/someone/1', Buffer.from('nonsense')),
    on('jobs', 'first', Buffer.from('nonsense')),
    on('chunks', '../ChunkLeased/w/1', Buffer.from('nonsense')),
    on('chunks', keyOfEvent(claimed('a', 1)).toString(), encodeEvent(claimed('a', 1))),
  ])
  await foldAll(log, store)
  const rows = readRows(store)
  const places = async (job: string): Promise<readonly string[]> =>
    (await poisonOf(rows, job)).map(({ topic, partition, position }) => `${topic}/${partition}@${position}`)
  assert.deepEqual(await places('first'), ['chunks/0@0', 'chunks/0@1'])
  assert.deepEqual(await poisonOf(rows, 'second'), [
    { job: 'second', topic: 'jobs', partition: 0, position: 0, reason: 'ChunkLeased on topic jobs' },
  ])
  assert.deepEqual(await places(''), ['chunks/0@2', 'jobs/0@1', 'jobs/0@2'])
  assert.deepEqual(await places('third'), [])
})

test('poison of a job is part of the state, poison that names no job is not', async () => {
  const digestOf = async (...keys: readonly string[]): Promise<string> => {
    const log = openMemoryLog({ partitionCounts })
    await log.append(keys.map((key) => ({ topic: 'chunks', partition: 0, key: Buffer.from(key), value: null })))
    return foldAll(log, openMemoryStore())
  }
  const nothing = await digestOf()
  assert.equal(await digestOf('what', 'ever'), nothing)
  assert.notEqual(await digestOf('job/ChunkLeased/w/1'), nothing)
})
