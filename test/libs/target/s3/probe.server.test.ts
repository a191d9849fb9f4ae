// The probe tells what a store can do, what it lacks is made up for, and nothing is left behind.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ListMultipartUploadsCommand, ListObjectVersionsCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import { probeFolder } from '#libs/target/s3/keys'
import { openS3Target } from '#libs/target/s3/target'
import type { Target } from '#libs/target/target'
import type { TargetAbilities } from '#schemas/records'
import { type FaultProxy, type PassingRequest, startFaultProxy } from '#test/support/s3-fault-proxy'
import { adminClient, type S3Server, startS3Server, withS3Servers } from '#test/support/s3-server'
import { digestOf, dressOf, never, putRequest, readAll, s3Settings, testBucket } from '#test/support/s3-target'

const body = Buffer.from('0123456789')
const refusal = { kind: 'answer', status: 501, code: 'NotImplemented' } as const

async function probed(target: Target): Promise<{ abilities: TargetAbilities; findings: readonly string[] }> {
  const survey = target.survey()
  return survey.probe(never).finally(() => survey.close())
}

async function leftIn(server: S3Server, bucket: string): Promise<readonly string[]> {
  const admin = await adminClient(server.endpoint, server)
  const { Versions = [], DeleteMarkers = [] } = await admin.send(new ListObjectVersionsCommand({ Bucket: bucket }))
  const { Uploads = [] } = await admin.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  admin.destroy()
  return [...Versions, ...DeleteMarkers, ...Uploads].map(({ Key }) => Key ?? '')
}

interface Bench {
  readonly server: S3Server
  readonly proxy: FaultProxy
  readonly bucket: string
  readonly target: Target
}
type BenchTest = (promise: string, run: (bench: Bench) => Promise<void>) => void

/** The proxy speaks for a store that lacks something. */
function lacks(proxy: FaultProxy, isMeant: (request: PassingRequest) => boolean): void {
  proxy.fault = (request) => (isMeant(request) ? refusal : null)
}

function wholeStores(benchTest: BenchTest): void {
  benchTest('a store that can do everything gives no finding, for some forty requests', async (bench) => {
    const { abilities, findings } = await probed(bench.target)
    assert.deepEqual(findings, [])
    assert.ok(Math.abs(abilities.clockOffsetMs) <= 1500)
    const { isEmpty, createsOnlyIfAbsent, replacesOnlyIfMatch, checksUploads, copiesParts, keepsMarks } = abilities
    assert.ok(isEmpty && createsOnlyIfAbsent && replacesOnlyIfMatch && checksUploads && copiesParts && keepsMarks)
    assert.ok(bench.proxy.requests.length <= 50, `${bench.proxy.requests.length} requests`)
    assert.deepEqual(await leftIn(bench.server, bench.bucket), [])
  })

  benchTest('what a killed probe left is hidden from listings and cleared', async ({ target, server, bucket }) => {
    const { abilities } = await probed(target)
    const [writer, survey, uploads] = [target.writer(abilities), target.survey(), target.uploads(abilities)]
    await writer.put(putRequest(`${probeFolder}1/a`, body), never)
    await writer.put(putRequest('kept', body), never)
    const upload = { size: body.length, dress: dressOf(), copiesParts: false }
    await uploads.open({ key: Buffer.from(`${probeFolder}1/a`), ...upload }, never)
    const kept = await uploads.open({ key: Buffer.from('kept'), ...upload }, never)
    const { objects } = await survey.list(null, 10, never)
    assert.deepEqual(
      objects.map(({ key }) => key.toString()),
      ['kept'],
    )
    await survey.clear(never)
    assert.deepEqual(new Set(await leftIn(server, bucket)), new Set(['job/kept']))
    // An upload of the job itself is not the probe's to abort.
    await uploads.abort(Buffer.from('kept'), kept, never)
    await Promise.all([writer.close(), survey.close(), uploads.close()])
  })
}

