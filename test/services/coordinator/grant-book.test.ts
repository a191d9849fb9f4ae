import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReportRow } from '#schemas/rows'
import { forgottenMs, GrantBook } from '#services/coordinator/grant-book'

const report = (reportSequence: number): ReportRow => ({
  epoch: 1,
  worker: 'p1/job',
  writer: 'p1.1',
  job: 'job',
  source: '@src',
  reportSequence,
  grantSequence: 0,
  readBytesPerSecond: 0,
  hasWork: true,
  reads: 0,
  readMsP50: 0,
  readMsP95: 0,
})

test('the last report of a worker that was forgotten does not bring it back, a new one does', () => {
  const book = new GrantBook()
  book.see(report(1), 0)
  const goneMs = forgottenMs + 1
  assert.deepEqual(book.expire(goneMs), [report(1)])
  // Its row stands until the log has it that the worker is forgotten.
  assert.equal(book.see(report(1), goneMs), false)
  assert.deepEqual(book.of('@src', goneMs), [])
  assert.equal(book.see(report(2), goneMs), true)
  assert.equal(book.of('@src', goneMs).length, 1)
})

test('a worker whose report still stands a minute after it was forgotten is forgotten once more', () => {
  const book = new GrantBook()
  book.see(report(1), 0)
  book.expire(forgottenMs + 1)
  book.expire(2 * forgottenMs + 2)
  book.see(report(1), 2 * forgottenMs + 3)
  assert.deepEqual(book.expire(3 * forgottenMs + 4), [report(1)])
})
