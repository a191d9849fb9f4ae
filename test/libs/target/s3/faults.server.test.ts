// What can go wrong between us and a real store, and what comes of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codeOf, type ErrorCode, WaybillError } from '#libs/domain/errors'
import { systemClock } from '#libs/runtime/system-clock'
import { Pace } from '#libs/target/pace'
import { defaultRetryRules, retryingTarget } from '#libs/target/retrying'
import type { S3Settings } from '#libs/target/s3/settings'
import { openS3Target } from '#libs/target/s3/target'
import type { SealRequest, Target, TargetReader, TargetUploads, TargetWriter } from '#libs/target/target'
import type { TargetAbilities } from '#schemas/records'
import {
  errorBody,
  type FaultProxy,
  type PassingRequest,
  type ProxyFault,
  startFaultProxy,
} from '#test/support/s3-fault-proxy'
import { freePort, type S3Server, startS3Server, withS3Servers } from '#test/support/s3-server'
import { digestOf, dressOf, never, putRequest, readAll, s3Settings, testBucket } from '#test/support/s3-target'

interface Bench {
  readonly server: S3Server
  readonly proxy: FaultProxy
  readonly target: Target
  readonly abilities: TargetAbilities
  readonly writer: TargetWriter
  readonly uploads: TargetUploads
  readonly reader: TargetReader
}

const body = Buffer.from('0123456789'.repeat(1000))
const isPut = ({ method, url }: PassingRequest): boolean => method === 'PUT' && !url.includes('uploadId=')
const isComplete = ({ method, url }: PassingRequest): boolean => method === 'POST' && url.includes('uploadId=')
const isGet = ({ method, url }: PassingRequest): boolean => method === 'GET' && !url.includes('?')

/** The first request of this kind meets the fault, all others pass. */
function once(isMeant: (request: PassingRequest) => boolean, fault: ProxyFault): FaultProxy['fault'] {
  let isDue = true
  return (request) => {
    if (!isDue || !isMeant(request)) return null
    isDue = false
    return fault
  }
}

async function openUpload({ uploads, writer }: Bench, name: string, generation = 1): Promise<SealRequest> {
  const key = Buffer.from(name)
  const dress = dressOf('1.1.0', generation)
  const upload = await uploads.open({ key, size: body.length, dress, copiesParts: false }, never)
  const part = { part: 1, digest: digestOf(body) }
  const { tag } = await writer.writePart({ key, upload, offset: 0, body, ...part }, never)
  const parts = [{ ...part, tag, length: body.length }]
  return { key, upload, size: body.length, parts, copiesParts: false, dress, condition: { kind: 'absent' }, claim: 'c' }
}

function factsOf(error: unknown): WaybillError['facts'] {
  assert.ok(error instanceof WaybillError, String(error))
  return error.facts
}

/** What is not ours is a mistake, of the adapter or of the test, and is thrown on. */
async function codeThrown(promise: Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await promise
    return null
  } catch (error) {
    if (error instanceof WaybillError) return error.code
    throw error
  }
}

type BenchTest = (promise: string, run: (bench: Bench) => Promise<void>) => void

function lostAnswers(benchTest: BenchTest): void {
  benchTest('a put whose answer was lost is there with our mark', async ({ proxy, writer }) => {
    proxy.fault = once(isPut, { kind: 'lost' })
    assert.equal(await codeThrown(writer.put(putRequest('lost', body), never)), 'TARGET_EXISTS')
    assert.deepEqual((await writer.find(Buffer.from('lost'), never))?.mark, dressOf().mark)
  })

  benchTest('a completion whose answer was lost is adopted', async (bench) => {
    const request = await openUpload(bench, 'lost seal')
    bench.proxy.fault = once(isComplete, { kind: 'lost' })
    const { seal, isAdopted } = await bench.uploads.seal(request, never)
    assert.equal(isAdopted, true)
    assert.ok((await readAll(bench.reader, { name: 'lost seal', seal, length: body.length })).equals(body))
  })

  benchTest('a completion answered 200 with an error body is a failure, or adopted if it was none', async (bench) => {
    const error = errorBody('InternalError')
    const [failed, acted] = [await openUpload(bench, 'failed'), await openUpload(bench, 'acted')]
    bench.proxy.fault = once(isComplete, { kind: 'answer', status: 200, code: 'InternalError' })
    assert.equal(await codeThrown(bench.uploads.seal(failed, never)), 'TARGET_BUSY')
    assert.equal(await bench.uploads.find(failed.key, never), null)
    bench.proxy.fault = once(isComplete, { kind: 'replaced', status: 200, body: error })
    assert.equal((await bench.uploads.seal(acted, never)).isAdopted, true)
  })

  benchTest("another generation's object is not adopted", async (bench) => {
    await bench.uploads.seal(await openUpload(bench, 'theirs'), never)
    const request = await openUpload(bench, 'theirs', 2)
    assert.equal(await codeThrown(bench.uploads.seal(request, never)), 'TARGET_EXISTS')
  })
}

