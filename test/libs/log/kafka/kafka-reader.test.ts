// What a reader makes of brokers that behave badly in ways a real one cannot be brought to.
import assert from 'node:assert/strict'
import test from 'node:test'
import { codeOf } from '#libs/domain/errors'
import type { KafkaLink } from '#libs/log/kafka/kafka-link'
import { KafkaReader } from '#libs/log/kafka/kafka-reader'
import { silentLogger } from '#libs/runtime/logger'
import type { VirtualClock } from '#test/support/virtual-clock'
import { createVirtualClock } from '#test/support/virtual-clock'

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

test('records that are there and do not come: connections are made anew each 20 s, and the patience has an end', async () => {
  const clock = createVirtualClock()
  const openedAtMs: number[] = []
  const reader = new KafkaReader(new Map(), {
    connect: async () => {
      openedAtMs.push(clock.monotonic())
      return silentLink(clock)
    },
    check: async () => undefined,
    partitions: [{ topic: 'jobs', partition: 0 }],
    topicsByName: new Map([['test.jobs', 'jobs']]),
    clock,
    logger: silentLogger,
    patienceMs: 60_000,
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
