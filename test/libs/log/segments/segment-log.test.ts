import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { crc32c } from '#libs/log/crc32c'
import type { LogRecord } from '#libs/log/event-log'
import { idOf } from '#libs/log/record-rules'
import { exportRecords } from '#libs/log/segments/exported-log'
import { openSegmentLog } from '#libs/log/segments/segment-log'
import { describeEventLog } from '#test/contracts/event-log.contract'
import {
  counts,
  lineOf,
  linesByPartition,
  mixedRecords,
  placed,
  readCount,
  readToEnd,
  recordOf,
} from '#test/contracts/log-fixture'
import { seededRandom } from '#test/support/seeded-random'
import { freshFolder, headerBytes, openReader, openWriter, recordsOf, segmentsOf } from './segment-fixture.ts'

describeEventLog('segment log', (t) => openWriter(t, freshFolder(t)))
describeEventLog('segment log in many small segments', (t) => openWriter(t, freshFolder(t), 2048))

test('an opened log goes on where it ended, with everything that was in it', async (t) => {
  const folder = freshFolder(t)
  const records = mixedRecords(seededRandom(1), 300)
  const given: LogRecord[] = []
  for (let at = 0; at < records.length; at += 60) {
    const log = await openWriter(t, folder, 4096)
    assert.equal(log.cutShort, null)
    assert.deepEqual(linesByPartition(await readToEnd(log)), linesByPartition(given))
    given.push(...placed(records.slice(at, at + 60), await log.append(records.slice(at, at + 60))))
    await log.close()
  }
  for (const [id, list] of Map.groupBy(given, idOf)) {
    assert.deepEqual(
      list.map(({ position }) => position),
      list.map((_, index) => index),
      `${id} has no gap`,
    )
  }
})

test('segments bear the sequence of their first record, which goes on without a gap', async (t) => {
  const folder = freshFolder(t)
  const log = await openWriter(t, folder, 600)
  for (let number = 0; number < 40; number += 1) await log.append([recordOf(number)])
  const names = segmentsOf(folder)
  assert.ok(names.length > 3, `${names.length} segments`)
  const sequences = names.flatMap((name) => {
    const records = recordsOf(join(folder, name))
    assert.equal(records[0]?.sequence, Number.parseInt(name, 10))
    assert.ok(statSync(join(folder, name)).size <= 600)
    return records.map(({ sequence }) => sequence)
  })
  assert.deepEqual(
    sequences,
    Array.from({ length: 40 }, (_, index) => index),
  )
})

test('calls made at the same time share a few writes, and later ones need their own', async (t) => {
  const folder = freshFolder(t)
  const log = await openWriter(t, folder)
  await Promise.all(Array.from({ length: 500 }, (_, number) => log.append([recordOf(number)])))
  const writes = (): number =>
    recordsOf(join(folder, segmentsOf(folder)[0] ?? '')).filter(({ isFirstOfWrite }) => isFirstOfWrite).length
  assert.ok(writes() <= 3, `${writes()} writes for 500 calls`)
  for (let number = 0; number < 5; number += 1) await log.append([recordOf(number)])
  assert.ok(writes() >= 6)
})

test('one call larger than a write is answered when all of it is durable', async (t) => {
  const folder = freshFolder(t)
  const log = await openWriter(t, folder)
  const records = Array.from({ length: 40 }, (_, number) => recordOf(number, { bytes: 300_000 }))
  const [positions] = await Promise.all([log.append(records), log.append([recordOf(40)])])
  assert.deepEqual(
    positions,
    records.map((_, index) => index),
  )
  assert.equal((await readToEnd(await openReader(t, folder))).length, 41)
})

test('a reader slower than what is kept in memory goes on from the files, also across segments', async (t) => {
  const log = await openWriter(t, freshFolder(t), 8 * 1024 * 1024)
  const records = Array.from({ length: 120 }, (_, number) => recordOf(number, { bytes: 400_000 }))
  const stop = new AbortController()
  const numbers: string[] = []
  await log.append(records.slice(0, 2))
  for await (const batch of log.read(new Map(), stop.signal)) {
    // While the first batch is worked on, 48 MB come in: three times what is kept.
    if (numbers.length === 0) for (const record of records.slice(2)) await log.append([record])
    numbers.push(...batch.map(({ key }) => key.toString()))
    if (numbers.length === records.length) stop.abort()
  }
  assert.deepEqual(
    numbers,
    records.map(({ key }) => key.toString()),
  )
})