function uploadFaults(benchTest: BenchTest): void {
  benchTest('an upload that was aborted from outside is lost, for parts and for the seal', async (bench) => {
    const request = await openUpload(bench, 'expired')
    await bench.uploads.abort(request.key, request.upload, never)
    const { key, upload } = request
    const part = { key, upload, part: 2, offset: 0, body, digest: digestOf(body) }
    assert.equal(await codeThrown(bench.writer.writePart(part, never)), 'UPLOAD_LOST')
    assert.equal(await codeThrown(bench.uploads.seal(request, never)), 'UPLOAD_LOST')
  })

  benchTest('a completion that is confirmed for an upload that is gone is no seal', async (bench) => {
    const { seal } = await bench.uploads.seal(await openUpload(bench, 'confirmed'), never)
    const request = await openUpload(bench, 'confirmed', 2)
    await bench.uploads.abort(request.key, request.upload, never)
    const late = bench.uploads.seal({ ...request, condition: { kind: 'match', seal } }, never)
    assert.equal(await codeThrown(late), 'UPLOAD_LOST')
  })

  benchTest('a conflict of two completions asks for a new upload', async (bench) => {
    const request = await openUpload(bench, 'conflict')
    bench.proxy.fault = once(isComplete, { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' })
    assert.equal(await codeThrown(bench.uploads.seal(request, never)), 'UPLOAD_LOST')
  })

  benchTest(
    'a part whose tag is wrong and whose stored checksum is ours is taken with the listed tag',
    async (bench) => {
      const request = await openUpload(bench, 'tags')
      const parts = request.parts.map((part) => ({ ...part, tag: '"11111111111111111111111111111111"' }))
      const { seal } = await bench.uploads.seal({ ...request, parts }, never)
      assert.ok((await readAll(bench.reader, { name: 'tags', seal, length: body.length })).equals(body))
    },
  )

  benchTest('a part that reached the store with other bytes is named when the object is sealed', async (bench) => {
    const request = await openUpload(bench, 'other bytes')
    const parts = request.parts.map((part) => ({ ...part, digest: digestOf(Buffer.from('other')) }))
    const error = await bench.uploads.seal({ ...request, parts }, never).catch((reason: unknown) => reason)
    assert.equal(codeOf(error), 'PART_REFUSED')
    assert.deepEqual(factsOf(error)['parts'], [1])
  })

  benchTest('a part that is refused before its body was read is known to be lost', async (bench) => {
    const request = await openUpload(bench, 'early')
    await bench.uploads.abort(request.key, request.upload, never)
    const large = Buffer.alloc(6 * 1024 * 1024, 1)
    const { key, upload } = request
    const part = { key, upload, part: 1, offset: 0, body: large, digest: digestOf(large) }
    assert.equal(await codeThrown(bench.writer.writePart(part, never)), 'UPLOAD_LOST')
  })
}

function readFaults(benchTest: BenchTest): void {
  const place = { name: 'read', seal: null, length: body.length }
  const withObject = async ({ writer }: Bench): Promise<{ seal: string }> => writer.put(putRequest('read', body), never)

  benchTest('answers that end early are short reads, also when the length was made to fit', async (bench) => {
    await withObject(bench)
    bench.proxy.fault = once(isGet, { kind: 'cut', bytes: 100 })
    assert.equal(await codeThrown(readAll(bench.reader, place)), 'TARGET_SHORT_READ')
    bench.proxy.fault = once(isGet, { kind: 'shortened', bytes: 100 })
    assert.equal(await codeThrown(readAll(bench.reader, place)), 'TARGET_SHORT_READ')
  })

  benchTest('a retried read goes on where it was cut, and asks for no byte twice', async (bench) => {
    const { seal } = await withObject(bench)
    const settings = { rules: defaultRetryRules, pace: new Pace(systemClock), clock: systemClock, random: () => 0 }
    const retrying = retryingTarget(bench.target, { ...settings, onRetry: () => undefined }).reader(bench.abilities)
    bench.proxy.fault = once(isGet, { kind: 'cut', bytes: 4000 })
    assert.ok((await readAll(retrying, { ...place, seal })).equals(body))
    const ranges = bench.proxy.requests.filter(isGet).map(({ headers }) => headers.range)
    assert.deepEqual(ranges.slice(-2), [`bytes=0-${body.length - 1}`, `bytes=4000-${body.length - 1}`])
    await retrying.close()
  })

  benchTest('a flip on the way is seen by the digest only, and a fresh connection tells the truth', async (bench) => {
    const { seal } = await withObject(bench)
    await readAll(bench.reader, { ...place, seal })
    bench.proxy.fault = once(isGet, { kind: 'flipped', offset: 77 })
    const flipped = await readAll(bench.reader, { ...place, seal })
    assert.notDeepEqual(digestOf(flipped), digestOf(body))
    const before = bench.proxy.connections()
    assert.ok((await readAll(bench.reader, { ...place, seal }, true)).equals(body))
    assert.equal(bench.proxy.connections(), before + 1)
  })

  benchTest('a slow answer arrives whole', async (bench) => {
    const { seal } = await withObject(bench)
    bench.proxy.fault = once(isGet, { kind: 'drip', pieces: 20, pauseMs: 5 })
    assert.ok((await readAll(bench.reader, { ...place, seal })).equals(body))
  })

  benchTest('a wrong tag in an answer proves nothing and is found out', async (bench) => {
    bench.proxy.fault = once(isPut, { kind: 'tagged', tag: '"22222222222222222222222222222222"' })
    const { seal } = await withObject(bench)
    assert.equal(await codeThrown(readAll(bench.reader, { ...place, seal })), 'TARGET_REPLACED')
  })

  benchTest('a store that ignores conditions and gives another version is found out', async (bench) => {
    const { seal } = await withObject(bench)
    bench.proxy.fault = once(isGet, { kind: 'tagged', tag: '"33333333333333333333333333333333"' })
    assert.equal(await codeThrown(readAll(bench.reader, { ...place, seal })), 'TARGET_REPLACED')
  })
}

function refusals(benchTest: BenchTest): void {
  benchTest('a busy store is asked again, more slowly, and every object arrives', async (bench) => {
    let count = 0
    bench.proxy.fault = (request) => {
      count += 1
      return isPut(request) && count % 3 === 0 ? { kind: 'answer', status: 503, code: 'SlowDown' } : null
    }
    const codes: ErrorCode[] = []
    const rules = { ...defaultRetryRules, delayMsFirst: 5 }
    const settings = { rules, pace: new Pace(systemClock), clock: systemClock, random: Math.random }
    const onRetry = ({ code }: { code: ErrorCode }): void => void codes.push(code)
    const writer = retryingTarget(bench.target, { ...settings, onRetry }).writer(bench.abilities)
    const names = Array.from({ length: 60 }, (_, index) => `busy/${index}`)
    await Promise.all(names.map((name) => writer.put(putRequest(name, body), never)))
    for (const name of names) assert.equal((await bench.writer.find(Buffer.from(name), never))?.size, body.length)
    const amplification = bench.proxy.requests.filter(({ url }) => url.includes('busy/')).filter(isPut).length / 60
    assert.ok(amplification <= 1.7 && codes.length > 0, `${amplification}`)
    assert.deepEqual([...new Set(codes)], ['TARGET_BUSY'])
    await writer.close()
  })

  benchTest('a bucket elsewhere is named with its region and not followed', async (bench) => {
    const headers = { location: 'http://127.0.0.1:1/', 'x-amz-bucket-region': 'eu-south-2' }
    bench.proxy.fault = () => ({ kind: 'answer', status: 301, code: 'PermanentRedirect', headers })
    const calls = [() => bench.writer.put(putRequest('moved', body), never), () => bench.target.survey().probe(never)]
    for (const call of calls) {
      const error = await call().catch((reason: unknown) => reason)
      assert.deepEqual([codeOf(error), factsOf(error)['region']], ['TARGET_WRONG_REGION', 'eu-south-2'])
    }
  })

  benchTest('expired credentials are said to be so, and asked for again', async ({ proxy, server, abilities }) => {
    let asked = 0
    const { accessKeyId, secretAccessKey } = server
    const provide = async () => {
      asked += 1
      return { accessKeyId, secretAccessKey, expiration: new Date(Date.now() + 3_600_000) }
    }
    const target = await openS3Target(
      s3Settings({ ...server, ...proxy }, { credentials: { kind: 'provider', provide } }),
    )
    const writer = target.writer(abilities)
    proxy.fault = once(isPut, { kind: 'answer', status: 400, code: 'ExpiredToken' })
    assert.equal(await codeThrown(writer.put(putRequest('token', body), never)), 'CREDENTIALS_EXPIRED')
    const before = asked
    await writer.put(putRequest('token', body), never)
    await writer.put(putRequest('token 2', body), never)
    assert.equal(asked, before + 1)
    await writer.close()
  })

  benchTest('a clock that is wrong is corrected by the store’s own', async ({ server, abilities }) => {
    const clock = { ...systemClock, now: () => systemClock.now() - 3_600_000 }
    const target = await openS3Target(s3Settings(server, { clock }))
    const writer = target.writer(abilities)
    assert.equal(await codeThrown(writer.put(putRequest('late', body), never)), 'TARGET_BUSY')
    assert.equal(await codeThrown(writer.put(putRequest('late', body), never)), null)
    await writer.close()
  })

  benchTest('a store that is silent is given up', async ({ server, proxy, abilities }) => {
    const deadlines = { stallMs: 300, answerMs: 600, longAnswerMs: 600, connectMs: 1000 }
    const target = await openS3Target(s3Settings({ ...server, ...proxy }, { deadlines }))
    const [writer, reader] = [target.writer(abilities), target.reader(abilities)]
    proxy.fault = () => ({ kind: 'silent' })
    assert.equal(await codeThrown(writer.put(putRequest('silent', body), never)), 'TARGET_TIMEOUT')
    proxy.fault = () => null
    assert.equal((await writer.find(Buffer.from('silent'), never))?.size, body.length, 'the store had acted')
    await Promise.all([writer.close(), reader.close()])
  })
}

function preflight(openServer: () => Promise<S3Server>): void {
  const probeCode = async (change: Partial<S3Settings>): Promise<ErrorCode | null> => {
    const target = await openS3Target(s3Settings(await openServer(), change))
    const survey = target.survey()
    return codeThrown(survey.probe(never)).finally(() => survey.close())
  }
  const strange = async () => ({ accessKeyId: 'nobody', secretAccessKey: 'knows' })
  const wrongSecret = async () => ({ accessKeyId: 'waybill-test', secretAccessKey: 'is something else' })

  test('the probe says what is missing: bucket, rights, secret, credentials, server', async () => {
    const port = await freePort()
    const failing = async (): Promise<never> => {
      throw Object.assign(new Error('none'), { name: 'CredentialsProviderError' })
    }
    const expired = async (): Promise<never> => {
      throw Object.assign(new Error('the token is expired'), { name: 'TokenProviderError' })
    }
    const cases: readonly [Partial<S3Settings>, ErrorCode][] = [
      [{ bucket: 'no-such-bucket' }, 'TARGET_MISSING_BUCKET'],
      [{ credentials: { kind: 'provider', provide: strange } }, 'TARGET_DENIED'],
      [{ credentials: { kind: 'provider', provide: wrongSecret } }, 'TARGET_DENIED'],
      [{ credentials: { kind: 'provider', provide: failing } }, 'CREDENTIALS_MISSING'],
      [{ credentials: { kind: 'provider', provide: expired } }, 'CREDENTIALS_EXPIRED'],
      [{ endpoint: `http://127.0.0.1:${port}` }, 'TARGET_UNREACHABLE'],
      [{ endpoint: 'http://nobody.invalid' }, 'TARGET_UNREACHABLE'],
    ]
    for (const [change, code] of cases) assert.equal(await probeCode(change), code, JSON.stringify(change))
  })
}

async function runBench(
  target: Target,
  { server, proxy }: Pick<Bench, 'server' | 'proxy'>,
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const survey = target.survey()
  const open: { close(): Promise<void> }[] = [survey]
  try {
    const { abilities } = await survey.probe(never)
    const [writer, uploads, reader] = [target.writer(abilities), target.uploads(abilities), target.reader(abilities)]
    open.push(writer, uploads, reader)
    await run({ server, proxy, target, abilities, writer, uploads, reader })
  } finally {
    await Promise.all(open.map((port) => port.close()))
  }
}

withS3Servers((kind) => {
  describe(`s3 faults on ${kind}`, () => {
    let running: Promise<S3Server> | null = null
    const openServer = (): Promise<S3Server> => {
      running ??= startS3Server(kind).then(async (server) => {
        await server.createBucket(testBucket)
        return server
      })
      return running
    }
    let prefixes = 0
    const benchTest: BenchTest = (promise, run) => {
      test(promise, async () => {
        prefixes += 1
        const server = await openServer()
        const proxy = await startFaultProxy(server.endpoint)
        const settings = s3Settings({ ...server, endpoint: proxy.endpoint }, { prefix: `bench-${prefixes}` })
        try {
          await runBench(await openS3Target(settings), { server, proxy }, run)
        } finally {
          await proxy.stop()
        }
      })
    }
    lostAnswers(benchTest)
    uploadFaults(benchTest)
    readFaults(benchTest)
    refusals(benchTest)
    preflight(openServer)
    test('the server is stopped', async () => (await running)?.stop())
  })
})
