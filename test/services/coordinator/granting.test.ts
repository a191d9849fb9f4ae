import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventOf } from '#schemas/events'
import { decodeEvent } from '#schemas/wire'
import { createMemoryWorld, KiB, type MemoryWorld, smallRequest } from '#test/support/memory-migration'

async function grantsOf(world: MemoryWorld): Promise<readonly EventOf<'RateGranted'>[]> {
  const end = (await world.log.ends()).get('rates/0') ?? 0
  const grants: EventOf<'RateGranted'>[] = []
  for (let position = 0; position < end; position += 1) {
    const value = (await world.log.readAt('rates', 0, position))?.value
    const event = value == null ? null : decodeEvent(value)
    if (event?.type === 'RateGranted') grants.push(event)
  }
  return grants
}

test('a run after others that were cut short gets the whole limit, and nothing is granted to their workers', async () => {
  const world = createMemoryWorld()
  for (let n = 0; n < 20; n += 1) world.tree.write(`file-${n}`, Buffer.alloc(60 * KiB, `${n}`))
  const request = { ...smallRequest, throughputBytesPerSecond: 100 * KiB }
  for (let cut = 0; cut < 3; cut += 1) {
    const stop = new AbortController()
    void world.clock.sleep(3_000).then(() => stop.abort(new Error('cut short')))
    await assert.rejects(world.run({ request, signal: stop.signal }), /cut short/)
  }
  const before = (await grantsOf(world)).length
  const startedAt = world.clock.monotonic()
  await world.run({ request })
  // A worker without work is granted nothing, and one that fell silent is forgotten.
  const grants = (await grantsOf(world)).slice(before).filter(({ bytesPerSecond }) => bytesPerSecond !== 0)
  assert.deepEqual(new Set(grants.map(({ worker }) => worker)), new Set(['process-4']))
  assert.deepEqual(new Set(grants.map(({ bytesPerSecond }) => bytesPerSecond)), new Set([100 * KiB]))
  assert.ok(world.clock.monotonic() - startedAt < 13_000, 'the limit was shared with workers that are gone')
})
