import assert from 'node:assert/strict'
import { createHash, createHmac, hash } from 'node:crypto'
import test from 'node:test'
import { SignatureV4 } from '@smithy/signature-v4'
import fc from 'fast-check'
import { createSigner, type Headers, type SignRequest } from '#libs/target/s3/sign'

const seed = Number(process.env['SEED'] ?? 20_261_124)
const emptyHash = hash('sha256', '')

// The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const identity = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
const publishedMs = Date.UTC(2013, 4, 24)
const host = ['host', 'examplebucket.s3.amazonaws.com']
const published: readonly { what: string; request: SignRequest; signature: string }[] = [
  {
    what: 'GET of a range',
    request: {
      method: 'GET',
      path: '/test.txt',
      query: '',
      headers: [...host, 'range', 'bytes=0-9', 'x-amz-content-sha256', emptyHash],
      payloadHash: emptyHash,
    },
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    what: 'PUT',
    request: {
      method: 'PUT',
      path: '/test%24file.text',
      query: '',
      headers: [
        ...['date', 'Fri, 24 May 2013 00:00:00 GMT'],
        ...host,
        ...['x-amz-content-sha256', hash('sha256', 'Welcome to Amazon S3.')],
        ...['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
      ],
      payloadHash: hash('sha256', 'Welcome to Amazon S3.'),
    },
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    what: 'GET with a query without value',
    request: {
      method: 'GET',
      path: '/',
      query: 'lifecycle=',
      headers: [...host, 'x-amz-content-sha256', emptyHash],
      payloadHash: emptyHash,
    },
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    what: 'GET with a query',
    request: {
      method: 'GET',
      path: '/',
      query: 'max-keys=2&prefix=J',
      headers: [...host, 'x-amz-content-sha256', emptyHash],
      payloadHash: emptyHash,
    },
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
]

function signatureOf(headers: Headers): string {
  const authorization = headers[headers.indexOf('authorization') + 1] ?? ''
  return /Signature=([0-9a-f]{64})$/.exec(authorization)?.[1] ?? authorization
}

for (const { what, request, signature } of published) {
  test(`the published example "${what}" gets the published signature`, () => {
    const signer = createSigner({ region: 'us-east-1', service: 's3' })
    assert.equal(signatureOf(signer.sign(request, identity, publishedMs)), signature)
  })
}

class NodeSha256 {
  readonly #hash: { update(part: string | Uint8Array): unknown; digest(): Buffer }

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = secret instanceof Uint8Array || typeof secret === 'string' ? secret : undefined
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', key)
  }

  update(part: string | Uint8Array): void {
    this.#hash.update(part)
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }

  reset(): void {
    throw new Error('not needed')
  }
}

const value = fc.string({ unit: fc.constantFrom(...'ab Z09-_.~:/=%"; '), minLength: 1, maxLength: 20 })
const request = fc.record({
  method: fc.constantFrom('GET', 'PUT', 'HEAD', 'DELETE'),
  path: fc.string({ unit: fc.constantFrom(...'abZ09-_.~/'), maxLength: 40 }).map((text) => `/${text}`),
  query: fc.dictionary(fc.stringMatching(/^[a-zA-Z-]{1,8}$/), fc.stringMatching(/^[a-zA-Z0-9._~-]{0,8}$/)),
  meta: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), value),
  payloadHash: fc.stringMatching(/^[0-9a-f]{64}$/),
  nowMs: fc.integer({ min: 1_000_000_000_000, max: 2_000_000_000_000 }),
  region: fc.constantFrom('us-east-1', 'eu-central-1'),
  secretAccessKey: fc.string({ minLength: 1, maxLength: 40 }),
  sessionToken: fc.option(fc.stringMatching(/^[A-Za-z0-9/+=]{1,60}$/), { nil: undefined }),
})

test('requests of any shape get the signature that @smithy/signature-v4 gives them', async () => {
  const property = fc.asyncProperty(request, async (one) => {
    const { method, path, payloadHash, nowMs, region, secretAccessKey, sessionToken } = one
    const credentials = {
      accessKeyId: 'AKID',
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    }
    const meta = Object.entries(one.meta).map(([name, text]) => [`x-amz-meta-${name}`, text] as const)
    const pairs = [['x-amz-content-sha256', payloadHash], ['host', 'h:1'], ...meta] as const
    const query = Object.entries(one.query)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, text]) => `${name}=${text}`)
      .join('&')
    const ours = createSigner({ region, service: 's3' })
    const signed = ours.sign({ method, path, query, headers: pairs.flat(), payloadHash }, credentials, nowMs)
    const theirs = new SignatureV4({ credentials, region, service: 's3', sha256: NodeSha256, uriEscapePath: false })
    const asked = { method, protocol: 'http:', hostname: 'h', port: 1, path, query: one.query }
    const expected = await theirs.sign(
      { ...asked, headers: Object.fromEntries(pairs) },
      { signingDate: new Date(nowMs) },
    )
    assert.equal(signatureOf(signed), signatureOf(Object.entries(expected.headers).flat()))
  })
  await fc.assert(property, { seed, numRuns: 500 })
})

test('one signer follows the day and the secret', () => {
  const signer = createSigner({ region: 'us-east-1', service: 's3' })
  const [{ request: asked, signature } = assert.fail()] = published
  signer.sign(asked, { ...identity, secretAccessKey: 'other' }, publishedMs)
  signer.sign(asked, identity, publishedMs + 86_400_000)
  assert.equal(signatureOf(signer.sign(asked, identity, publishedMs)), signature)
})
