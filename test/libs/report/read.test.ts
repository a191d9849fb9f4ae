import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { verdictOfPass } from '#libs/domain/report'
import { writeJson } from '#libs/report/json'
import { generateKeyFiles, loadPublicKey, loadSigningKey } from '#libs/report/keys'
import type { ReportLeaf } from '#libs/report/leaf'
import { writeWholeFile } from '#libs/report/output'
import { signatureInWords, verifyReport } from '#libs/report/read'
import { writeReport } from '#libs/report/write'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import { factsOf, leafOf, sampleLeaves, streamOf, temporaryFolder } from './sample.ts'

const anyKey = { publicKey: null }

interface Written {
  readonly folder: string
  readonly key: string
  readonly ndjson: string
  readonly json: string
}

async function write(context: TestContext, leaves: readonly ReportLeaf[], isSigned: boolean): Promise<Written> {
  const folder = await temporaryFolder(context)
  const key = join(folder, 'key.pem')
  await generateKeyFiles(key)
  const signingKey = isSigned ? await loadSigningKey(key) : null
  const ndjson = join(folder, 'report.ndjson')
  const json = join(folder, 'report.json')
  const content = { facts: factsOf(leaves), leaves: streamOf(leaves), signingKey }
  await writeWholeFile(ndjson, (sink) => writeReport(sink, content))
  await writeWholeFile(json, (sink) => writeJson(sink, ndjson))
  return { folder, key, ndjson, json }
}

const isInvalid = (error: unknown): boolean =>
  error instanceof WaybillError &&
  error.code === 'REPORT_INVALID' &&
  typeof error.facts['line'] === 'number' &&
  typeof error.facts['reason'] === 'string'

test('a written report verifies in both forms with the same root, digest and signature', async (context) => {
  const { ndjson, json, key } = await write(context, sampleLeaves(), true)
  const publicKey = await loadPublicKey(`${key}.pub`)
  const left = await verifyReport(ndjson, { publicKey })
  const right = await verifyReport(json, { publicKey })
  assert.deepEqual({ ...right, form: 'ndjson' }, left)
  assert.deepEqual(left.signature, { kind: 'known_key', fingerprint: publicKey.fingerprint })
  assert.equal(left.footer.items, sampleLeaves().length)
  assert.equal(left.verdict.exit_code, 5)
  const unknown = await verifyReport(ndjson, anyKey)
  assert.equal(signatureInWords(unknown.signature), `signed by unknown key ${publicKey.fingerprint}`)
})

test('the json form is one plain JSON document with the same items', async (context) => {
  const leaves = sampleLeaves()
  const { json } = await write(context, leaves, true)
  const document: unknown = JSON.parse(await readFile(json, 'utf8'))
  assert.ok(typeof document === 'object' && document !== null)
  assert.deepEqual(Object.keys(document), ['header', 'items', 'verdict', 'footer', 'signature'])
  assert.deepEqual(Reflect.get(document, 'items'), leaves)
})

