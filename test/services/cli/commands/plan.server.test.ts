import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { adminClient, startS3Server, withS3Servers } from '#test/support/s3-server'
import { createJobPlace, objectOf, writeLargeFile, writeSmallTree } from './job-place.ts'

withS3Servers((kind) => {
  suite(`plan on ${kind}`, () => {
    test('names that are no keys are listed, requests counted, and the bucket is as empty as before', async (t) => {
      const server = await startS3Server(kind)
      t.after(() => server.stop())
      await server.createBucket('archive')
      const { accessKeyId, secretAccessKey, region } = server
      const place = createJobPlace({
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_REGION: region,
      })
      t.after(place.remove)
      writeSmallTree(place)
      writeLargeFile(place, 'source/large.bin')
      writeFileSync(Buffer.concat([Buffer.from(`${place.path('source')}/odd-`), Buffer.from([0xff, 0xfe])]), 'odd')
      const words = [
        'plan',
        'source',
        's3://archive/2026',
        '--chunk-size',
        '5MiB',
        '--target-endpoint',
        server.endpoint,
      ]
      const end = await place.run(...words, '--json')
      const told = objectOf(end)
      assert.equal(end.code, 0, end.notices)
      const { count, samples } = told['encoded_names'] as { count: number; samples: readonly string[] }
      assert.equal(count, 1)
      assert.match(samples[0] ?? '', /^odd-%FF%FE -> /)
      const [group] = told['problems'] as { code: string; count: number }[]
      assert.deepEqual([group?.code, group?.count], ['IN_MANIFEST', 3])
      assert.ok(Number(told['target_requests']) > 10)
      const client = await adminClient(server.endpoint, { accessKeyId, secretAccessKey })
      const objects = await client.send(new ListObjectsV2Command({ Bucket: 'archive' }))
      const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket: 'archive' }))
      client.destroy()
      assert.deepEqual([objects.KeyCount ?? 0, uploads.Uploads ?? []], [0, []])
    })
  })
})
