import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { createEventWriter, type PlacedDraft } from '#libs/log/event-writer'
import { openMemoryLog } from '#libs/log/memory-log'
import { openProjection } from '#libs/projection/projection'
import { type Role, type RoleContext, runRole } from '#libs/runtime/role'
import { openMemoryStore } from '#libs/store/memory-store'
import { createVirtualClock, type VirtualClock } from '#test/support/virtual-clock'

interface Stage {
  readonly context: RoleContext
  readonly clock: VirtualClock
  readonly stop: AbortController
  /** Runs the role until it ends. */
  run(role: Role<string>): Promise<void>
}

async function createStage(): Promise<Stage> {
  const clock = createVirtualClock()
  const log = openMemoryLog({ partitionCounts: { jobs: 1, listings: 1, rates: 1, chunks: 1 } })
  const projection = await openProjection(log, openMemoryStore())
  const writer = createEventWriter({ log, clock, writer: 'writer', software: 'test' })
  const stop = new AbortController()
  const folding = new AbortController()
  const context = { projection, writer, clock, idleMs: 1_000, retryMs: 2_000, signal: stop.signal }
  return {
    context,
    clock,
    stop,
    async run(role) {
      const projected = projection.run(folding.signal)
      try {
        await clock.run(runRole(role, context), 60_000)
      } finally {
        folding.abort()
        await projected
      }
    },
  }
}

const report = (sequence: number): PlacedDraft => ({
  topic: 'rates',
  partition: 0,
  event: {
    type: 'WorkerReported',
    job: '',
    worker: `worker-${sequence}`,
    reportSequence: sequence,
    source: 's',
    hasWork: false,
    readBytesPerSecond: 0,
    grantSequence: -1,
    reads: 0,
    readMsP50: 0,
    readMsP95: 0,
  },
})

const idle: Omit<Role<string>, 'decide' | 'perform'> = {
  name: 'role',
  keyOf: (task) => task,
  recover: (_task, error) => {
    throw error
  },
}

/** Waits for the end of the signal, as an effect does that waits for its turn. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

test('a task is not started again before its events are folded', async () => {
  const stage = await createStage()
  let performed = 0
  await stage.run({
    ...idle,
    decide: async () => {
      const row = await stage.context.projection.rows.get(keyOf.report(0, 'worker-1'))
      if (row !== undefined) stage.stop.abort()
      return row === undefined ? ['report'] : []
    },
    perform: async () => {
      performed += 1
      return [report(1)]
    },
  })
  assert.equal(performed, 1)
})

test('a failed effect ends the role at once, also while others wait for what will never come', async () => {
  const stage = await createStage()
  const role: Role<string> = {
    ...idle,
    decide: () => Promise.resolve(['waits', 'fails']),
    perform: (task, signal) =>
      task === 'waits' ? untilAborted(signal) : Promise.reject(new WaybillError('LOG_UNREACHABLE')),
  }
  await assert.rejects(stage.run(role), { code: 'LOG_UNREACHABLE' })
})

test('an append that fails ends the role with its code', async () => {
  const stage = await createStage()
  const append = (): Promise<never> => Promise.reject(new WaybillError('LOG_FULL'))
  const context = { ...stage.context, writer: { writer: 'writer', append } }
  const role: Role<string> = {
    ...idle,
    decide: () => Promise.resolve(['waits', 'appends']),
    perform: (task, signal) => (task === 'waits' ? untilAborted(signal) : Promise.resolve([report(1)])),
  }
  await assert.rejects(stage.clock.run(runRole(role, context), 60_000), { code: 'LOG_FULL' })
})

test('what an aborted effect still returns is appended', async () => {
  const stage = await createStage()
  await stage.run({
    ...idle,
    decide: () => Promise.resolve(['waits']),
    perform: async (_task, signal) => {
      setImmediate(() => stage.stop.abort())
      await untilAborted(signal).catch((reason: unknown) => reason)
      return [report(1)]
    },
  })
  await stage.context.projection.foldedUpTo('rates', 0, 0, new AbortController().signal).catch((error) => error)
  assert.notEqual(await stage.context.projection.rows.get(keyOf.report(0, 'worker-1')), undefined)
})

test('an effect that may be tried again is tried after a while and not before', async () => {
  const stage = await createStage()
  const times: number[] = []
  await stage.run({
    ...idle,
    recover: () => null,
    decide: () => Promise.resolve(['again']),
    perform: async () => {
      times.push(stage.clock.monotonic())
      if (times.length === 3) stage.stop.abort()
      throw new WaybillError('TARGET_BUSY')
    },
  })
  assert.deepEqual(times, [0, 2_000, 4_000])
})