test('a report without items verifies in both forms, signed or not', async (context) => {
  for (const isSigned of [true, false]) {
    const { ndjson, json } = await write(context, [], isSigned)
    for (const path of [ndjson, json]) {
      const { footer } = await verifyReport(path, anyKey)
      assert.equal(footer.items, 0)
      assert.equal(footer.root, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    }
  }
})

for (const isSigned of [true, false]) {
  for (const form of ['ndjson', 'json'] as const) {
    const kind = `${isSigned ? 'a signed' : 'an unsigned'} ${form} report`
    test(`400 single-byte changes anywhere in ${kind} are all found`, async (context) => {
      const seed = 20260301
      context.diagnostic(`seed ${seed}`)
      const random = seededRandom(seed)
      const below = (end: number): number => integerBetween(random, 0, end - 1)
      const written = await write(context, sampleLeaves(), isSigned)
      const bytes = await readFile(written[form])
      const changed = join(written.folder, 'changed')
      // A quarter in the last line, where a signature has the most spellings.
      const lastLine = bytes.lastIndexOf(0x0a, form === 'json' ? -4 : -2) + 1
      for (let round = 0; round < 400; round++) {
        const place = round % 4 === 0 ? lastLine + below(bytes.length - lastLine) : below(bytes.length)
        const value = below(256)
        const copy =
          round % 3 === 0
            ? Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)])
            : round % 3 === 1
              ? Buffer.concat([bytes.subarray(0, place), Buffer.from([value]), bytes.subarray(place)])
              : Buffer.from(bytes)
        if (round % 3 === 2) copy[place] = (bytes[place] ?? 0) ^ (1 + below(255))
        await writeFile(changed, copy)
        await assert.rejects(verifyReport(changed, anyKey), isInvalid, `round ${round}, byte ${place}, value ${value}`)
      }
    })
  }

  test(`cutting off or adding lines to ${isSigned ? 'a signed' : 'an unsigned'} report is found`, async (context) => {
    const { folder, ndjson, json } = await write(context, sampleLeaves(), isSigned)
    const changed = join(folder, 'changed')
    for (const path of [ndjson, json]) {
      const lines = (await readFile(path, 'utf8')).split(/(?<=\n)/)
      const without = (index: number): string => lines.filter((_, place) => place !== index).join('')
      const twice = (index: number): string =>
        lines.flatMap((line, place) => (place === index ? [line, line] : [line])).join('')
      const swapped = (index: number): string =>
        [...lines.slice(0, index), lines[index + 1], lines[index], ...lines.slice(index + 2)].join('')
      const texts = [
        ...lines.map((_, index) => without(index)),
        ...lines.map((_, index) => twice(index)),
        ...lines.slice(1).map((_, index) => swapped(index)),
        ...lines.map((_, index) => lines.slice(0, index).join('')),
        `${lines.join('')}\n`,
        `${lines.join('')}garbage`,
        `${lines.join('')}{}\n`,
        `\ufeff${lines.join('')}`,
        lines.join('').replaceAll('\n', '\r\n'),
      ]
      for (const text of texts) {
        await writeFile(changed, text)
        await assert.rejects(verifyReport(changed, anyKey), isInvalid)
      }
    }
  })
}

test('a report signed by another key is refused where a key is demanded, and so is an unsigned one', async (context) => {
  const signed = await write(context, sampleLeaves(), true)
  const unsigned = await write(context, sampleLeaves(), false)
  const publicKey = await loadPublicKey(`${unsigned.key}.pub`)
  for (const path of [signed.ndjson, signed.json, unsigned.ndjson, unsigned.json]) {
    await assert.rejects(verifyReport(path, { publicKey }), isInvalid)
  }
})

test('a whole forged report, made with all digests right, is caught by the demanded key alone', async (context) => {
  const original = await write(context, sampleLeaves(), true)
  const forged = await write(context, [leafOf('only this')], true)
  await verifyReport(forged.ndjson, anyKey)
  await assert.rejects(
    verifyReport(forged.ndjson, { publicKey: await loadPublicKey(`${original.key}.pub`) }),
    isInvalid,
  )
})

test('an honest digest over a leaf that contradicts itself is still refused', async (context) => {
  const digest = 'ab'.repeat(32)
  const contradictions: readonly (readonly [string, ReportLeaf])[] = [
    [
      'gap',
      leafOf('a', {
        size: 20,
        chunks: [
          [0, 5, digest],
          [6, 14, digest],
        ],
      }),
    ],
    ['not covered', leafOf('a', { size: 20, chunks: [[0, 5, digest]] })],
    ['no proof', leafOf('a', { size: 0, chunks: [] })],
    ['found beside verified', leafOf('a', { found: [[0, 11, null]] })],
    ['found equal', leafOf('a', { outcome: 'mismatched', chunks: [[0, 11, digest]], found: [[0, 11, digest]] })],
    ['found elsewhere', leafOf('a', { outcome: 'mismatched', found: [[1, 10, digest]] })],
    [
      'overlap',
      leafOf('a', {
        outcome: 'mismatched',
        chunks: [
          [0, 6, digest],
          [5, 6, digest],
        ],
      }),
    ],
    ['other size', leafOf('a', { source: { size: 12, mtime_ns: '0', ctime_ns: '0', inode: '1:1' } })],
    ['link text of a file', leafOf('a', { link: 'YQ==' })],
    ['name not base64', leafOf('a', { name: 'YR==' })],
    ['empty name', leafOf('a', { name: '' })],
    ['negative size', leafOf('a', { outcome: 'failed', size: -1, chunks: [] })],
    ['upper-case digest', leafOf('a', { chunks: [[0, 11, digest.toUpperCase()]] })],
  ]
  for (const [name, leaf] of contradictions) {
    const { ndjson } = await writeUnchecked(context, [leaf])
    await assert.rejects(verifyReport(ndjson, anyKey), isInvalid, name)
  }
})

