import assert from 'node:assert/strict'
import test from 'node:test'
import { readHeaders } from '#libs/target/s3/answer-headers'

const raw = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'))

test('a lean answer has the headers that are read, whatever the case of their names, and no others', () => {
  const given = raw(
    'ETag',
    '"1"',
    'Date',
    'now',
    'X-Amz-Request-Id',
    'r',
    'x-amz-meta-waybill-kind',
    'symlink',
    'Via',
    'v',
  )
  assert.deepEqual(readHeaders(given, 'lean'), { etag: '"1"', date: 'now', 'x-amz-meta-waybill-kind': 'symlink' })
})

test('names of the same length as one that is read are told apart', () => {
  assert.deepEqual(readHeaders(raw('vary', 'a', 'etaf', 'b', 'accept-ranges', 'c', 'connection', 'd'), 'lean'), {})
})

test('all headers are text under lower-case names, and a repeated one has all its values', () => {
  const given = raw('Via', 'a', 'VIA', 'b', 'via', 'c', 'X-É', 'é')
  assert.deepEqual({ ...readHeaders(given, 'all') }, { via: ['a', 'b', 'c'], 'x-é': 'é' })
  assert.deepEqual(readHeaders(raw('etag', '1', 'Etag', '2'), 'lean'), { etag: ['1', '2'] })
})

test('a header named like a property of every object is a header like any other', () => {
  const headers = readHeaders(raw('__proto__', 'x', 'constructor', 'y'), 'all')
  assert.equal(headers['constructor'], 'y')
  assert.equal(Object.getPrototypeOf(headers), null)
})
