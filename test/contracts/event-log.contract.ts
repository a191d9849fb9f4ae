// What every event log promises, the one in memory included (libs/log/event-log.ts).
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { codeOf } from '#libs/domain/errors'
import { batchRecordsMax, type EventLog, type Positions } from '#libs/log/event-log'
import { idOf } from '#libs/log/record-rules'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import {
  counts,
  lineOf,
  linesByPartition,
  mixedRecords,
  placed,
  readCount,
  readToEnd,
  recordOf,
} from './log-fixture.ts'

/** An empty log with the partitions of `counts`; the factory cleans up after the test. */
export type LogFactory = (t: TestContext) => Promise<EventLog>

export function describeEventLog(name: string, openLog: LogFactory): void {
  describeAppends(name, openLog)
  describeReading(name, openLog)
  describeEndOfReading(name, openLog)
  describeSingleRecords(name, openLog)
}

function describeAppends(name: string, openLog: LogFactory): void {
  test(`${name}: the partitions of each topic are those it was made with`, async (t) => {
    const log = await openLog(t)
    assert.deepEqual(await log.partitionCounts(), counts)
    assert.deepEqual(
      [...(await log.ends()).values()],
      Array.from({ length: 9 }, () => 0),
    )
  })

  test(`${name}: an append gives the positions in the order of its records, rising in each partition`, async (t) => {
    const log = await openLog(t)
    const records = mixedRecords(seededRandom(1), 200)
    const given = placed(records, [
      ...(await log.append(records.slice(0, 150))),
      ...(await log.append(records.slice(150))),
    ])
    assert.deepEqual(linesByPartition(await readToEnd(log)), linesByPartition(given))
    const ends = await log.ends()
    for (const [id, list] of Map.groupBy(given, idOf)) {
      const positions = list.map(({ position }) => position)
      assert.deepEqual(
        positions,
        [...new Set(positions)].sort((a, b) => a - b),
      )
      assert.ok((positions.at(-1) ?? 0) < (ends.get(id) ?? 0))
    }
  })

  test(`${name}: appends at the same time all count, each in one piece and order`, async (t) => {
    const log = await openLog(t)
    const calls = Array.from({ length: 60 }, (_, call) =>
      Array.from({ length: 5 }, (_, index) => recordOf(call * 5 + index, { topic: 'chunks', partition: call % 2 })),
    )
    const given = await Promise.all(calls.map(async (records) => placed(records, await log.append(records))))
    assert.deepEqual(
      linesByPartition(await readToEnd(log)),
      linesByPartition(given.flat().sort((a, b) => a.position - b.position)),
    )
  })

  test(`${name}: null, empty and large values come back as they were given`, async (t) => {
    const log = await openLog(t)
    const large = recordOf(3, { bytes: 512 * 1024 })
    await log.append([{ ...recordOf(1), value: null }, { ...recordOf(2), value: Buffer.alloc(0) }, large])
    const values = (await readToEnd(log)).map(({ value }) => value)
    assert.deepEqual(values, [null, Buffer.alloc(0), large.value])
  })

  test(`${name}: an empty append does nothing, one to a partition that is not there is refused whole`, async (t) => {
    const log = await openLog(t)
    assert.deepEqual(await log.append([]), [])
    await assert.rejects(async () => log.append([recordOf(1), recordOf(2, { topic: 'rates', partition: 1 })]))
    await assert.rejects(async () => log.append([recordOf(1), recordOf(2, { bytes: 2 * 1024 * 1024 })]))
    assert.deepEqual(await readToEnd(log), [])
  })

  test(`${name}: bytes that the caller overwrites after the append stay as they were`, async (t) => {
    const log = await openLog(t)
    const record = recordOf(1)
    const [position] = await log.append([record])
    record.key.fill(0)
    record.value?.fill(0)
    assert.deepEqual((await readToEnd(log)).map(lineOf), [`jobs/0@${position} key 1=value 1 `])
  })
}

