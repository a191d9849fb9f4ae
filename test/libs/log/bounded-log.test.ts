import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bound, boundLog } from '#libs/log/bounded-log'
import type { EventLog, NewRecord } from '#libs/log/event-log'
import { openMemoryLog } from '#libs/log/memory-log'
import type { Random } from '#libs/runtime/clock'
import { seededRandom } from '#test/support/seeded-random'

const counts = { jobs: 1, listings: 1, chunks: 2, rates: 1 }
const timeOf = (value: Buffer): number => Number(value.toString())

/** A record of the chunks topic whose value is its time. */
const at = (partition: number, ms: number): NewRecord => ({
  topic: 'chunks',
  partition,
  key: Buffer.from(`${partition}/${ms}`),
  value: Buffer.from(String(ms)),
})

async function openLog(records: readonly NewRecord[], random?: Random): Promise<EventLog> {
  const log = openMemoryLog({ partitionCounts: counts, ...(random === undefined ? {} : { random }) })
  await log.append(records)
  return log
}

/** Times that a reading delivers before it ends by itself. */
async function timesOf(log: EventLog, bound: Partial<Bound>): Promise<{ times: readonly number[]; reached: object }> {
  const bounded = boundLog(log, { last: new Map(), untilMs: null, timeOf, ...bound })
  const times: number[] = []
  for await (const records of bounded.read(new Map(), new AbortController().signal)) {
    for (const { value } of records) times.push(timeOf(value ?? Buffer.alloc(0)))
  }
  return { times: times.sort((a, b) => a - b), reached: Object.fromEntries(bounded.reached()) }
}

test('a reading ends by itself where the log ended when it began', async () => {
  const log = await openLog([at(0, 1), at(0, 2), at(1, 3)])
  const { times, reached } = await timesOf(log, {})
  assert.deepEqual(times, [1, 2, 3])
  assert.deepEqual(reached, { 'chunks/0': 2, 'chunks/1': 1 })
  assert.deepEqual((await timesOf(await openLog([]), {})).times, [])
})

test('positions bound each partition for itself, and the last one counts', async () => {
  const log = await openLog([at(0, 1), at(0, 2), at(0, 3), at(1, 4)])
  assert.deepEqual((await timesOf(log, { last: new Map([['chunks/0', 1]]) })).times, [1, 2, 4])
  assert.deepEqual((await timesOf(log, { last: new Map([['chunks/0', 99]]) })).times, [1, 2, 3, 4])
})

test('positions that are missing in the log end a reading, too', async () => {
  const seed = 7
  console.log(`seed ${seed}`)
  const log = await openLog(
    Array.from({ length: 200 }, (_, ms) => at(0, ms)),
    seededRandom(seed),
  )
  for (const last of [0, 1, 17, 50, 150, 199, 500]) {
    const { times } = await timesOf(log, { last: new Map([['chunks/0', last]]) })
    assert.deepEqual(times, [...times.keys()])
    assert.ok(times.length <= Math.min(200, last + 1))
  }
})

test('a time takes what stands before the first later event of each partition', async () => {
  const log = await openLog([at(0, 1), at(0, 9), at(0, 2), at(1, 5), at(1, 6)])
  const { times, reached } = await timesOf(log, { untilMs: 5 })
  // 2 stands behind 9: a partition is cut in one place, or what was folded never was the state.
  assert.deepEqual(times, [1, 5])
  assert.deepEqual(reached, { 'chunks/0': 1, 'chunks/1': 1 })
})
