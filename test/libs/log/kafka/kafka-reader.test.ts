// What a reader makes of brokers that behave badly in ways a real one cannot be brought to.
import assert from 'node:assert/strict'
import test from 'node:test'
import { codeOf } from '#libs/domain/errors'
import { crc32c } from '#libs/log/crc32c'
import type { KafkaLink } from '#libs/log/kafka/kafka-link'
import { KafkaReader } from '#libs/log/kafka/kafka-reader'
import { silentLogger } from '#libs/runtime/logger'
import type { VirtualClock } from '#test/support/virtual-clock'
import { createVirtualClock } from '#test/support/virtual-clock'

/** A record batch of one position whose record compaction has removed. */
function emptyBatch(position: number): Buffer {
  const bytes = Buffer.alloc(61)
  bytes.writeBigInt64BE(BigInt(position), 0)
  bytes.writeInt32BE(61 - 12, 8)
  bytes.writeInt8(2, 16)
  bytes.writeUInt32BE(crc32c(bytes, 21), 17)
  return bytes
}

/** Connections to a broker that says there are ten records and gives none, each answer after a second. */
function silentLink(clock: VirtualClock): KafkaLink {
  return {
    describe: async () => new Map(),
    leaderOf: () => 1,
    offsets: async (which) => new Map([['jobs/0', which === 'earliest' ? 0 : 10]]),
    fetch: async () => {
      await clock.sleep(1000)
      return [{ name: 'test.jobs', partition: 0, errorCode: 0, highWatermark: 10, batches: Buffer.alloc(0) }]
    },
    close: async () => undefined,
  }
}

function readerOver(clock: VirtualClock, connect: () => Promise<KafkaLink>): KafkaReader {
  return new KafkaReader(new Map(), {
    connect,
    check: async () => undefined,
    partitions: [0, 1].map((partition) => ({ topic: 'jobs', partition })),
    topicsByName: new Map([['test.jobs', 'jobs']]),
    clock,
    logger: silentLogger,
    patienceMs: 60_000,
  })
}

test('records that are there and do not come: connections are made anew each 20 s, and the patience has an end', async () => {
  const clock = createVirtualClock()
  const openedAtMs: number[] = []
  const reader = readerOver(clock, async () => {
    openedAtMs.push(clock.monotonic())
    return silentLink(clock)
  })
  const reading = assert.rejects(
    reader.next(new AbortController().signal),
    (error) => codeOf(error) === 'LOG_UNREACHABLE',
  )
  await clock.run(reading, 300_000)
  await reader.close()
  assert.ok(openedAtMs.length >= 3, `opened at ${openedAtMs.join(', ')}`)
  for (const [index, atMs] of openedAtMs.slice(1).entries()) {
    const sinceMs = atMs - (openedAtMs[index] ?? 0)
    assert.ok(sinceMs >= 20_000 && sinceMs < 25_000, `${sinceMs} ms between connections`)
  }
})

test('a node that is slow holds up only the partitions that it leads, and is asked once at a time', async () => {
  const clock = createVirtualClock()
  const asked = [0, 0]
  const reader = readerOver(clock, async () => ({
    ...silentLink(clock),
    leaderOf: (_, partition) => partition,
    fetch: async (node, cursors) => {
      asked[node] = (asked[node] ?? 0) + 1
      assert.deepEqual(
        cursors.map(({ partition }) => partition),
        [node],
      )
      await clock.sleep(node === 0 ? 10 : 5000)
      // A batch without records: it moves the position on.
      const batches = emptyBatch(cursors[0]?.position ?? 0)
      return [{ name: 'test.jobs', partition: node, errorCode: 0, highWatermark: 1_000_000, batches }]
    },
  }))
  const stop = new AbortController()
  const reading = reader.next(stop.signal)
  await clock.advance(6000)
  stop.abort()
  assert.deepEqual(await reading, [])
  await reader.close()
  assert.ok((asked[0] ?? 0) > 500 && asked[1] === 2, `asked ${asked.join(' and ')} times`)
})

test('a reading that is stopped while it connects ends at once, and hangs up later', async () => {
  const clock = createVirtualClock()
  let closed = 0
  const hangUp = (): void => {
    closed += 1
  }
  const reader = readerOver(clock, async () => {
    await clock.sleep(5000)
    return { ...silentLink(clock), close: async () => hangUp() }
  })
  const stop = new AbortController()
  const reading = reader.next(stop.signal)
  stop.abort()
  assert.deepEqual(await reading, [])
  assert.equal(closed, 0)
  await clock.run(reader.close())
  assert.equal(closed, 1)
})
