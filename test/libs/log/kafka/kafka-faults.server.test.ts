// What a log over a real broker promises while the broker is killed, away, or robbed of its records.
import assert from 'node:assert/strict'
import { openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { type EventLog, type LogRecord, partitionId } from '#libs/log/event-log'
import { systemClock } from '#libs/runtime/system-clock'
import { lineOf, readCount, readToEnd, recordOf } from '#test/contracts/log-fixture'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { makeTopics, openTestLog, plainKafka } from './kafka-fixture.ts'

const isUnreachable = (error: unknown): boolean => codeOf(error) === 'LOG_UNREACHABLE'
const isDamaged = (error: unknown): boolean => codeOf(error) === 'LOG_DAMAGED'

/** As the port demands of callers: what failed is appended again. */
async function appendUntilTaken(log: EventLog, number: number): Promise<number> {
  for (;;) {
    try {
      const [position] = await log.append([recordOf(number, { topic: 'chunks', partition: number % 3 })])
      return position ?? Number.NaN
    } catch (error) {
      assert.ok(isUnreachable(error), String(error))
    }
  }
}

/** Collects until the signal aborts. */
async function collect(log: EventLog, into: LogRecord[], stop: AbortSignal): Promise<void> {
  for await (const batch of log.read(new Map(), stop)) into.push(...batch)
}

withKafka(() => {
  let cluster: KafkaCluster
  before(async () => {
    cluster = await startKafkaCluster({
      settings: {
        'producer.id.expiration.ms': '2000',
        'producer.id.expiration.check.interval.ms': '500',
        'connections.max.idle.ms': '3000',
      },
    })
  })
  after(() => cluster.stop())

  test('a broker killed in the middle of appends loses nothing that was answered, and readers miss nothing', async (t) => {
    const prefix = await makeTopics(cluster)
    const log = await openTestLog(t, cluster, prefix)
    const other = await openTestLog(t, cluster, prefix)
    const stop = new AbortController()
    const [seen, seenByOther]: [LogRecord[], LogRecord[]] = [[], []]
    const reading = [collect(log, seen, stop.signal), collect(other, seenByOther, stop.signal)]
    const answered = new Map<number, number>()
    let isOver = false
    const appending = [0, 1, 2].map(async (writer) => {
      for (let number = writer; !isOver; number += 3) answered.set(number, await appendUntilTaken(log, number))
    })
    const untilAnswered = async (count: number): Promise<void> => {
      while (answered.size < count) await systemClock.sleep(5)
    }
    for (let life = 1; life <= 3; life += 1) {
      await untilAnswered(life * 100)
      await cluster.kill()
      await cluster.start()
    }
    await untilAnswered(400)
    isOver = true
    await Promise.all(appending)
    const expected = (await readToEnd(log)).map(lineOf)
    for (const [number, position] of answered) {
      const line = lineOf({ ...recordOf(number, { topic: 'chunks', partition: number % 3 }), position })
      assert.ok(expected.includes(line), `answered and lost: ${line}`)
    }
    while (seen.length < expected.length || seenByOther.length < expected.length) await systemClock.sleep(50)
    stop.abort()
    await Promise.all(reading)
    assert.deepEqual(seen.map(lineOf).sort(), expected.toSorted())
    assert.deepEqual(seenByOther.map(lineOf).sort(), expected.toSorted())
    t.diagnostic(
      `${answered.size} answered, ${expected.length - answered.size} more in the log: stored and not answered`,
    )
  })

  test('a broker away for 30 s: the patient go on where they were, the hasty and all questions fail with a code', async (t) => {
    const prefix = await makeTopics(cluster)
    const log = await openTestLog(t, cluster, prefix)
    const hasty = await openTestLog(t, cluster, prefix, { patienceMs: 3000 })
    await log.append([recordOf(1)])
    await hasty.append([recordOf(2)])
    const reading = readCount(log, 3)
    const failing = [assert.rejects(readCount(hasty, 3), isUnreachable)]
    cluster.freeze()
    const sinceMs = systemClock.monotonic()
    const appending = log.append([recordOf(3)])
    failing.push(assert.rejects(log.ends(), isUnreachable), assert.rejects(log.readAt('jobs', 0, 0), isUnreachable))
    await systemClock.sleep(10_000)
    await cluster.kill()
    failing.push(assert.rejects(hasty.append([recordOf(4)]), isUnreachable))
    await Promise.all(failing)
    await systemClock.sleep(Math.max(0, 30_000 - (systemClock.monotonic() - sinceMs)))
    await cluster.start()
    await appending
    assert.deepEqual(
      (await reading).slice(0, 2).map(({ key }) => key.toString()),
      ['key 1', 'key 2'],
    )
    const keys = (await readToEnd(hasty)).map(({ key }) => key.toString())
    assert.ok(keys.includes('key 3') && !keys.includes('key 4'), keys.join(', '))
  })

  test('after a long rest, its producer forgotten and its connections closed by the broker, a log goes on', async (t) => {
    const log = await openTestLog(t, cluster, await makeTopics(cluster))
    const reading = readCount(log, 3)
    const positions = [...(await log.append([recordOf(1)]))]
    await log.ends()
    await systemClock.sleep(6000)
    positions.push(...(await log.append([recordOf(2)])), ...(await log.append([recordOf(3)])))
    assert.deepEqual(positions, [0, 1, 2])
    assert.equal((await log.ends()).get('jobs/0'), 3)
    assert.equal((await log.readAt('jobs', 0, 2))?.key.toString(), 'key 3')
    assert.equal((await reading).length, 3)
  })

  test('positions that transactions of others leave empty are passed over', async (t) => {
    const prefix = await makeTopics(cluster)
    const log = await openTestLog(t, cluster, prefix)
    const producer = plainKafka(cluster).producer({ transactionalId: prefix, maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    for (const number of [0, 1, 2]) {
      const transaction = await producer.transaction()
      const messages = [{ key: `foreign ${number}`, value: 'x', partition: 0 }]
      await transaction.send({ topic: `${prefix}.jobs`, messages })
      await transaction.commit()
    }
    await producer.disconnect()
    const [position] = await log.append([recordOf(1)])
    assert.equal(position, 6)
    const read = await readToEnd(log)
    assert.deepEqual(
      read.map((record) => record.position),
      [0, 2, 4, 6],
    )
    assert.equal(await log.readAt('jobs', 0, 1), null)
    const ends = await log.ends()
    const later = readCount(log, 1, new Map([[partitionId('jobs', 0), 5]]))
    assert.deepEqual(
      (await later).map((record) => record.position),
      [6],
    )
    assert.equal(ends.get('jobs/0'), 7)
  })

  test('a transaction of others that never ends holds up no reader', async (t) => {
    const prefix = await makeTopics(cluster)
    const log = await openTestLog(t, cluster, prefix)
    const producer = plainKafka(cluster).producer({ transactionalId: prefix, maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: `${prefix}.jobs`, messages: [{ key: 'foreign', value: 'x', partition: 0 }] })
    await log.append([recordOf(1)])
    assert.deepEqual(
      (await readCount(log, 2)).map(({ position }) => position),
      [0, 1],
    )
    await transaction.abort()
    await producer.disconnect()
  })

  test('one append above the limits of a batch is stored whole and in order', async (t) => {
    const log = await openTestLog(t, cluster, await makeTopics(cluster))
    const many = Array.from({ length: 5000 }, (_, number) =>
      recordOf(number, { topic: 'chunks', partition: number % 2 }),
    )
    const large = Array.from({ length: 6 }, (_, number) => recordOf(5000 + number, { topic: 'chunks', bytes: 600_000 }))
    const positions = await log.append([...many, ...large])
    assert.deepEqual(positions.slice(-6), [2500, 2501, 2502, 2503, 2504, 2505])
    assert.equal((await readToEnd(log)).length, 5006)
  })

  test('positions that compaction has emptied are passed over, whole batches too', async (t) => {
    const prefix = await makeTopics(cluster, {
      settings: {
        'cleanup.policy': 'compact',
        'segment.ms': '100',
        'min.cleanable.dirty.ratio': '0.01',
        'min.compaction.lag.ms': '0',
      },
    })
    const log = await openTestLog(t, cluster, prefix)
    const report = { ...recordOf(0, { topic: 'rates' }), key: Buffer.from('one key') }
    for (let number = 0; number < 20; number += 1) await log.append([report])
    // A segment ends when an append comes after its time.
    let length = 20
    for (let attempt = 0; length >= 20 && attempt < 60; attempt += 1) {
      await systemClock.sleep(500)
      await log.append([report])
      length = (await readToEnd(log)).length
    }
    const read = await readToEnd(log)
    assert.ok(read.length < 20, `${read.length} records after compaction`)
    assert.equal(read.at(-1)?.position, ((await log.ends()).get('rates/0') ?? 0) - 1)
  })

  test('records that were deleted are damage where the audit trail is, and a later start of rates', async (t) => {
    const prefix = await makeTopics(cluster, { settings: { 'cleanup.policy': 'delete' } })
    const log = await openTestLog(t, cluster, prefix)
    const numbers = [0, 1, 2, 3]
    await log.append(numbers.map((number) => recordOf(number, { topic: 'rates' })))
    await log.append(numbers.map((number) => recordOf(number)))
    const admin = plainKafka(cluster).admin()
    await admin.connect()
    const partitions = [{ partition: 0, offset: '2' }]
    // kafkajs deletes only in topics that it knows from another question.
    for (const topic of ['rates', 'jobs']) await admin.fetchTopicOffsets(`${prefix}.${topic}`)
    await admin.deleteTopicRecords({ topic: `${prefix}.rates`, partitions })
    assert.deepEqual(
      (await readToEnd(log)).filter(({ topic }) => topic === 'rates').map(({ position }) => position),
      [2, 3],
    )
    await admin.deleteTopicRecords({ topic: `${prefix}.jobs`, partitions })
    await admin.disconnect()
    await assert.rejects(readToEnd(log), isDamaged)
    assert.equal(await log.readAt('jobs', 0, 0), null)
    assert.equal((await readToEnd(log, new Map([['jobs/0', 3]]))).length, 3)
  })

  test('a flipped bit in a segment file of the broker is damage with its place', async (t) => {
    const prefix = await makeTopics(cluster)
    const log = await openTestLog(t, cluster, prefix)
    await log.append([recordOf(1, { topic: 'chunks', partition: 2 })])
    const folder = join(cluster.logFolder, `${prefix}.chunks-2`)
    const segment = readdirSync(folder).find((name) => name.endsWith('.log')) ?? assert.fail(`no segment in ${folder}`)
    const file = openSync(join(folder, segment), 'r+')
    const byte = Buffer.alloc(1)
    readSync(file, byte, 0, 1, 75)
    writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 75)
    await assert.rejects(readToEnd(log), (error) => {
      assert.ok(error instanceof WaybillError && isDamaged(error), String(error))
      assert.deepEqual([error.facts['topic'], error.facts['partition'], error.facts['position']], ['chunks', 2, 0])
      return true
    })
    await assert.rejects(log.readAt('chunks', 2, 0), isDamaged)
  })

  test('a topic that was deleted and made again is damage: for readers, for questions, for whoever kept its id', async (t) => {
    const prefix = await makeTopics(cluster)
    const log = await openTestLog(t, cluster, prefix)
    await log.append([recordOf(1), recordOf(2)])
    const reading = assert.rejects(readCount(log, 10), isDamaged)
    const admin = plainKafka(cluster).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [`${prefix}.jobs`] })
    await admin.disconnect()
    await makeTopics(cluster, {}, prefix)
    await reading
    await assert.rejects(readCount(log, 10, new Map([['jobs/0', 2]])), isDamaged)
    await assert.rejects(openTestLog(t, cluster, prefix, { topicIds: log.topicIds }), isDamaged)
    await openTestLog(t, cluster, prefix)
  })

  test('topics that are missing or have other numbers of partitions are a matter of configuration', async (t) => {
    const isConfiguration = (error: unknown): boolean => codeOf(error) === 'CONFIG_INVALID'
    await assert.rejects(openTestLog(t, cluster, 'nowhere'), isConfiguration)
    const prefix = await makeTopics(cluster)
    const partitionCounts = { jobs: 2, listings: 1, chunks: 6, rates: 1 }
    await assert.rejects(openTestLog(t, cluster, prefix, { partitionCounts }), isConfiguration)
    await assert.rejects(openTestLog(t, cluster, prefix, { brokers: ['127.0.0.1:1'] }), isUnreachable)
  })
})
