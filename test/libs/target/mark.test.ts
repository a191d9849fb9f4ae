import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSameMark, markText, parseMark } from '#libs/target/mark'

test('a mark is read back as it was written, whatever the job is called', () => {
  for (const job of ['photos', 'a/b/c', 'ümlaut', '1/2/3']) {
    const mark = { job, item: '3.14.159', generation: 7 }
    assert.deepEqual(parseMark(markText(mark)), mark)
    assert.ok(isSameMark(parseMark(markText(mark)), mark))
  }
})

test('what is no mark is none, and no error', () => {
  for (const text of ['', 'x', 'a/b', 'a/b/c', '/1.1.0/1', 'job/1.1.0/-1', 'job/1.1.0/1e3', 'job/1.1.0/9999999999']) {
    assert.equal(parseMark(text), null, text)
  }
  assert.equal(isSameMark(null, { job: 'j', item: '1.1.0', generation: 1 }), false)
})
