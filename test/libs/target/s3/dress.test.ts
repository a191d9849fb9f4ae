import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { contentType, markOfMetadata, metadataOf, secondsOfNs } from '#libs/target/s3/dress'
import type { ObjectDress } from '#libs/target/target'

function dress(change: Partial<ObjectDress> = {}): ObjectDress {
  const mark = { job: 'job', item: '1.1.0', generation: 1 }
  return { mark, attributes: { mode: 0o100640, uid: 1000, gid: 100 }, mtimeNs: '1354040105123456789', ...change }
}

test('time, mode and owner are written as rclone writes them', () => {
  assert.deepEqual(metadataOf(dress(), 'file'), {
    gid: '100',
    mode: '100640',
    mtime: '1354040105.123456789',
    uid: '1000',
    waybill: 'job/1.1.0/1',
  })
  assert.equal(metadataOf(dress({ attributes: { mode: 0o777, uid: 0, gid: 0 } }), 'symlink')['mode'], '120777')
  assert.equal(metadataOf(dress(), 'directory')['waybill-kind'], 'directory')
})

test('times before 1970 and with short fractions keep their value', () => {
  assert.deepEqual(['0', '1', '1500000000', '-1500000000', '-1'].map(secondsOfNs), [
    '0',
    '0.000000001',
    '1.5',
    '-1.5',
    '-0.000000001',
  ])
})

test('a mark comes back from metadata, whatever the name of its job', () => {
  const property = fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), (job) => {
    const mark = { job: job.toWellFormed(), item: '2.10.7', generation: 3 }
    const value = metadataOf(dress({ mark }), 'file')['waybill'] ?? ''
    assert.match(value, /^[!-~]+$/)
    assert.deepEqual(markOfMetadata(value), mark)
  })
  fc.assert(property, { seed: Number(process.env['SEED'] ?? 20_261_124) })
})

test("a stranger's metadata of the same name is no mark", () => {
  assert.deepEqual(['', 'x', 'a/b', 'a/b/c'].map(markOfMetadata), [null, null, null, null])
})

test('the content type follows the name', () => {
  assert.equal(contentType(Buffer.from('a/b.html'), 'file'), 'text/html')
  assert.equal(contentType(Buffer.from('a/b'), 'file'), 'application/octet-stream')
  assert.equal(contentType(Buffer.from('a.html/'), 'directory'), 'application/x-directory')
})
