import assert from 'node:assert/strict'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeStampedFile } from '../support/mixed-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { withS3Servers } from '../support/s3-server.ts'
import { runObjectOf, runWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024
const partBytes = 5 * MiB

withS3Servers((kind) => {
  // Only a server that keeps objects as plain files lets a test change bytes at rest.
  if (kind !== 'versitygw') return
  test(`${kind}: bytes that rot at rest are found by verify; migrate sends one part and copies the others`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'waybill-rot-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const [source, home] = [join(folder, 'source'), join(folder, 'home')]
    mkdirSync(source)
    mkdirSync(home)
    writeStampedFile(join(source, 'large'), 'rot', 4 * partBytes)
    const bucket = await startTestBucket(kind, folder)
    t.after(bucket.stop)
    const place = { home, environment: bucket.environment }
    const migrate = ['migrate', source, bucket.location, ...bucket.words, '--job', 'j', '--chunk-size', '5MiB']
    assert.equal(runObjectOf(await runWaybill([...migrate, '--json', '-q'], place)).exit_code, 0)
    const stored = join(bucket.server.objectsFolder ?? '', bucket.bucket, bucket.prefix, 'large')
    const fd = openSync(stored, 'r+')
    writeSync(fd, Buffer.from('rot!'), 0, 4, 2 * partBytes + 12_345)
    closeSync(fd)
    const end = await runWaybill(['verify', 'j', ...bucket.words, '--json', '--progress', 'none'], place)
    assert.equal(end.code, 5)
    assert.match(end.notices, /large\n +bytes 10,485,760 to 15,728,639/)
    bucket.proxy.reset()
    assert.equal(runObjectOf(await runWaybill([...migrate, '--json', '-q'], place)).exit_code, 0)
    const { part, copy } = bucket.proxy.traffic
    assert.deepEqual([part.requests, part.bodyBytesIn, copy.requests], [1, partBytes, 3])
    assert.equal(bucket.proxy.uploadedBytes(), partBytes)
    assert.ok(readFileSync(stored).equals(readFileSync(join(source, 'large'))))
    assert.equal(await bucket.openUploads(), 0)
  })
})
