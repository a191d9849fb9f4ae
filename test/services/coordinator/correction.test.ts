import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Place } from '#schemas/records'
import { decodeEvent, encodeEvent } from '#schemas/wire'
import { createMemoryWorld, type MemoryWorld } from '#test/support/memory-migration'

/** Who writes listings, as the log has it. */
async function standingClaim({ log }: MemoryWorld): Promise<{ claim: string; epoch: number; writer: string }> {
  const end = (await log.ends()).get('listings/0') ?? 0
  for (let position = end - 1; position >= 0; position -= 1) {
    const value = (await log.readAt('listings', 0, position))?.value
    const event = value == null ? null : decodeEvent(value)
    if (event?.type === 'PartitionClaimed') return event
  }
  throw new Error('nobody claimed the listings')
}

test('a correction of an item that its page does not list ends the run and says which', async () => {
  const world = createMemoryWorld()
  world.tree.write('file', Buffer.from('content'))
  await world.run()
  const { claim, epoch, writer } = await standingClaim(world)
  const nowhere = { form: 'pack', chunk: '1.0.0', index: 7, count: 1, generation: 1, bytes: 7 } as const
  const place: Place = { ...nowhere, outcome: null, code: null }
  const stamp = { job: 'job', at: 0, writer, sequence: 1_000_000, software: 'test', claim, epoch }
  const compared = { pass: 1, page: 1, cursor: null, through: null, isLast: true, objects: 0, bytes: 0 }
  const differing = [{ key: Buffer.from('nothing'), item: '1.0.7', reason: 'missing', place }] as const
  const event = { type: 'TargetListed', ...stamp, ...compared, differing, strangers: 0, strangerSamples: [] } as const
  await world.log.append([{ topic: 'listings', partition: 0, key: Buffer.from('forged'), value: encodeEvent(event) }])
  await assert.rejects(world.run(), (error: Error & { code?: string; facts?: { reason?: string } }) => {
    assert.equal(error.code, 'EVENT_POISON')
    assert.match(error.facts?.reason ?? '', /item 1\.0\.7, which page 1\.0 does not list/)
    return true
  })
})