function describeReading(name: string, openLog: LogFactory): void {
  test(`${name}: several readers each get every record once, in order within a partition`, async (t) => {
    const log = await openLog(t)
    const records = mixedRecords(seededRandom(2), 300)
    const readers = [1, 2, 3].map(() => readCount(log, records.length))
    const given = []
    for (let at = 0; at < records.length; at += 30) {
      const part = records.slice(at, at + 30)
      given.push(...placed(part, await log.append(part)))
    }
    const expected = linesByPartition(given)
    for (const read of await Promise.all(readers)) assert.deepEqual(linesByPartition(read), expected)
  })

  test(`${name}: from any positions a reader gets the rest and nothing twice`, async (t) => {
    const random = seededRandom(3)
    const log = await openLog(t)
    const records = mixedRecords(random, 400)
    const given = placed(records, await log.append(records))
    const ends = await log.ends()
    for (let round = 0; round < 20; round += 1) {
      const known = [...ends].filter(() => random() < 0.7)
      const from = new Map(known.map(([id, end]) => [id, integerBetween(random, 0, end)]))
      const rest = given.filter((record) => record.position >= (from.get(idOf(record)) ?? 0))
      assert.deepEqual(linesByPartition(await readToEnd(log, from)), linesByPartition(rest))
    }
  })

  test(`${name}: from the ends a reader gets only what is appended later, while it waits`, async (t) => {
    const log = await openLog(t)
    await log.append(mixedRecords(seededRandom(4), 50))
    const ends = await log.ends()
    const reading = readCount(log, 3, ends)
    const later = [recordOf(100), recordOf(101, { topic: 'chunks', partition: 4 }), recordOf(102)]
    const given = placed(later, await log.append(later))
    assert.deepEqual(linesByPartition(await reading), linesByPartition(given))
  })

  test(`${name}: a reader that was stopped is followed by one that goes on from its positions`, async (t) => {
    const log = await openLog(t)
    const records = mixedRecords(seededRandom(5), 500)
    const given = placed(records, await log.append(records))
    const folded = new Map<string, number>()
    const read = []
    for (let life = 0; read.length < records.length; life += 1) {
      assert.ok(life <= records.length, 'each life reads something')
      const stop = new AbortController()
      for await (const batch of log.read(new Map(folded), stop.signal)) {
        // The process dies in the middle of a batch: only a part of it was folded.
        const part = batch.slice(0, Math.ceil(batch.length / 2))
        for (const record of part) folded.set(idOf(record), record.position + 1)
        read.push(...part)
        stop.abort()
      }
    }
    assert.deepEqual(linesByPartition(read), linesByPartition(given))
  })

  test(`${name}: batches are never empty and never above the limit`, async (t) => {
    const log = await openLog(t)
    const count = 2 * batchRecordsMax + 7
    const records = Array.from({ length: count }, (_, index) =>
      recordOf(index, { topic: 'chunks', partition: index % 5 }),
    )
    await log.append(records)
    const stop = new AbortController()
    let seen = 0
    for await (const batch of log.read(new Map(), stop.signal)) {
      assert.ok(batch.length > 0 && batch.length <= batchRecordsMax, `a batch of ${batch.length}`)
      seen += batch.length
      if (seen === count) stop.abort()
    }
    assert.equal(seen, count)
  })

  test(`${name}: positions behind the end are damage, not a silent wait`, async (t) => {
    const log = await openLog(t)
    await log.append([recordOf(1)])
    const behind: Positions = new Map([['jobs/0', 1000]])
    const reading = readCount(log, 1, behind)
    await assert.rejects(reading, (error) => codeOf(error) === 'LOG_DAMAGED')
  })
}

function describeEndOfReading(name: string, openLog: LogFactory): void {
  test(`${name}: a reading ends normally when its signal aborts: before, while it waits, while a batch is worked on`, async (t) => {
    const log = await openLog(t)
    const early = AbortSignal.abort()
    for await (const batch of log.read(new Map(), early)) assert.fail(`${batch.length} records after the abort`)
    const waiting = new AbortController()
    const reading = (async () => {
      for await (const batch of log.read(new Map(), waiting.signal)) assert.fail(`${batch.length} records from nowhere`)
    })()
    await log.ends()
    waiting.abort(new Error('enough'))
    await reading
    await log.append([recordOf(1)])
    const working = new AbortController()
    let batches = 0
    for await (const _ of log.read(new Map(), working.signal)) {
      batches += 1
      working.abort()
      await log.append([recordOf(2)])
    }
    assert.equal(batches, 1)
  })

  test(`${name}: a reading ends when its reader leaves the loop, and others go on`, async (t) => {
    const log = await openLog(t)
    const other = readCount(log, 2)
    await log.append([recordOf(1)])
    for await (const _ of log.read(new Map(), new AbortController().signal)) break
    await log.append([recordOf(2)])
    assert.equal((await other).length, 2)
  })

  test(`${name}: closing waits for appends under way and ends every reading; afterwards appends are refused`, async (t) => {
    const log = await openLog(t)
    await log.append([recordOf(0)])
    const reading = readCount(log, 1000)
    const appends = Array.from({ length: 20 }, (_, index) => log.append([recordOf(index + 1)]))
    await log.close()
    assert.equal((await Promise.all(appends)).length, 20)
    assert.ok((await reading).length <= 21)
    await assert.rejects(async () => log.append([recordOf(99)]))
  })
}

function describeSingleRecords(name: string, openLog: LogFactory): void {
  test(`${name}: each record is found by its position, and nothing where none is`, async (t) => {
    const log = await openLog(t)
    const records = mixedRecords(seededRandom(6), 300)
    const given = placed(records, await log.append(records))
    for (const record of given) {
      const found = await log.readAt(record.topic, record.partition, record.position)
      assert.deepEqual(found && lineOf(found), lineOf(record))
    }
    for (const [id, end] of await log.ends()) {
      const { topic, partition } = given.find((record) => idOf(record) === id) ?? assert.fail(`nothing in ${id}`)
      assert.equal(await log.readAt(topic, partition, end), null)
      assert.equal(await log.readAt(topic, partition, end + 1_000_000), null)
    }
  })

  test(`${name}: a record is found as soon as its append is answered`, async (t) => {
    const log = await openLog(t)
    for (let number = 0; number < 50; number += 1) {
      const [position = Number.NaN] = await log.append([recordOf(number)])
      assert.equal((await log.readAt('jobs', 0, position))?.key.toString(), `key ${number}`)
    }
  })
}
