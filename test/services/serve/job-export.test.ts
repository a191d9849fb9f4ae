// One job out of the log of a cluster, as a folder that every command reads: the same rows, the same report.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter } from '#libs/log/event-writer'
import { idOf } from '#libs/log/record-rules'
import { foldToEnd } from '#libs/projection/fold-to-end'
import { readItemHistory } from '#libs/projection/item-history'
import { poisonOf } from '#libs/projection/poison'
import { openProjection, type Projection } from '#libs/projection/projection'
import type { RowReader } from '#libs/projection/row-reader'
import { jobDigest } from '#libs/projection/state-digest'
import { openEmbeddedLog } from '#libs/runtime/adapters'
import { exportJob } from '#libs/runtime/job-export'
import { openJobFolder } from '#libs/runtime/job-folder'
import { systemClock } from '#libs/runtime/system-clock'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import { openJobView } from '#services/embedded/job-view'
import { writeReportAgain } from '#services/embedded/report-again'
import { lineOf, readToEnd } from '#test/contracts/log-fixture'
import { KiB, smallRequest } from '../../support/memory-migration.ts'
import { runProgram } from '../cli/program.ts'
import { createMemoryCluster } from './memory-cluster.ts'

const never = new AbortController().signal
const folder = mkdtempSync(join(tmpdir(), 'waybill-export-'))
after(() => rmSync(folder, { recursive: true }))

/** A log in which two jobs were moved at once, with something unreadable of the first and of none. */
async function logOfTwoJobs(): Promise<EventLog> {
  const cluster = createMemoryCluster(join(folder, 'cluster'), { jobs: 5, chunks: 8 })
  for (let index = 0; index < 30; index += 1) cluster.tree.write(`file-${index}`, Buffer.alloc(40 * KiB + index, index))
  cluster.tree.write('large', Buffer.alloc(700 * KiB, 7))
  const names = ['first', 'second']
  await cluster.clock.run(
    (async () => {
      const roles = { c1: 'coordinator', c2: 'coordinator', w1: 'worker', w2: 'worker', v1: 'verifier' } as const
      const processes = Object.entries(roles).map(([name, role]) => cluster.start(name, [role]))
      const projection = await openProjection(cluster.log, openMemoryStore())
      const stop = new AbortController()
      const run = projection.run(stop.signal)
      const { log, clock } = cluster
      const writer = createEventWriter({ log, clock, writer: 'test', software: 'test' })
      for (const [partition, job] of names.entries()) {
        await writer.append([{ topic: 'jobs', partition, event: { type: 'JobRequested', job, request: smallRequest } }])
      }
      for (const job of names) {
        while ((await projection.rows.get(keyOf.job(job)))?.passesCompleted !== 1) {
          await projection.changed(projection.version(), never)
        }
      }
      for (const process of processes) await process.stop()
      stop.abort()
      await run
    })(),
    3_600_000,
  )
  const nonsense = (key: string, partition: number) => ({
    topic: 'chunks' as const,
    partition,
    key: Buffer.from(key),
    value: Buffer.from('nonsense'),
  })
  const keys = ['first/ChunkLeased/w/1', 'second/ChunkLeased/w/1', 'any']
  await cluster.log.append(keys.map((key, index) => nonsense(key, index)))
  return cluster.log
}

async function foldAll(log: EventLog): Promise<{ store: StateStore; projection: Projection }> {
  const store = openMemoryStore()
  const projection = await openProjection(log, store)
  await foldToEnd(projection, never)
  return { store, projection }
}

let log: EventLog
before(async () => {
  log = await logOfTwoJobs()
})

let copies = 0
const exportTo = async (job: string): Promise<string> => {
  copies += 1
  const stateFolder = join(folder, `state${copies}`)
  const options = { log, job, stateFolder, software: 'test', clock: systemClock, signal: never }
  assert.equal((await exportJob(options)).folder, join(stateFolder, job))
  return stateFolder
}

test('the copy of a job folds to the same rows of it, and to none of another job', async (t) => {
  const whole = await foldAll(log)
  for (const [job, other] of [
    ['first', 'second'],
    ['second', 'first'],
  ] as const) {
    const stateFolder = await exportTo(job)
    const copy = await openEmbeddedLog(join(stateFolder, job, 'log'))
    t.after(() => copy.close())
    assert.deepEqual(await copy.partitionCounts(), await log.partitionCounts())
    const { store, projection } = await foldAll(copy)
    assert.equal(await jobDigest(store, job), await jobDigest(whole.store, job))
    assert.notEqual(await jobDigest(store, job), await jobDigest(whole.store, other))
    assert.equal(await jobDigest(store, other), await jobDigest(openMemoryStore(), other))
    assert.equal((await poisonOf(projection.rows, job)).length, 1)
    assert.equal(projection.counts().stale, 0)
  }
})

