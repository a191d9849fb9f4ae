import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { silentLogger } from '#libs/runtime/logger'
import { type CoordinatorOptions, createCoordinator } from '#services/coordinator/coordinator'
import { accepted } from '#test/libs/domain/accepted-job'

function coordinatorOf(control: 'running' | 'cancelled'): ReturnType<typeof createCoordinator> {
  const row = { ...accepted, control, pass: 0, passesCompleted: 0 }
  const rows = {
    get: (key: string) => Promise.resolve(key === keyOf.job('job') ? row : undefined),
    getMany: (keys: readonly string[]) => Promise.resolve(keys.map(() => undefined)),
    slice: () => Promise.resolve([]),
  }
  const claim = { topic: 'jobs', partition: 0, claim: 'c', epoch: 1 }
  const options = {
    job: 'job',
    projection: { rows, version: () => 0 },
    items: { rows, log: null, job: 'job' },
    claimants: () => Promise.resolve([]),
    source: { describe: () => Promise.reject(new WaybillError('SOURCE_MISSING')) },
    jobs: claim,
    listings: { ...claim, topic: 'listings' },
    logger: silentLogger,
    wish: 'finish',
    wishedPass: 0,
    wishedRound: 0,
    actor: 'test',
  }
  return createCoordinator(options as unknown as CoordinatorOptions)
}

const never = new AbortController().signal

test('a job cancelled before its first pass comes to its end although its source is missing', async () => {
  const coordinator = coordinatorOf('cancelled')
  const [task] = await coordinator.decide(new Set())
  assert.equal(task?.kind, 'openPass')
  const [draft] = await coordinator.perform(task as NonNullable<typeof task>, never)
  assert.equal(draft?.event.type, 'PassOpened')
})

test('a job that is not cancelled does not begin without its source', async () => {
  const coordinator = coordinatorOf('running')
  const [task] = await coordinator.decide(new Set())
  await assert.rejects(coordinator.perform(task as NonNullable<typeof task>, never), { code: 'SOURCE_MISSING' })
})
