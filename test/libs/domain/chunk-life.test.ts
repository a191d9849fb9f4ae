import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chunkTable,
  failuresMax,
  type Life,
  type LifeEvent,
  type Local,
  stepChunk,
  takeoversMax,
} from '#libs/domain/chunk-life'

const life = (local: Local, change: Partial<Life> = {}): Life => ({
  local,
  attempt: 2,
  epoch: 3,
  takeovers: 0,
  failures: 0,
  ...change,
})

/** Every event in the forms that matter: the due one, and those that name another attempt or epoch. */
const events = {
  planned: { kind: 'planned' },
  'leased, next attempt': { kind: 'leased', attempt: 3, epoch: 4 },
  'leased, same attempt': { kind: 'leased', attempt: 2, epoch: 3 },
  'leased, attempt after next': { kind: 'leased', attempt: 4, epoch: 3 },
  'transferred, this lease': { kind: 'transferred', attempt: 2, epoch: 3 },
  'transferred, older attempt': { kind: 'transferred', attempt: 1, epoch: 3 },
  'transferred, older claim': { kind: 'transferred', attempt: 2, epoch: 2 },
  'failed, counted': { kind: 'failedByWorker', attempt: 2, epoch: 3, isCounted: true, isFinal: false },
  'failed, not counted': { kind: 'failedByWorker', attempt: 2, epoch: 3, isCounted: false, isFinal: false },
  'failed, final': { kind: 'failedByWorker', attempt: 2, epoch: 3, isCounted: false, isFinal: true },
  'failed, older attempt': { kind: 'failedByWorker', attempt: 1, epoch: 3, isCounted: true, isFinal: true },
  'failed, older claim': { kind: 'failedByWorker', attempt: 2, epoch: 2, isCounted: true, isFinal: true },
  'refused, this attempt': { kind: 'failedByCoordinator', attempt: 2 },
  'refused, older attempt': { kind: 'failedByCoordinator', attempt: 1 },
  'claimed at a start': { kind: 'claimed', cause: 'start' },
  'claimed at a takeover': { kind: 'claimed', cause: 'takeover' },
} as const satisfies Record<string, LifeEvent>

type EventName = keyof typeof events
const changed: Readonly<Record<Local, Partial<Record<EventName, Partial<Life>>>>> = {
  unknown: { planned: { local: 'planned' } },
  planned: { 'leased, next attempt': { local: 'leased', attempt: 3, epoch: 4 } },
  leased: {
    'transferred, this lease': { local: 'transferred' },
    'failed, counted': { local: 'planned', failures: 1 },
    'failed, not counted': { local: 'planned' },
    'failed, final': { local: 'failed' },
    'claimed at a start': { local: 'planned' },
    'claimed at a takeover': { local: 'planned', takeovers: 1 },
  },
  transferred: { 'refused, this attempt': { local: 'planned', failures: 1 } },
  failed: {},
}

for (const local of Object.keys(chunkTable) as Local[]) {
  for (const name of Object.keys(events) as EventName[]) {
    const change = changed[local][name]
    const promise =
      change === undefined ? 'changes nothing and gives the same object' : `becomes ${JSON.stringify(change)}`
    test(`${local} x ${name} ${promise}`, () => {
      const before = life(local)
      const after = stepChunk(before, events[name])
      if (change === undefined) assert.equal(after, before)
      else assert.deepEqual(after, { ...before, ...change })
    })
  }
}

test('the fifth counted failure is the last, whoever counts it', () => {
  const failures = failuresMax - 1
  assert.equal(stepChunk(life('leased', { failures }), events['failed, counted']).local, 'failed')
  assert.equal(stepChunk(life('leased', { failures }), events['failed, not counted']).local, 'planned')
  assert.equal(stepChunk(life('transferred', { failures }), events['refused, this attempt']).local, 'failed')
})

test('the twentieth takeover is the last, and starts of an embedded run add none', () => {
  const takeovers = takeoversMax - 1
  assert.equal(stepChunk(life('leased', { takeovers }), events['claimed at a takeover']).local, 'failed')
  assert.equal(stepChunk(life('leased', { takeovers }), events['claimed at a start']).local, 'planned')
})
