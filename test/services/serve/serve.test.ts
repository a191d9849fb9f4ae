import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { createEventWriter } from '#libs/log/event-writer'
import { openProjection, type Projection } from '#libs/projection/projection'
import { verifyReport } from '#libs/report/read'
import { openMemoryStore } from '#libs/store/memory-store'
import { KiB, smallRequest } from '../../support/memory-migration.ts'
import { createMemoryCluster, type MemoryCluster } from './memory-cluster.ts'

const minuteMs = 60_000

async function watch(cluster: MemoryCluster): Promise<{ projection: Projection; close(): Promise<void> }> {
  const projection = await openProjection(cluster.log, openMemoryStore())
  const stop = new AbortController()
  const run = projection.run(stop.signal)
  return {
    projection,
    close: async () => {
      stop.abort()
      await run
    },
  }
}

async function submit(cluster: MemoryCluster, job: string, request = smallRequest): Promise<void> {
  const writer = createEventWriter({ log: cluster.log, clock: cluster.clock, writer: `test-${job}`, software: 'test' })
  await writer.append([{ topic: 'jobs', partition: 0, event: { type: 'JobRequested', job, request } }])
}

async function complete(projection: Projection, job: string): Promise<void> {
  const signal = new AbortController().signal
  for (;;) {
    const version = projection.version()
    const row = await projection.rows.get(keyOf.job(job))
    if (row !== undefined && row.pass > 0 && row.passesCompleted === row.pass) return
    await projection.changed(version, signal)
  }
}

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-serve-'))
  context.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** One of the coordinators has written the report of the first pass, and its lines are sound. */
async function assertReported(folder: string, job: string): Promise<void> {
  const found: string[] = []
  while (found.length === 0) {
    for (const instance of ['c1', 'c2']) {
      const path = join(folder, instance, 'reports', job, 'pass-1.ndjson')
      if (existsSync(path)) found.push(path)
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.equal(found.length, 1)
  const { verdict } = await verifyReport(found[0] as string, { publicKey: null })
  assert.equal(verdict.exit_code, 0)
}

function plant(cluster: MemoryCluster, files: number, bytes: number): void {
  for (let index = 0; index < files; index += 1) {
    cluster.tree.write(`file-${String(index).padStart(4, '0')}`, Buffer.alloc(bytes + index, index % 251))
  }
}

test('a job asked for by an event is moved and verified by processes that share its partitions', async (context) => {
  const folder = temporaryFolder(context)
  const cluster = createMemoryCluster(folder, { jobs: 2, chunks: 8 })
  plant(cluster, 40, 40 * KiB)
  cluster.tree.write('large', Buffer.alloc(700 * KiB, 7))
  await cluster.clock.run(
    (async () => {
      const processes = [
        cluster.start('c1', ['coordinator']),
        cluster.start('c2', ['coordinator']),
        cluster.start('w1', ['worker']),
        cluster.start('w2', ['worker']),
        cluster.start('v1', ['verifier']),
      ]
      const { projection, close } = await watch(cluster)
      await submit(cluster, 'archive')
      await complete(projection, 'archive')
      const tally = await projection.rows.get(keyOf.tally('archive'))
      assert.equal(tally?.verified.items, tally?.listed.items)
      const workers = new Set<string>()
      for (let partition = 0; partition < cluster.counts.chunks; partition += 1) {
        const row = await projection.rows.get(keyOf.partition('chunks', partition))
        workers.add(row?.writer ?? 'nobody')
      }
      assert.deepEqual(workers, new Set(['w1.3', 'w2.4']))
      await assertReported(folder, 'archive')
      for (const process of processes) await process.stop()
      await close()
    })(),
    30 * minuteMs,
  )
})

test('a process that lost its share changes nothing more, and its heir ends the job', async (context) => {
  const cluster = createMemoryCluster(temporaryFolder(context), { jobs: 1, chunks: 4 })
  plant(cluster, 60, 64 * KiB)
  await cluster.clock.run(
    (async () => {
      const { projection, close } = await watch(cluster)
      const processes = [
        cluster.start('c1', ['coordinator']),
        cluster.start('w1', ['worker']),
        cluster.start('w2', ['worker']),
        cluster.start('v1', ['verifier']),
      ]
      await submit(cluster, 'archive')
      while ((await projection.rows.get(keyOf.tally('archive')))?.chunksTransferred === undefined) {
        await projection.changed(projection.version(), new AbortController().signal)
      }
      // A zombie: it goes on, but the group has given its partitions to others.
      processes[1]?.lose()
      await complete(projection, 'archive')
      const tally = await projection.rows.get(keyOf.tally('archive'))
      assert.equal(tally?.verified.items, 60)
      for (let partition = 0; partition < 4; partition += 1) {
        assert.equal((await projection.rows.get(keyOf.partition('chunks', partition)))?.writer, 'w2.3')
      }
      for (const process of processes) await process.stop()
      await close()
    })(),
    30 * minuteMs,
  )
})

test('a request that this cluster cannot serve is rejected with its code, and the next one is not held up', async (context) => {
  const cluster = createMemoryCluster(temporaryFolder(context), { jobs: 1, chunks: 2 })
  plant(cluster, 3, KiB)
  await cluster.clock.run(
    (async () => {
      const { projection, close } = await watch(cluster)
      const process = cluster.start('all', ['coordinator', 'worker', 'verifier'])
      await submit(cluster, 'stray', { ...smallRequest, source: '/etc' })
      await submit(cluster, 'archive')
      await complete(projection, 'archive')
      assert.equal(await projection.rows.get(keyOf.job('stray')), undefined)
      await process.stop()
      await close()
    })(),
    30 * minuteMs,
  )
})
