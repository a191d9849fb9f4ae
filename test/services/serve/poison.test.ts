// Records that cannot be read, or contradict what was folded: each stops its own job, and nothing else.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import type { NewRecord } from '#libs/log/event-log'
import { createEventWriter } from '#libs/log/event-writer'
import { keyOfEvent } from '#libs/log/record-key'
import { poisonOf } from '#libs/projection/poison'
import { openProjection } from '#libs/projection/projection'
import { openMemoryStore } from '#libs/store/memory-store'
import type { EventOf } from '#schemas/events'
import { encodeEvent } from '#schemas/wire'
import { KiB, smallRequest } from '../../support/memory-migration.ts'
import { createMemoryCluster } from './memory-cluster.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-poison-'))
after(() => rmSync(folder, { recursive: true }))
const never = new AbortController().signal

const leased = (job: string): EventOf<'ChunkLeased'> => {
  const envelope = { job, at: 0, writer: 'foreign', sequence: 1, software: 'test' }
  return { type: 'ChunkLeased', ...envelope, claim: 'none', epoch: 1, chunk: '1.0.0', attempt: 1 }
}

const unknownSchema = (): Buffer => {
  const wire = encodeEvent(leased('unknown'))
  wire.writeUInt32BE(4711, 1)
  return wire
}

/** What is wrong with a record of the job of that name, and what is said of it. */
const faults: Readonly<Record<string, readonly [NewRecord['topic'], Buffer | null, RegExp]>> = {
  nothing: ['chunks', null, /null value/],
  garbage: ['chunks', Buffer.from('nonsense'), /not in the Confluent wire format/],
  unknown: ['chunks', unknownSchema(), /unknown schema id 4711/],
  truncated: ['chunks', encodeEvent(leased('truncated')).subarray(0, -2), /not whole/],
  impossible: ['jobs', encodeEvent(leased('impossible')), /ChunkLeased on topic jobs/],
}

test('a record that cannot be read stops its job, says why, and every other job is done', async () => {
  const cluster = createMemoryCluster(folder, { jobs: 2, chunks: 4 })
  for (let index = 0; index < 12; index += 1) cluster.tree.write(`file-${index}`, Buffer.alloc(30 * KiB, index))
  await cluster.clock.run(
    (async () => {
      const { log, clock } = cluster
      const writer = createEventWriter({ log, clock, writer: 'test', software: 'test' })
      const place = { topic: 'jobs', partition: 0 } as const
      for (const job of [...Object.keys(faults), 'sound', 'asked']) {
        await writer.append([{ ...place, event: { type: 'JobRequested', job, request: smallRequest } }])
      }
      const spoiled = Object.entries(faults).map(
        ([job, [topic, value]]): NewRecord => ({ topic, partition: 1, key: keyOfEvent(leased(job)), value }),
      )
      // Of no job: a key of nobody's, and a request that cannot be read, whatever its key says.
      const ofNobody: readonly NewRecord[] = ['who knows', 'asked/JobRequested/someone/1'].map((key) => ({
        ...place,
        key: Buffer.from(key),
        value: Buffer.from('nonsense'),
      }))
      await log.append([...spoiled, ...ofNobody])
      const roles = { c1: 'coordinator', c2: 'coordinator', w1: 'worker', v1: 'verifier' } as const
      const processes = Object.entries(roles).map(([name, role]) => cluster.start(name, [role]))
      const projection = await openProjection(log, openMemoryStore())
      const stop = new AbortController()
      const run = projection.run(stop.signal)
      const { rows } = projection
      for (const job of ['sound', 'asked']) {
        while ((await rows.get(keyOf.job(job)))?.passesCompleted !== 1) {
          await projection.changed(projection.version(), never)
        }
        assert.deepEqual(await poisonOf(rows, job), [])
      }
      await clock.sleep(60_000)
      for (const [job, [, , reason]] of Object.entries(faults)) {
        const found = await poisonOf(rows, job)
        assert.equal(found.length, 1, job)
        assert.match(found[0]?.reason ?? '', reason)
        assert.equal((await rows.get(keyOf.job(job)))?.passesCompleted ?? 0, 0, job)
        assert.equal((await rows.get(keyOf.tally(job)))?.targetBytesWritten ?? 0, 0, job)
      }
      assert.equal((await poisonOf(rows, '')).length, 2)
      for (const process of processes) await process.stop()
      stop.abort()
      await run
    })(),
    3_600_000,
  )
})

test('a request under a name that no job can have is set aside with its reason, and holds up nobody', async () => {
  const cluster = createMemoryCluster(folder, { jobs: 1, chunks: 2 })
  cluster.tree.write('file', Buffer.alloc(KiB))
  await cluster.clock.run(
    (async () => {
      const { log, clock } = cluster
      const names = ['..', 'a/b', '', '.hidden', 'x'.repeat(65), 'with space']
      const requests = [...names, 'sound'].map((job, index): NewRecord => {
        const envelope = { job, at: 0, writer: 'foreign', sequence: index, software: 'test' }
        const value = encodeEvent({ type: 'JobRequested', ...envelope, request: smallRequest })
        return { topic: 'jobs', partition: 0, key: Buffer.from(`request-${index}`), value }
      })
      await log.append(requests)
      const processes = (['coordinator', 'worker', 'verifier'] as const).map((role) => cluster.start(role, [role]))
      const projection = await openProjection(log, openMemoryStore())
      const stop = new AbortController()
      const run = projection.run(stop.signal)
      const { rows } = projection
      while ((await rows.get(keyOf.job('sound')))?.passesCompleted !== 1)
        await projection.changed(projection.version(), never)
      await clock.sleep(60_000)
      const found = await poisonOf(rows, '')
      assert.equal(found.length, names.length)
      for (const { reason } of found) assert.match(reason, /no name for a job/)
      assert.deepEqual(await rows.slice('request', 'request/', 10), [])
      assert.deepEqual(
        (await rows.slice('job', 'job/', 10)).map(({ key }) => key),
        [keyOf.job('sound')],
      )
      for (const process of processes) await process.stop()
      stop.abort()
      await run
    })(),
    3_600_000,
  )
})