test('a copied record keeps its place, and events of others stay behind', async (t) => {
  const stateFolder = await exportTo('first')
  const copy = await openEmbeddedLog(join(stateFolder, 'first', 'log'))
  t.after(() => copy.close())
  const all = new Set((await readToEnd(log)).map(lineOf))
  const copied = await readToEnd(copy)
  assert.ok(copied.length > 50 && copied.length < all.size)
  for (const record of copied) {
    assert.ok(all.has(lineOf(record)), `${idOf(record)}@${record.position}`)
    assert.notEqual(record.topic, 'rates')
    assert.doesNotMatch(record.key.toString(), /^second\//)
    const found = await copy.readAt(record.topic, record.partition, record.position)
    assert.equal(found && lineOf(found), lineOf(record))
  }
})

async function reportOf(view: Parameters<typeof writeReportAgain>[1]): Promise<string> {
  const lines: string[] = []
  const write = (bytes: Buffer | string): null => {
    lines.push(bytes.toString())
    return null
  }
  await writeReportAgain({ write }, view, { software: 'test', signingKey: null, onLeaf: () => undefined })
  return lines.join('')
}

test('the report of the copy is that of the job, byte for byte', async (t) => {
  const { projection } = await foldAll(log)
  const { rows } = projection
  const row = await rows.get(keyOf.job('second'))
  const place = { job: 'second', row, rows, log, hasOwnLog: false, isHeldElsewhere: false } as const
  const expected = await reportOf({ ...place, positions: projection.positions(), close: async () => undefined })
  const stateFolder = await exportTo('second')
  const onNotice = (text: string): void => assert.fail(text)
  const view = await openJobView({ stateFolder, job: 'second', clock: systemClock, onNotice, signal: never })
  t.after(() => view.close())
  assert.equal(await reportOf(view), expected)
})

test('the history of an item is the same in the copy and in a log of many jobs', async (t) => {
  const whole = await foldAll(log)
  const stateFolder = await exportTo('first')
  const copy = await openEmbeddedLog(join(stateFolder, 'first', 'log'))
  t.after(() => copy.close())
  const own = await foldAll(copy)
  for (const name of ['large', 'file-3']) {
    const historyIn = (rows: RowReader, from: EventLog) =>
      readItemHistory({ rows, log: from, job: 'first' }, Buffer.from(name), never)
    const history = await historyIn(whole.projection.rows, log)
    assert.ok(history !== null)
    assert.deepEqual(await historyIn(own.projection.rows, copy), history)
  }
})

test('every command that looks at a job reads the copy; none works on it', async () => {
  const stateFolder = await exportTo('second')
  const run = (...words: readonly string[]) => runProgram([...words, '--state-dir', stateFolder], { folder })
  const looks = [
    ['jobs', 'list'],
    ['jobs', 'show', 'second'],
    ['explain', 'second', 'large'],
    ['report', 'show', 'second', '--format', 'json'],
    ['rebuild', 'second'],
  ]
  for (const words of looks) {
    const { code, output, notices } = await run(...words)
    assert.equal(code, 0, `${words.join(' ')}: ${output}${notices}`)
    assert.match(output, /second|SAME/)
  }
  await assert.rejects(openJobFolder(join(stateFolder, 'second')), (error) => codeOf(error) === 'JOB_COPIED')
})

test('what is not there cannot be copied, and what is there is not written over; neither leaves anything', async () => {
  const stateFolder = join(folder, 'refused')
  const options = { log, stateFolder, software: 'test', clock: systemClock, signal: never }
  await assert.rejects(exportJob({ ...options, job: 'third' }), (error) => codeOf(error) === 'JOB_UNKNOWN')
  assert.deepEqual(readdirSync(stateFolder), [])
  const stop = AbortSignal.abort(new WaybillError('ABORTED'))
  await assert.rejects(exportJob({ ...options, job: 'first', signal: stop }), (error) => codeOf(error) === 'ABORTED')
  assert.deepEqual(readdirSync(stateFolder), [])
  await exportJob({ ...options, job: 'first' })
  await assert.rejects(exportJob({ ...options, job: 'first' }), (error) => codeOf(error) === 'USAGE')
  assert.deepEqual(readdirSync(stateFolder), ['first'])
})
