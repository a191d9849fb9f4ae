import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter, type PlacedDraft } from '#libs/log/event-writer'
import { openMemoryLog } from '#libs/log/memory-log'
import { foldToEnd } from '#libs/projection/fold-to-end'
import { openProjection, type Projection } from '#libs/projection/projection'
import { type Fields, type Logger, silentLogger } from '#libs/runtime/logger'
import { openMemoryStore } from '#libs/store/memory-store'
import type { Draft } from '#schemas/events'
import { createJobWatch, type JobWatch } from '#services/serve/jobs'
import { smallRequest } from '../../support/memory-migration.ts'
import { createVirtualClock } from '../../support/virtual-clock.ts'

const counts = { jobs: 1, listings: 1, chunks: 1, rates: 1 }
const fence = { claim: 'c1', epoch: 1 }
const never = new AbortController().signal

interface Line {
  readonly fields: Fields
  readonly sentence: string
}

interface Stage {
  /** What was warned of. */
  readonly warned: readonly Line[]
  spoil(key: string): Promise<void>
  readonly watch: JobWatch
  say(...events: readonly Draft[]): Promise<void>
  /** Rows that were read since the last call. */
  rowsRead(): number
}

function counted(projection: Projection, count: (rows: number) => void): Projection {
  const { rows } = projection
  return {
    ...projection,
    rows: {
      get: (key) => {
        count(1)
        return rows.get(key)
      },
      getMany: (keys) => {
        count(keys.length)
        return rows.getMany(keys)
      },
      slice: async (kind, prefix, limit, after) => {
        const found = await rows.slice(kind, prefix, limit, after)
        count(found.length)
        return found
      },
    },
  }
}

async function stageOf(keepsEnds: boolean): Promise<Stage> {
  const log: EventLog = openMemoryLog({ partitionCounts: counts })
  const projection = await openProjection(log, openMemoryStore())
  const writer = createEventWriter({ log, clock: createVirtualClock(), writer: 'test', software: 'test' })
  const say = async (...events: readonly Draft[]): Promise<void> => {
    await writer.append(events.map((event): PlacedDraft => ({ topic: 'jobs', partition: 0, event })))
    await foldToEnd(projection, never)
  }
  await say({ type: 'PartitionClaimed', job: '', ...fence, cause: 'start' })
  const warned: Line[] = []
  const logger: Logger = { ...silentLogger, warn: (fields, sentence) => warned.push({ fields, sentence }) }
  let read = 0
  const rows = counted(projection, (more) => {
    read += more
  })
  return {
    watch: createJobWatch({ projection: rows, logger, keepsEnds }),
    say,
    warned,
    spoil: async (key) => {
      await log.append([{ topic: 'listings', partition: 0, key: Buffer.from(key), value: Buffer.from('nonsense') }])
      await foldToEnd(projection, never)
    },
    rowsRead: () => {
      const before = read
      read = 0
      return before
    },
  }
}

const accepted = (job: string): Draft => ({
  type: 'JobAccepted',
  job,
  ...fence,
  request: smallRequest,
  requestPartition: 0,
  requestPosition: 0,
})
const opened = (job: string, pass: number): Draft => {
  const seen = { actor: 'test', reason: '', sourceRoot: '', readView: '' }
  return { type: 'PassOpened', job, ...fence, pass, ...seen }
}
const completed = (job: string, pass: number): Draft => {
  const end = { positions: [], isCancelled: false, codes: [] }
  return { type: 'PassCompleted', job, ...fence, pass, ...end }
}

const names = Array.from({ length: 1_200 }, (_, index) => `job-${String(index).padStart(4, '0')}`)

test('after the first look only the jobs that events speak of are read again', async () => {
  const { watch, say, rowsRead } = await stageOf(true)
  for (const name of names) await say(accepted(name), opened(name, 1), completed(name, 1))
  assert.deepEqual(await watch.live(), [])
  assert.equal(watch.ended().length, names.length)
  rowsRead()
  await say({ type: 'JobResumed', job: 'job-0007', actor: 'ann', reason: 'again' })
  await say({ type: 'JobRequested', job: 'new', request: smallRequest })
  assert.deepEqual(
    (await watch.live()).map(({ name, isAsked, row }) => [name, isAsked, row?.passAsked ?? null]),
    [
      ['job-0007', false, 2],
      ['new', true, null],
    ],
  )
  assert.ok(rowsRead() < 10)
  await watch.live()
  assert.equal(rowsRead(), 0)
})

test('ends are kept until they are taken, and only where somebody takes them', async () => {
  const { watch, say } = await stageOf(true)
  await say(accepted('a'), opened('a', 1), completed('a', 1), accepted('b'))
  await watch.live()
  assert.deepEqual(watch.ended(), [['a', 1]])
  watch.take('a')
  assert.deepEqual(watch.ended(), [])
  await say({ type: 'JobResumed', job: 'a', actor: 'ann', reason: 'again' }, opened('a', 2))
  assert.deepEqual(
    (await watch.live()).map(({ name }) => name),
    ['b', 'a'],
  )
  await say(completed('a', 2))
  await watch.live()
  assert.deepEqual(watch.ended(), [['a', 2]])
  const other = await stageOf(false)
  await other.say(accepted('a'), opened('a', 1), completed('a', 1))
  await other.watch.live()
  assert.deepEqual(other.watch.ended(), [])
})

test('more changed jobs than are remembered are all looked at again', async () => {
  const { watch, say } = await stageOf(true)
  await watch.live()
  for (const name of names) await say(accepted(name), opened(name, 1))
  assert.equal((await watch.live()).length, names.length)
  for (const name of names) await say(completed(name, 1))
  assert.deepEqual(await watch.live(), [])
  assert.equal(watch.ended().length, names.length)
})

test('a record that cannot be read and names no job is told once, with its place and reason', async () => {
  const { watch, warned, spoil } = await stageOf(true)
  await spoil('before the first look')
  await watch.live()
  await spoil('after it')
  await watch.live()
  await watch.live()
  assert.deepEqual(
    warned.map(({ fields }) => [fields['code'], fields['topic'], fields['partition'], fields['position']]),
    [0, 1].map((position) => ['EVENT_POISON', 'listings', 0, position]),
  )
  assert.match(String(warned[0]?.fields['reason']), /not in the Confluent wire format/)
})