function poorStores(benchTest: BenchTest): void {
  benchTest('without conditions a finding says so, and the writer looks first', async ({ target, proxy }) => {
    lacks(proxy, ({ headers }) => headers['if-none-match'] !== undefined || headers['if-match'] !== undefined)
    const { abilities, findings } = await probed(target)
    assert.deepEqual([abilities.createsOnlyIfAbsent, abilities.replacesOnlyIfMatch], [false, false])
    assert.ok(findings.includes('TARGET_UNCONDITIONAL'))
    const writer = target.writer(abilities)
    const { seal } = await writer.put(putRequest('a', body), never)
    await assert.rejects(writer.put(putRequest('a', body), never), { code: 'TARGET_EXISTS' })
    const other = { condition: { kind: 'match', seal: '"0"' } } as const
    await assert.rejects(writer.put(putRequest('a', body, other), never), { code: 'TARGET_EXISTS' })
    await writer.put(putRequest('a', body, { condition: { kind: 'match', seal } }), never)
    await writer.close()
  })

  benchTest('without checksums objects and uploads are written all the same', async ({ target, proxy }) => {
    lacks(proxy, ({ headers }) => Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-')))
    const { abilities } = await probed(target)
    assert.equal(abilities.checksUploads, false)
    const [writer, uploads, reader] = [target.writer(abilities), target.uploads(abilities), target.reader(abilities)]
    await writer.put(putRequest('small', body), never)
    const [key, digest, dress] = [Buffer.from('large'), digestOf(body), dressOf()]
    const upload = await uploads.open({ key, size: body.length, dress, copiesParts: false }, never)
    const { tag } = await writer.writePart({ key, upload, part: 1, offset: 0, body, digest }, never)
    const parts = [{ part: 1, tag, digest, length: body.length }]
    const request = { key, upload, size: body.length, parts, copiesParts: false, dress, claim: 'c' }
    const { seal } = await uploads.seal({ ...request, condition: { kind: 'absent' } }, never)
    assert.ok((await readAll(reader, { name: 'large', seal, length: body.length })).equals(body))
    await Promise.all([writer.close(), uploads.close(), reader.close()])
  })

  benchTest(
    'without part copies a finding says so, and no upload is left',
    async ({ target, proxy, server, bucket }) => {
      lacks(proxy, ({ headers }) => headers['x-amz-copy-source'] !== undefined)
      const { abilities, findings } = await probed(target)
      assert.equal(abilities.copiesParts, false)
      assert.deepEqual(findings, ['TARGET_NO_PART_COPY'])
      assert.deepEqual(await leftIn(server, bucket), [])
    },
  )

  benchTest('without ranges a range is cut out of the whole', async ({ target }) => {
    const { abilities } = await probed(target)
    const [writer, reader] = [target.writer(abilities), target.reader({ ...abilities, readsRanges: false })]
    const { seal } = await writer.put(putRequest('whole', body), never)
    assert.equal((await readAll(reader, { name: 'whole', seal, offset: 3, length: 4 })).toString(), '3456')
    await Promise.all([writer.close(), reader.close()])
  })
}

withS3Servers((kind) => {
  describe(`s3 probe on ${kind}`, () => {
    let running: Promise<S3Server> | null = null
    let buckets = 0
    const openServer = (): Promise<S3Server> => {
      running ??= startS3Server(kind)
      return running
    }
    const benchTest: BenchTest = (promise, run) => {
      test(promise, async () => {
        const server = await openServer()
        buckets += 1
        const bucket = `${testBucket}-${buckets}`
        await server.createBucket(bucket)
        const proxy = await startFaultProxy(server.endpoint)
        try {
          const settings = s3Settings({ ...server, endpoint: proxy.endpoint }, { bucket })
          await run({ server, proxy, bucket, target: await openS3Target(settings) })
        } finally {
          await proxy.stop()
        }
      })
    }
    wholeStores(benchTest)
    poorStores(benchTest)
    if (kind === 'minio') {
      benchTest('in a versioned bucket no version and no delete marker is left', async ({ server, bucket, target }) => {
        const admin = await adminClient(server.endpoint, server)
        const versioning = { VersioningConfiguration: { Status: 'Enabled' } } as const
        await admin.send(new PutBucketVersioningCommand({ Bucket: bucket, ...versioning }))
        admin.destroy()
        assert.deepEqual((await probed(target)).findings, [])
        assert.deepEqual(await leftIn(server, bucket), [])
      })
    }
    test('the server is stopped', async () => (await running)?.stop())
  })
})
