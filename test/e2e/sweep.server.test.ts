import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { writeStampedFile } from '../support/mixed-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { withS3Servers } from '../support/s3-server.ts'
import { runObjectOf, runWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024

withS3Servers((kind) => {
  test(`${kind}: a job into a whole bucket leaves the uploads of strangers open and none of its own`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'waybill-sweep-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const [source, home] = [join(folder, 'source'), join(folder, 'home')]
    mkdirSync(source)
    mkdirSync(home)
    writeStampedFile(join(source, 'large'), 'sweep', 11 * MiB)
    const { client, bucket, words, environment, stop } = await startTestBucket(kind, folder)
    t.after(stop)
    const keys = ['other/large', 'large.old', 'large']
    for (const Key of keys) await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
    const migrate = [
      'migrate',
      source,
      `s3://${bucket}`,
      ...words,
      '--job',
      'j',
      '--chunk-size',
      '5MiB',
      '--json',
      '-q',
    ]
    assert.equal(runObjectOf(await runWaybill(migrate, { home, environment })).exit_code, 0)
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    assert.deepEqual(Uploads.map(({ Key }) => Key).sort(), ['large.old', 'other/large'])
  })
})
