// Names of every kind in a real store: each is an object of its own that is listed and read under its key.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keyBytesMax, nameOfKey } from '#libs/target/s3/keys'
import { openS3Target } from '#libs/target/s3/target'
import type { Target, TargetObject } from '#libs/target/target'
import type { ItemKind } from '#schemas/records'
import { makeCertificates } from '#test/support/certificates'
import { startS3Server, withS3Servers } from '#test/support/s3-server'
import { digestOf, never, putRequest, readAll, s3Settings, testBucket } from '#test/support/s3-target'

const prefix = 'a prefix/'

const names: readonly Buffer[] = [
  ...[
    'plain.txt',
    ' lead',
    'trail ',
    ' ',
    '  two  blanks  ',
    'tab\there',
    'new\nline',
    'return\r',
    'del\x7f',
    '\x01\x1b[31m',
  ],
  ...[
    'back\\slash',
    'end\\',
    'a\\..\\b',
    'quote\'"`',
    'a&b=c+d?e#f',
    '<script>&amp;',
    ']]>',
    '%',
    '100%',
    '%41',
    '%zz',
  ],
  ...['%empty', 'x%more', '%long/y', 'dots/.hidden', 'dots/...', 'dots/..x', 'CON', 'a:b*|', '1e5', 'null', 'true'],
  ...['__proto__', 'constructor', 'soap', '.well-known', 'ñ', 'n\u0303', '\u{1f600}', '\u202e', '\u200b', '\ufeffx'],
  ...[
    '\u0085',
    '\u2028',
    '\ufffe',
    '\uffff',
    '\ufffd',
    'A',
    'd/e/f/g/h',
    'x'.repeat(255),
    'é'.repeat(127),
    '%'.repeat(90),
  ],
  ...['\n'.repeat(255), `deep/${'d/'.repeat(300)}f`, `deep/${'y'.repeat(250)}/${'z'.repeat(250)}/${'w'.repeat(250)}`],
  `long/${'n'.repeat(200)}/${'m'.repeat(200)}/${'\n'.repeat(200)}`,
  ...['a//b', '/lead', 'tail/', 'c/./d', '..', 'up/../x', 'e/.. /f', '.\u00a0'],
].map((text) => Buffer.from(text, 'utf8'))
const brokenNames = ['ff', '61ff62', 'c0af', 'eda080', 'f09f98', 'e9'].map((hex) => Buffer.from(hex, 'hex'))
const allNames = [...names, ...brokenNames]

function keyOf(target: Target, name: Buffer, kind: ItemKind = 'file'): Buffer {
  const encoded = target.keys.keyOf(name, kind)
  assert.ok('key' in encoded)
  return encoded.key
}

async function listAll(target: Target, limit: number): Promise<readonly TargetObject[]> {
  const survey = target.survey()
  const objects: TargetObject[] = []
  let cursor: Buffer | null = null
  do {
    const page: Awaited<ReturnType<typeof survey.list>> = await survey.list(cursor, limit, never)
    objects.push(...page.objects)
    cursor = page.cursor
  } while (cursor !== null)
  await survey.close()
  return objects
}

async function everyName(target: Target): Promise<void> {
  const survey = target.survey()
  const { abilities } = await survey.probe(never)
  await survey.close()
  const [writer, reader] = [target.writer(abilities), target.reader(abilities)]
  for (const name of allNames) {
    const request = putRequest('', name, { key: keyOf(target, name), digest: digestOf(name) })
    await assert.doesNotReject(writer.put(request, never), `${name.toString('latin1')}`)
  }
  const expected = allNames.map((name) => keyOf(target, name)).sort((left, right) => left.compare(right))
  for (const limit of [7, 1000]) {
    const listed = await listAll(target, limit)
    assert.deepEqual(
      listed.map(({ key }) => key.toString('utf8')),
      expected.map((key) => key.toString('utf8')),
    )
  }
  for (const name of allNames) {
    const key = keyOf(target, name)
    const place = { name: key.toString('utf8'), seal: null, length: name.length }
    assert.ok((await readAll(reader, place)).equals(name), name.toString('latin1'))
    assert.equal((nameOfKey(key) ?? name).toString('hex'), name.toString('hex'))
  }
  await Promise.all([writer.close(), reader.close()])
}

async function linksAndDirectories(target: Target): Promise<void> {
  const survey = target.survey()
  const { abilities } = await survey.probe(never)
  const [writer, reader] = [target.writer(abilities), target.reader(abilities)]
  const link = { key: keyOf(target, Buffer.from('a link'), 'symlink'), text: Buffer.from('../some/where') }
  const directory = keyOf(target, Buffer.from('a directory'), 'directory')
  const put = (key: Buffer, kind: ItemKind, body: Buffer): Promise<{ seal: string }> =>
    writer.put(putRequest('', body, { key, kind }), never)
  const { seal } = await put(link.key, 'symlink', link.text)
  await put(directory, 'directory', Buffer.alloc(0))
  await put(keyOf(target, Buffer.from('a directory/file')), 'file', Buffer.from('x'))
  const found = await Promise.all([link.key, directory].map((key) => writer.find(key, never)))
  assert.deepEqual(
    found.map((one) => [one?.kind, one?.size]),
    [
      ['symlink', 0],
      ['directory', 0],
    ],
  )
  const texts: string[] = []
  const asked = { offset: 0, length: 0, isFresh: false }
  const consume = (bytes: Buffer): void => void texts.push(bytes.toString())
  await reader.read({ ...asked, key: link.key, kind: 'symlink', seal }, consume, never)
  await reader.read({ ...asked, key: directory, kind: 'directory', seal: null }, consume, never)
  assert.deepEqual(texts, ['../some/where'])
  const mistaken = reader.read({ ...asked, key: link.key, kind: 'file', seal, length: 13 }, consume, never)
  await assert.rejects(mistaken, { code: 'TARGET_REPLACED' })
  const keys = (await listAll(target, 10)).map(({ key, kind }) => `${kind} ${key}`)
  assert.deepEqual(keys, ['directory a directory/', 'file a directory/file', 'file a link'])
  await Promise.all([survey.close(), writer.close(), reader.close()])
}

withS3Servers((kind) => {
  describe(`s3 names on ${kind}`, () => {
    const certificates = kind === 'versitygw' ? makeCertificates() : null
    test('every name is kept, listed in order and read back, also over TLS', async () => {
      const server = await startS3Server(kind, certificates === null ? {} : { certificate: certificates })
      try {
        await server.createBucket(testBucket)
        const caFile = certificates?.caFile ?? null
        await everyName(await openS3Target(s3Settings(server, { prefix, caFile })))
        const room = keyBytesMax - 1 - '%long/'.length - 64
        const narrow = await openS3Target(s3Settings(server, { prefix: 'p/'.repeat(room / 2), caFile }))
        assert.ok(
          keyOf(narrow, Buffer.from('x'.repeat(80)))
            .toString()
            .startsWith('%long/'),
        )
      } finally {
        await server.stop()
        certificates?.remove()
      }
    })

    test('links and directories are small objects that say what they stand for', async () => {
      const server = await startS3Server(kind)
      try {
        await server.createBucket(testBucket)
        await linksAndDirectories(await openS3Target(s3Settings(server, { prefix: 'entries' })))
      } finally {
        await server.stop()
      }
    })
  })
})