async function writeUnchecked(
  context: TestContext,
  leaves: readonly ReportLeaf[],
): Promise<{ readonly ndjson: string }> {
  const folder = await temporaryFolder(context)
  const ndjson = join(folder, 'report.ndjson')
  const content = { facts: factsOf(leaves), leaves: streamOf(leaves), signingKey: null }
  await writeWholeFile(ndjson, (sink) => writeReport(sink, content))
  return { ndjson }
}

test('totals that do not reach what was listed make the verdict a failure of ours, in the report too', async (context) => {
  const folder = await temporaryFolder(context)
  const path = join(folder, 'report.ndjson')
  const leaves = [leafOf('a')]
  const facts = factsOf(leaves, { listed: { items: 2, bytes: 22 } })
  await writeWholeFile(path, (sink) => writeReport(sink, { facts, leaves: streamOf(leaves), signingKey: null }))
  const { footer, verdict } = await verifyReport(path, anyKey)
  assert.equal(verdict.exit_code, 1)
  assert.equal(verdict.status, 'fail')
  assert.equal(
    verdict.sentence,
    verdictOfPass({ state: 'completed', totals: footer.totals, listed: facts.listed, hasSelection: false }).sentence,
  )
})

test('leaves out of order, or a name twice, stop the writer and leave no file behind', async (context) => {
  const folder = await temporaryFolder(context)
  const path = join(folder, 'report.ndjson')
  for (const leaves of [
    [leafOf('b'), leafOf('a')],
    [leafOf('a'), leafOf('a')],
    [leafOf('a/b'), leafOf('a', { kind: 'directory', size: 0 })],
    [leafOf('a', { kind: 'directory', size: 0 }), leafOf('a.txt')],
  ]) {
    const content = { facts: factsOf(leaves), leaves: streamOf(leaves), signingKey: null }
    await assert.rejects(
      writeWholeFile(path, (sink) => writeReport(sink, content)),
      RangeError,
    )
    await assert.rejects(readFile(path), { code: 'ENOENT' })
    await assert.rejects(readFile(`${path}.partial`), { code: 'ENOENT' })
  }
})

test('a file that is missing, a folder, empty or endless is told apart and never passes', async (context) => {
  const folder = await temporaryFolder(context)
  const codeOfReading = (path: string): Promise<string> => verifyReport(path, anyKey).then(() => 'passed', codeOf)
  assert.equal(await codeOfReading(join(folder, 'none')), 'REPORT_UNREADABLE')
  assert.equal(await codeOfReading(folder), 'REPORT_UNREADABLE')
  for (const bytes of ['', '\n', '{}\n', 'null\n', '[]\n', '{"header":\n', Buffer.alloc(10_000_000, 0x20)]) {
    await writeFile(join(folder, 'bad'), bytes)
    assert.equal(await codeOfReading(join(folder, 'bad')), 'REPORT_INVALID')
  }
})

test('an item of 10,000 chunks, all with two digests, fits a line', async (context) => {
  const size = 10_000 * 70_000_000_000
  const chunks: ReportLeaf['chunks'] = Array.from({ length: 10_000 }, (_, index) => [
    index * 70_000_000_000,
    70_000_000_000,
    'ab'.repeat(32),
  ])
  const found: ReportLeaf['found'] = chunks.map(([offset, length]) => [offset, length, 'cd'.repeat(32)])
  const { ndjson } = await write(context, [leafOf('huge', { size, chunks, found, outcome: 'mismatched' })], true)
  const { footer } = await verifyReport(ndjson, anyKey)
  assert.equal(footer.totals.mismatched.items, 1)
})
