// What is said while the log is out of reach, and when too much is asked for: nothing is lost by it, and it is over with its cause.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import type { EventLog } from '#libs/log/event-log'
import { openMemoryLog } from '#libs/log/memory-log'
import { startApiWorld } from '#test/support/api-world'

const partitionCounts = { jobs: 1, listings: 1, chunks: 2, rates: 1 } as const
const order = (job_id: string) => ({ source_path: `@disk/${job_id}`, target_path: `@vault/${job_id}`, job_id })

/** A log that can be cut off. */
function severableLog(): { readonly log: EventLog; cut(isCut: boolean): void } {
  const log = openMemoryLog({ partitionCounts })
  let isCut = false
  const orCut = <T>(work: () => Promise<T>): Promise<T> =>
    isCut ? Promise.reject(new WaybillError('LOG_UNREACHABLE', { broker: 'secret-broker:9092' })) : work()
  const severable: EventLog = {
    partitionCounts: () => log.partitionCounts(),
    append: (records) => orCut(() => log.append(records)),
    read: (from, signal) => log.read(from, signal),
    readAt: (topic, partition, position) => log.readAt(topic, partition, position),
    ends: () => orCut(() => log.ends()),
    close: () => log.close(),
  }
  return {
    log: severable,
    cut: (value) => {
      isCut = value
    },
  }
}

test('without its log the api takes nothing, says so, still shows what it knows, and goes on once the log is back', async () => {
  const { log, cut } = severableLog()
  const world = await startApiWorld({ log })
  const post = (job: string) => world.call('/migrations', { method: 'POST', body: order(job) })
  try {
    assert.equal((await post('before')).status, 202)
    cut(true)
    const refused = await post('meanwhile')
    assert.deepEqual([refused.status, refused.body.code], [503, 'LOG_UNAVAILABLE'], refused.text)
    assert.equal(refused.headers.get('retry-after'), '5')
    assert.ok(!refused.text.includes('secret-broker'))
    assert.equal((await world.call('/migrations/before')).status, 200)
    const unready = await world.call('/readyz')
    assert.deepEqual(
      [unready.status, unready.body],
      [503, { status: 'not_ready', lag: null, reason: 'the log does not answer' }],
    )
    assert.equal((await world.call('/livez')).status, 200)
    assert.doesNotMatch((await world.call('/metrics')).text, /^waybill_projection_lag_events/m)
    cut(false)
    assert.equal((await world.call('/readyz')).status, 200)
    assert.equal((await post('meanwhile')).status, 202)
  } finally {
    cut(false)
    await world.close()
  }
})

test('open migrations are bounded: one more is 429, and none is lost', async () => {
  const world = await startApiWorld({ limits: { openMigrationsMax: 3 } })
  try {
    const statuses: number[] = []
    for (let n = 0; n < 6; n += 1) {
      const answer = await world.call('/migrations', { method: 'POST', body: order(`m${n}`) })
      statuses.push(answer.status)
      if (answer.status === 429) assert.equal(answer.headers.get('retry-after'), '60')
    }
    assert.deepEqual(statuses, [202, 202, 202, 429, 429, 429])
    assert.equal((await world.call('/migrations')).body.entries.length, 3)
  } finally {
    await world.close()
  }
})

test('pages have 1 to 1000 entries, and one limit', async () => {
  const world = await startApiWorld()
  try {
    for (const limit of ['0', '-1', '1001', '1e9', '1.5', '', ' 1', '0x10', 'all', '1&limit=2'])
      assert.equal((await world.call(`/migrations?limit=${limit}`)).body.code, 'REQUEST_INVALID', limit)
    for (const limit of ['1', '1000']) assert.equal((await world.call(`/migrations?limit=${limit}`)).status, 200)
  } finally {
    await world.close()
  }
})
