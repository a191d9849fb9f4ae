// Rule 9: a process with a cold store owns nothing until it caught up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventLog, LogRecord } from '#libs/log/event-log'
import { createEventWriter } from '#libs/log/event-writer'
import { openMemoryLog } from '#libs/log/memory-log'
import { soleMembership } from '#libs/log/sole-membership'
import type { ClusterSettings } from '#libs/runtime/cluster-settings'
import { silentLogger } from '#libs/runtime/logger'
import { openMemoryStore } from '#libs/store/memory-store'
import { runServe } from '#services/serve/serve'
import { KiB, smallRequest } from '../../support/memory-migration.ts'
import { createVirtualClock } from '../../support/virtual-clock.ts'

const partitionCounts = { jobs: 1, listings: 1, rates: 1, chunks: 2 }
const events = 50
const limits = { memoryBytes: 1024 * KiB, requestsMax: 4, chunksMax: 2, sourceRateBytesPerSecond: null }
const place = { roles: ['coordinator', 'worker'], instance: 'p', stateFolder: '/nowhere' }
const settings = { ...place, ...limits } as unknown as ClusterSettings

/** Hands out one record at a time, each once `next` is called. */
function slowly(log: EventLog): { readonly log: EventLog; next(): void } {
  let allowed = 0
  let wake = (): void => undefined
  async function* read(from: Parameters<EventLog['read']>[0], signal: AbortSignal): AsyncGenerator<LogRecord[]> {
    for await (const batch of log.read(from, signal)) {
      for (const record of batch) {
        while (allowed === 0) {
          const { promise, resolve } = Promise.withResolvers<void>()
          wake = resolve
          await promise
        }
        allowed -= 1
        yield [record]
      }
    }
  }
  return {
    log: {
      read,
      partitionCounts: () => log.partitionCounts(),
      append: (records) => log.append(records),
      ends: () => log.ends(),
      readAt: (topic, partition, position) => log.readAt(topic, partition, position),
      close: () => log.close(),
    },
    next: () => {
      allowed += 1
      wake()
    },
  }
}

test('a process with a cold store joins no group before it has folded what the log held', async () => {
  const clock = createVirtualClock()
  const inner = openMemoryLog({ partitionCounts })
  const writer = createEventWriter({ log: inner, clock, writer: 'test', software: 'test' })
  for (let index = 0; index < events; index += 1)
    await writer.append([
      { topic: 'jobs', partition: 0, event: { type: 'JobRequested', job: `job-${index}`, request: smallRequest } },
    ])
  const { log, next } = slowly(inner)
  const stop = new AbortController()
  const joined: string[] = []
  const serving = runServe({
    settings,
    log,
    store: openMemoryStore(),
    join: async (role) => {
      joined.push(role)
      return soleMembership(role === 'coordinator' ? 1 : 2)
    },
    openEnds: () => Promise.reject(new Error('nothing is moved here')),
    refusalOf: () => 'LOCATION_REFUSED',
    signingKey: null,
    clock,
    random: () => 0.5,
    logger: silentLogger,
    software: 'test',
    incarnation: '1',
    onStuck: () => undefined,
    signal: stop.signal,
  })
  const ends = async (): Promise<number> => [...(await inner.ends()).values()].reduce((sum, end) => sum + end, 0)
  for (let folded = 1; folded < events; folded += 1) {
    next()
    await clock.advance(10)
  }
  assert.deepEqual(joined, [])
  assert.equal(await ends(), events, 'nothing was claimed')
  next()
  await clock.advance(10)
  assert.deepEqual(joined, ['coordinator', 'worker'])
  stop.abort(new Error('stopped by the test'))
  for (let more = 0; more < 20; more += 1) next()
  await clock.run(serving, 60_000)
})
