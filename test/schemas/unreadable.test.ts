import assert from 'node:assert/strict'
import test from 'node:test'
import { reasonOfUnreadable, unreadable } from '#schemas/unreadable'
import { decodeEvent, encodeEvent, WireError } from '#schemas/wire'
import { bareSample } from '#test/support/event-samples'

test('a record that was marked as unreadable is poison for that reason, and still holds what came', () => {
  const record = encodeEvent(bareSample('JobPaused'))
  const marked = unreadable('unknown schema id 7', record)
  assert.equal(reasonOfUnreadable(marked), 'unknown schema id 7')
  assert.throws(() => decodeEvent(marked), new WireError('unknown schema id 7'))
  assert.deepEqual(marked.subarray(-record.length), record)
})

test('a mark that is cut short, or announces more than there is, is no reason', () => {
  const marked = unreadable('a reason', Buffer.alloc(0))
  for (let length = 0; length < marked.length; length += 1) {
    assert.equal(reasonOfUnreadable(marked.subarray(0, length)), null)
    assert.throws(() => decodeEvent(marked.subarray(0, length)), WireError)
  }
  assert.equal(reasonOfUnreadable(encodeEvent(bareSample('JobPaused'))), null)
  assert.equal(reasonOfUnreadable(unreadable('x'.repeat(5000), Buffer.alloc(0)))?.length, 1024)
})
