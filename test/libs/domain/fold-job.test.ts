import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldEvent } from '#libs/domain/fold'
import { failureReasonOf, statusOf } from '#libs/domain/job-control'
import { keyOf } from '#libs/domain/keys'
import { emptyTally, type Rows } from '#libs/domain/rows'
import type { WaybillEvent } from '#schemas/events'
import type { JobRow } from '#schemas/rows'
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

test('what was said before a pass opened holds in it, and is over with it', () => {
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
    assert.equal(rows.get(keyOf.job('a'))?.control, 'running')
  }
})

const person = { writer: 'api', actor: 'ann', reason: 'not now' }
const pause = (sequence: number, code: string | null = null): object => ({
  type: 'JobPaused',
  ...person,
  sequence,
  code,
})
const resume = (sequence: number): object => ({ type: 'JobResumed', ...person, sequence })
const cancel = (sequence: number): object => ({ type: 'JobCancelled', ...person, sequence })
const passOpened = (pass: number): object => ({
  type: 'PassOpened',
  sequence: 10 * pass,
  pass,
  sourceRoot: '',
  readView: '',
})
const passCompleted = (pass: number, isCancelled = false): object => ({
  type: 'PassCompleted',
  sequence: 10 * pass + 1,
  pass,
  isCancelled,
  codes: [],
})

/** A job in the state after its acceptance and these events. */
function jobAfter(...events: readonly object[]): JobRow {
  const { rows, fold } = world()
  fold({ type: 'JobAccepted', sequence: 2, request: smallRequest, requestPartition: 0, requestPosition: 1 })
  for (const event of events) fold(event)
  const row = rows.get(keyOf.job('a'))
  assert.ok(row !== undefined)
  return row
}

test('a pause that lands as the pass ends, before or after it, leaves the job complete, and a retry asks for a pass', () => {
  const endings = [
    [passOpened(1), pause(1, 'TARGET_FULL'), passCompleted(1)],
    [passOpened(1), passCompleted(1), pause(1, 'TARGET_FULL')],
  ]
  for (const events of endings) {
    const ended = jobAfter(...events)
    assert.equal(statusOf(ended, emptyTally), 'complete')
    assert.equal(failureReasonOf(ended, emptyTally), null)
    assert.equal(ended.control, 'running')
    const retried = jobAfter(...events, resume(2))
    assert.equal(retried.passAsked, 2)
    assert.equal(statusOf(retried, emptyTally), 'running')
    assert.equal(jobAfter(...events, resume(2), passOpened(2)).control, 'running')
  }
})

test('a cancel that lands after the end of the pass changes nothing', () => {
  const ended = jobAfter(passOpened(1), passCompleted(1), cancel(1))
  assert.equal(statusOf(ended, emptyTally), 'complete')
  assert.equal(failureReasonOf(ended, emptyTally), null)
})

test('a pass that was asked for and has not begun can be paused, and says why; cancelled, it is not asked for any more', () => {
  const asked = [passOpened(1), passCompleted(1), resume(1)]
  const paused = jobAfter(...asked, pause(2, 'SOURCE_MISSING'))
  assert.equal(statusOf(paused, emptyTally), 'paused')
  assert.match(failureReasonOf(paused, emptyTally) ?? '', /^SOURCE_MISSING: /)
  for (const events of [asked, [...asked, pause(2, 'SOURCE_MISSING')]]) {
    const cancelled = jobAfter(...events, cancel(3))
    assert.equal(statusOf(cancelled, emptyTally), 'complete')
    assert.equal(cancelled.control, 'running')
    assert.equal(jobAfter(...events, cancel(3), resume(4)).passAsked, 2)
  }
})

test('what is said of the pass after a cancelled one holds for it', () => {
  const asked = [passOpened(1), cancel(1), passCompleted(1, true), resume(2)]
  const paused = jobAfter(...asked, pause(3, 'SOURCE_MISSING'))
  assert.equal(statusOf(paused, emptyTally), 'paused')
  assert.equal(jobAfter(...asked, pause(3, 'SOURCE_MISSING'), resume(4), passOpened(2)).control, 'running')
  const cancelled = jobAfter(...asked, cancel(3))
  assert.equal(cancelled.passAsked, 1)
  assert.equal(statusOf(cancelled, emptyTally), 'failed')
  assert.match(failureReasonOf(cancelled, emptyTally) ?? '', /^cancelled by ann/)
})
