import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryLog } from '#libs/log/memory-log'
import { idOf } from '#libs/log/record-rules'
import { describeEventLog } from '#test/contracts/event-log.contract'
import { counts, lineOf, mixedRecords, readCount } from '#test/contracts/log-fixture'
import { seededRandom } from '#test/support/seeded-random'

describeEventLog('memory log', async () => openMemoryLog({ partitionCounts: counts }))
describeEventLog('memory log, interleaved', async () =>
  openMemoryLog({ partitionCounts: counts, random: seededRandom(11) }),
)

async function historyOf(seed: number): Promise<readonly string[]> {
  const log = openMemoryLog({ partitionCounts: counts, random: seededRandom(seed) })
  const readers = [readCount(log, 200), readCount(log, 200)]
  const records = mixedRecords(seededRandom(7), 200)
  await log.append(records.slice(0, 120))
  await log.append(records.slice(120))
  return (await Promise.all(readers)).flat().map(lineOf)
}

test('one seed gives one history, another seed another', async () => {
  assert.deepEqual(await historyOf(1), await historyOf(1))
  assert.notDeepEqual(await historyOf(1), await historyOf(2))
})

test('with a random, partitions are interleaved otherwise than they were appended, and positions have gaps', async () => {
  const log = openMemoryLog({ partitionCounts: counts, random: seededRandom(3) })
  const records = mixedRecords(seededRandom(8), 300)
  const positions = await log.append(records)
  const read = await readCount(log, 300)
  assert.notDeepEqual(
    read.map(({ key }) => key.toString()),
    records.map(({ key }) => key.toString()),
  )
  const byPartition = Map.groupBy(
    records.map((record, index) => ({ id: idOf(record), position: positions[index] })),
    ({ id }) => id,
  )
  assert.ok([...byPartition.values()].some((list) => (list.at(-1)?.position ?? 0) > list.length - 1))
})

test('all waiting is microtasks: nothing is left for timers or the loop', async () => {
  const log = openMemoryLog({ partitionCounts: counts, random: seededRandom(4) })
  let isDone = false
  const reading = readCount(log, 50).then(() => {
    isDone = true
  })
  void log.append(mixedRecords(seededRandom(9), 50))
  // Far more turns than the reading takes; a timer or an I/O callback would not run in between.
  for (let turn = 0; turn < 2000 && !isDone; turn += 1) await Promise.resolve()
  assert.equal(isDone, true)
  await reading
})
