// Jobs that read one source in serving processes: the production roles, whatever they share is what was really read.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { createEventWriter } from '#libs/log/event-writer'
import { openProjection, type Projection } from '#libs/projection/projection'
import { openMemoryStore } from '#libs/store/memory-store'
import type { JobRequest } from '#schemas/records'
import { KiB, smallRequest } from '../../support/memory-migration.ts'
import { createMemoryCluster, type MemoryCluster, ownTarget } from './memory-cluster.ts'

const capBytes = 512 * KiB
const files = 60
const fileBytes = 60 * KiB

async function readOf(projection: Projection, job: string): Promise<number> {
  return (await projection.rows.get(keyOf.tally(job)))?.sourceBytesRead ?? 0
}

/** Waits until the jobs have read so many bytes together. */
async function untilRead(
  cluster: MemoryCluster,
  projection: Projection,
  jobs: readonly string[],
  bytes: number,
): Promise<void> {
  for (;;) {
    const read = await Promise.all(jobs.map((job) => readOf(projection, job)))
    if (read.reduce((sum, one) => sum + one, 0) >= bytes) return
    await cluster.clock.sleep(100)
  }
}

/** Two jobs over two workers; `act` looks at what each has read. */
async function withJobs(
  requests: Readonly<Record<string, Partial<JobRequest>>>,
  act: (cluster: MemoryCluster, projection: Projection) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-shared-'))
  const cluster = createMemoryCluster(folder, { jobs: 2, chunks: 4 })
  for (let index = 0; index < files; index += 1) cluster.tree.write(`f${index}`, Buffer.alloc(fileBytes, index))
  const run = async (): Promise<void> => {
    const processes = [
      cluster.start('c1', ['coordinator']),
      cluster.start('w1', ['worker']),
      cluster.start('w2', ['worker']),
      cluster.start('v1', ['verifier']),
    ]
    const projection = await openProjection(cluster.log, openMemoryStore())
    const stop = new AbortController()
    const folding = projection.run(stop.signal)
    const writer = createEventWriter({ log: cluster.log, clock: cluster.clock, writer: 'test', software: 'test' })
    for (const [job, request] of Object.entries(requests)) {
      const asked = { ...smallRequest, target: ownTarget, sourcePeakBytesPerSecond: capBytes * 10, ...request }
      await writer.append([{ topic: 'jobs', partition: 0, event: { type: 'JobRequested', job, request: asked } }])
    }
    await act(cluster, projection)
    for (const process of processes) await process.stop()
    stop.abort()
    await folding
  }
  try {
    await cluster.clock.run(run(), 600_000)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('of two jobs on one source the high one reads nine tenths of the cap or more while it has work', () =>
  withJobs({ urgent: { priority: 'high' }, later: { priority: 'low' } }, async (cluster, projection) => {
    await untilRead(cluster, projection, ['urgent', 'later'], 512 * KiB)
    const startMs = cluster.clock.monotonic()
    const before = [await readOf(projection, 'urgent'), await readOf(projection, 'later')] as const
    await untilRead(cluster, projection, ['urgent'], files * fileBytes * 0.9)
    const seconds = (cluster.clock.monotonic() - startMs) / 1000
    const [urgent, later] = [await readOf(projection, 'urgent'), await readOf(projection, 'later')]
    const share = (urgent - before[0]) / (urgent - before[0] + later - before[1])
    assert.ok(share >= 0.9, `the high job read ${(share * 100).toFixed(1)} % of all`)
    const rate = (urgent + later - before[0] - before[1]) / seconds
    assert.ok(rate <= capBytes * 1.05 && rate >= capBytes * 0.8, `${Math.round(rate)} of ${capBytes} bytes a second`)
  }))

test('two jobs of the same priority read the same, within a tenth', () =>
  withJobs({ one: {}, other: {} }, async (cluster, projection) => {
    // From where both have begun to where the first ends.
    while ((await readOf(projection, 'one')) === 0 || (await readOf(projection, 'other')) === 0)
      await cluster.clock.sleep(100)
    await cluster.clock.sleep(4_000)
    const before = [await readOf(projection, 'one'), await readOf(projection, 'other')] as const
    await cluster.clock.sleep(5_000)
    const [one, other] = [await readOf(projection, 'one'), await readOf(projection, 'other')]
    const share = (one - before[0]) / (one - before[0] + other - before[1])
    assert.ok(Math.abs(share - 0.5) <= 0.05, `${(share * 100).toFixed(1)} % of all`)
  }))
