import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { emptyListing, emptyTally } from '#libs/domain/rows'
import type { RowReader } from '#libs/projection/row-reader'
import { silentLogger } from '#libs/runtime/logger'
import { type CoordinatorOptions, createCoordinator } from '#services/coordinator/coordinator'
import { accepted } from '#test/libs/domain/accepted-job'

const done = {
  ...emptyListing,
  pages: 1,
  pagesPlanned: 1,
  isWalked: true,
  directoriesDone: true,
  comparedPages: 1,
  compared: { ...emptyListing.compared, pages: 1, isDone: true },
}
const rows = new Map<string, unknown>([
  [keyOf.job('job'), { ...accepted, lastPage: 0 }],
  [keyOf.listing('job', 1), done],
  [keyOf.tally('job'), emptyTally],
])

/** A coordinator over rows of a pass that is complete; `onRead` runs at each read of a row. */
function coordinatorOver(onRead: () => void, version: () => number): ReturnType<typeof createCoordinator> {
  const reader = {
    get: (key: string) => {
      onRead()
      return Promise.resolve(rows.get(key))
    },
    getMany: (keys: readonly string[]) => Promise.resolve(keys.map((key) => rows.get(key))),
    slice: () => Promise.resolve([]),
  } as unknown as RowReader
  const options = {
    job: 'job',
    projection: { rows: reader, version },
    items: { rows: reader, log: null, job: 'job' },
    claimants: () => Promise.resolve([{ name: 'worker', partitions: [0] }]),
    logger: silentLogger,
    wish: 'finish',
    wishedPass: 1,
    wishedRound: 0,
    actor: 'test',
  }
  return createCoordinator(options as unknown as CoordinatorOptions)
}

test('a pass is never found complete on rows between which a commit lay', async () => {
  let version = 0
  const torn = coordinatorOver(
    () => {
      version += 1
    },
    () => version,
  )
  assert.deepEqual(await torn.decide(new Set()), [])
  const whole = coordinatorOver(
    () => undefined,
    () => version,
  )
  assert.deepEqual(
    (await whole.decide(new Set())).map(({ kind }) => kind),
    ['completePass'],
  )
})

test('a pass does not end while a task of the coordinator is under way, and none begins while it ends', async () => {
  const coordinator = coordinatorOver(
    () => undefined,
    () => 0,
  )
  assert.deepEqual(await coordinator.decide(new Set(['page'])), [])
  assert.deepEqual(await coordinator.decide(new Set(['completePass'])), [])
})