test('positions are found in every segment of an opened log, quickly or slowly filled partitions alike', async (t) => {
  const folder = freshFolder(t)
  const first = await openWriter(t, folder, 3000)
  const records = [...mixedRecords(seededRandom(2), 400), ...Array.from({ length: 50 }, (_, n) => recordOf(400 + n))]
  const given = placed(records, await first.append(records))
  await first.close()
  for (const log of [await openWriter(t, folder, 3000), await openReader(t, folder)]) {
    for (const record of given) {
      const found = await log.readAt(record.topic, record.partition, record.position)
      assert.deepEqual(found && lineOf(found), lineOf(record))
    }
  }
})

test('a log of a newer version is refused as such', async (t) => {
  const folder = freshFolder(t)
  const log = await openWriter(t, folder)
  await log.append([recordOf(1)])
  await log.close()
  const path = join(folder, segmentsOf(folder)[0] ?? '')
  const bytes = readFileSync(path)
  bytes.writeUInt32LE(2, 8)
  bytes.writeUInt32LE(0, 16)
  bytes.writeUInt32LE(crc32c(bytes, 0, headerBytes), 16)
  writeFileSync(path, bytes)
  await assert.rejects(openWriter(t, folder), (error) => codeOf(error) === 'LOG_NEWER')
  await assert.rejects(openReader(t, folder), (error) => codeOf(error) === 'LOG_NEWER')
})

test('a log with other numbers of partitions is refused', async (t) => {
  const folder = freshFolder(t)
  await (await openWriter(t, folder)).close()
  const other = { ...counts, chunks: counts.chunks + 1 }
  await assert.rejects(
    openSegmentLog({ folder, partitionCounts: other }),
    (error) => error instanceof WaybillError && error.code === 'CONFIG_INVALID' && error.facts['topic'] === 'chunks',
  )
})

test('a folder that cannot be made or read is an error with its reason', async (t) => {
  const folder = freshFolder(t)
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(
    openWriter(t, join(folder, 'file', 'log')),
    (error) => error instanceof WaybillError && error.code === 'LOG_UNREACHABLE' && error.facts['errno'] === 'ENOTDIR',
  )
  mkdirSync(join(folder, 'log', '00000000000000000000.segment'), { recursive: true })
  await assert.rejects(openWriter(t, join(folder, 'log')), (error) => codeOf(error) === 'LOG_UNREACHABLE')
})

test('exported records keep their positions and gaps, and the copy can be read and continued', async (t) => {
  const folder = freshFolder(t)
  const records = mixedRecords(seededRandom(3), 100)
  const exported = records.map((record, index) => ({ ...record, position: 1000 + index * 3 }))
  const stream = (async function* () {
    yield* exported
  })()
  assert.equal(await exportRecords({ folder, partitionCounts: counts, records: stream }), 100)
  const log = await openWriter(t, folder)
  assert.deepEqual(linesByPartition(await readCount(log, 100)), linesByPartition(exported))
  const last = exported.findLast(({ topic }) => topic === 'listings') ?? assert.fail('no listing')
  assert.deepEqual(await log.append([recordOf(1, { topic: 'listings' })]), [last.position + 1])
  assert.equal(await log.readAt(last.topic, last.partition, last.position - 1), null)
  const again = exportRecords({ folder, partitionCounts: counts, records: stream })
  await assert.rejects(again, /there is a log/)
})

test('exported positions that do not rise are refused', async (t) => {
  const folder = freshFolder(t)
  const stream = (async function* () {
    yield { ...recordOf(1), position: 5 }
    yield { ...recordOf(2), position: 5 }
  })()
  await assert.rejects(exportRecords({ folder, partitionCounts: counts, records: stream }), /does not rise/)
})
