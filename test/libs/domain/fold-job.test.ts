import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldEvent } from '#libs/domain/fold'
import { keyOf } from '#libs/domain/keys'
import type { Rows } from '#libs/domain/rows'
import type { WaybillEvent } from '#schemas/events'
import { smallRequest } from '../../support/memory-migration.ts'

function world(): { rows: Rows; fold(event: object, position?: number): string } {
  const held = new Map<string, unknown>()
  const rows: Rows = {
    get: (key) => held.get(key) as never,
    set: (key, row) => {
      if (row === null) held.delete(key)
      else held.set(key, row)
    },
  }
  const envelope = { job: 'a', at: 0, writer: 'coordinator', software: 'test', claim: 'c1', epoch: 1 }
  const fold = (event: object, position = 0): string =>
    foldEvent(rows, { ...envelope, ...event } as WaybillEvent, 'jobs', { partition: 0, position }).kind
  fold({ type: 'PartitionClaimed', sequence: 1, cause: 'start' })
  return { rows, fold }
}

const decided = { type: 'RateDecided', source: 's', reason: '', action: 'hold', capBytesPerSecond: null, signals: [] }

test('an earlier decision on a rate that comes again changes nothing', () => {
  const { rows, fold } = world()
  const rate = (bytesPerSecond: number, sequence: number): object => ({
    ...decided,
    allowedBytesPerSecond: null,
    bytesPerSecond,
    sequence,
  })
  assert.equal(fold(rate(100, 2)), 'folded')
  assert.equal(fold(rate(50, 3)), 'folded')
  assert.equal(fold(rate(100, 2)), 'known')
  assert.equal(rows.get(keyOf.rate('s'))?.bytesPerSecond, 50)
})

test('a refused request is told until one of its name is accepted; a further request for a known job is not', () => {
  const { rows, fold } = world()
  const answer = { requestPartition: 0, requestPosition: 1 }
  fold({ type: 'JobRejected', sequence: 2, code: 'LOCATION_REFUSED', ...answer })
  assert.equal(rows.get(keyOf.rejected('a'))?.code, 'LOCATION_REFUSED')
  fold({ type: 'JobAccepted', sequence: 3, request: smallRequest, ...answer })
  assert.equal(rows.get(keyOf.rejected('a')), undefined)
  fold({ type: 'JobRejected', sequence: 4, code: 'duplicate', ...answer })
  assert.equal(rows.get(keyOf.rejected('a')), undefined)
})

test('what was said before a pass opened holds in it; a pass that was cancelled is over for the next', () => {
  for (const [type, control] of [
    ['JobPaused', 'paused'],
    ['JobCancelled', 'cancelled'],
  ] as const) {
    const { rows, fold } = world()
    const request = { requestPartition: 0, requestPosition: 1 }
    const open = (pass: number): string =>
      fold({ type: 'PassOpened', sequence: 9 + pass, pass, sourceRoot: '', readView: '' })
    fold({ type: 'JobAccepted', sequence: 2, request: smallRequest, ...request })
    fold({ type, sequence: 1, writer: 'api', actor: 'ann', reason: 'not now', code: null })
    assert.equal(open(1), 'folded')
    assert.equal(rows.get(keyOf.job('a'))?.pass, 1)
    assert.equal(rows.get(keyOf.job('a'))?.control, control)
    assert.equal(rows.get(keyOf.job('a'))?.controlReason, 'not now')
    fold({ type: 'PassCompleted', sequence: 20, pass: 1, isCancelled: control === 'cancelled', codes: [] })
    open(2)
    assert.equal(rows.get(keyOf.job('a'))?.pass, 2)
    assert.equal(rows.get(keyOf.job('a'))?.control, control === 'cancelled' ? 'running' : 'paused')
  }
})
