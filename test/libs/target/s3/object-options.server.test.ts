// The user's own options for objects, on real stores and as they travel.
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { GetObjectTaggingCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import type { ObjectOptions } from '#libs/domain/object-options'
import { openS3Target } from '#libs/target/s3/target'
import type { Target, TargetUploads, TargetWriter } from '#libs/target/target'
import { type FaultProxy, startFaultProxy } from '#test/support/s3-fault-proxy'
import { adminClient, startS3Server, withS3Servers } from '#test/support/s3-server'
import { digestOf, dressOf, never, putRequest, s3Settings, testBucket } from '#test/support/s3-target'
import { seededBytes } from '#test/support/seeded-bytes'
import type { S3ServerKind } from '../../../../scripts/server-binaries.ts'

const partBytes = 5 * 1024 * 1024
const plain: ObjectOptions = {
  storageClass: null,
  encryption: null,
  encryptionKey: null,
  metadata: [['team', 'harbour archive']],
  tags: [['class', 'cold + dry']],
}

interface Bench {
  readonly client: S3Client
  readonly proxy: FaultProxy
  readonly target: Target
  readonly writer: TargetWriter
  readonly uploads: TargetUploads
}

async function openBench(t: TestContext, kind: S3ServerKind, objectOptions: ObjectOptions): Promise<Bench> {
  const server = await startS3Server(kind)
  t.after(() => server.stop())
  await server.createBucket(testBucket)
  const proxy = await startFaultProxy(server.endpoint)
  t.after(() => proxy.stop())
  const client = await adminClient(server.endpoint, server)
  t.after(() => client.destroy())
  const target = await openS3Target(s3Settings({ ...server, endpoint: proxy.endpoint }, { objectOptions }))
  const survey = target.survey()
  // The probe writes as the job will; where the store refuses that, nothing is moved.
  const { abilities } = await (await openS3Target(s3Settings(server))).survey().probe(never)
  await survey.close()
  const [writer, uploads] = [target.writer(abilities), target.uploads(abilities)]
  t.after(() => Promise.all([writer.close(), uploads.close()]))
  return { client, proxy, target, writer, uploads }
}

/** An upload of two parts; of a repair the first is copied from the object that is there. */
async function upload({ uploads, writer }: Bench, body: Buffer, copied: string | null): Promise<string> {
  const key = Buffer.from('large')
  const dress = dressOf('1.1.1', copied === null ? 1 : 2)
  const id = await uploads.open({ key, size: body.length, dress, copiesParts: copied !== null }, never)
  const parts = []
  for (const part of [1, 2]) {
    const offset = (part - 1) * partBytes
    const range = body.subarray(offset, offset + partBytes)
    const place = { key, upload: id, part, offset, digest: digestOf(range) }
    const { tag } =
      copied !== null && part === 1
        ? await writer.copyPart({ ...place, length: range.length, seal: copied }, never)
        : await writer.writePart({ ...place, body: range }, never)
    parts.push({ part, tag, digest: place.digest, length: range.length })
  }
  const condition = copied === null ? ({ kind: 'absent' } as const) : ({ kind: 'match', seal: copied } as const)
  const request = { key, upload: id, size: body.length, parts, dress, condition, claim: 'claim' }
  return (await uploads.seal({ ...request, copiesParts: copied !== null }, never)).seal
}

async function carried({ client }: Bench, name: string): Promise<readonly [string | undefined, string]> {
  const place = { Bucket: testBucket, Key: `job/${name}` }
  const { Metadata = {} } = await client.send(new HeadObjectCommand(place))
  assert.ok(Metadata['waybill'] !== undefined, 'our own mark stays')
  const { TagSet = [] } = await client.send(new GetObjectTaggingCommand(place))
  return [Metadata['team'], TagSet.map(({ Key, Value }) => `${Key}=${Value}`).join()]
}

withS3Servers((kind) => {
  describe(`options of objects on ${kind}`, () => {
    test('an object whose file only got another time gets it without a byte, and keeps all that it carried', async (t) => {
      const bench = await openBench(t, kind, plain)
      const first = putRequest('folder/a +%.txt', Buffer.from('the same'))
      const { seal } = await bench.writer.put(first, never)
      const dress = { ...dressOf('1.1.1', 2), mtimeNs: '1600000000500000000' }
      const renewed = await bench.writer.put({ ...first, condition: { kind: 'same', seal }, dress }, never)
      assert.equal(renewed.isSent, false)
      const place = { Bucket: testBucket, Key: `job/${first.key}` }
      const { Metadata = {}, ContentType, ContentLength, ETag } = await bench.client.send(new HeadObjectCommand(place))
      assert.deepEqual(
        [Metadata['mtime'], Metadata['waybill'], ContentType, ContentLength, ETag],
        ['1600000000.5', 'job/1.1.1/2', 'text/plain', 8, renewed.seal],
      )
      assert.deepEqual(await carried(bench, String(first.key)), ['harbour archive', 'class=cold + dry'])
    })

    test('metadata and tags are on small and large objects, and survive a repair', async (t) => {
      const bench = await openBench(t, kind, plain)
      const wanted = ['harbour archive', 'class=cold + dry']
      await bench.writer.put(putRequest('small', Buffer.from('small')), never)
      assert.deepEqual(await carried(bench, 'small'), wanted)
      const body = seededBytes('large', partBytes + 1000)
      const seal = await upload(bench, body, null)
      assert.deepEqual(await carried(bench, 'large'), wanted)
      await upload(bench, body, seal)
      assert.deepEqual(await carried(bench, 'large'), wanted)
      const found = await bench.writer.find(Buffer.from('large'), never)
      assert.equal(found?.mark?.generation, 2)
    })

    test('class and encryption are sent, and signed, with an object and with an upload', async (t) => {
      const encryption = { encryption: 'aws:kms', encryptionKey: 'arn:aws:kms:x:1:key/2' }
      const bench = await openBench(t, kind, { ...plain, storageClass: 'STANDARD_IA', ...encryption })
      bench.proxy.fault = () => ({ kind: 'answer', status: 501, code: 'NotImplemented' })
      await assert.rejects(bench.writer.put(putRequest('small', Buffer.from('small')), never))
      const open = { key: Buffer.from('large'), size: 10, dress: dressOf(), copiesParts: false }
      await assert.rejects(bench.uploads.open(open, never))
      const sent = bench.proxy.requests.filter(({ method }) => method === 'PUT' || method === 'POST')
      assert.deepEqual(
        sent.map(({ method }) => method),
        ['PUT', 'POST'],
      )
      for (const { headers } of sent) {
        const wanted = {
          'x-amz-storage-class': 'STANDARD_IA',
          'x-amz-server-side-encryption': 'aws:kms',
          'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:x:1:key/2',
          'x-amz-tagging': 'class=cold%20%2B%20dry',
          'x-amz-meta-team': 'harbour archive',
        }
        for (const [name, value] of Object.entries(wanted)) {
          assert.equal(headers[name], value)
          assert.match(headers.authorization ?? '', new RegExp(`SignedHeaders=[^,]*\\b${name}\\b`))
        }
      }
    })
  })
})
