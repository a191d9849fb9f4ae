import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { WaybillError } from '#libs/domain/errors'
import { deriveJobName } from '#services/cli/job-name'
import { locationText, locationWarning, parseLocation } from '#services/cli/locations'
import { readNames, readRules } from '#services/cli/selection-input'
import { jobName } from '#services/cli/value-types'

const aliases = new Map([
  ['archive', 's3://archive/2026?endpoint=https://s3.example.com'],
  ['disk', '/mnt/disk'],
  ['loop', '@disk'],
  ['here', 'relative'],
])
const parse = (text: string) => parseLocation(text, aliases)

test('folders, file URLs, buckets and aliases are understood', () => {
  const plain = { endpoint: null, region: null, isPathStyle: null, profile: null, identity: null }
  assert.deepEqual(parse('./a/../b/'), { kind: 'files', path: resolve('b') })
  assert.deepEqual(parse('file:///a%20b'), { kind: 'files', path: '/a b' })
  assert.deepEqual(parse('s3://bucket'), { kind: 's3', bucket: 'bucket', prefix: '', ...plain })
  assert.deepEqual(parse('S3://bucket/a/b//'), { kind: 's3', bucket: 'bucket', prefix: 'a/b', ...plain })
  assert.deepEqual(parse('s3://b.c/x?endpoint=http://127.0.0.1:7070&region=eu-1&path-style=false&profile=p'), {
    ...plain,
    kind: 's3',
    bucket: 'b.c',
    prefix: 'x',
    endpoint: 'http://127.0.0.1:7070',
    region: 'eu-1',
    isPathStyle: false,
    profile: 'p',
  })
  assert.equal(locationText(parse('@archive/photos/')), 's3://archive/2026/photos')
  assert.equal(locationText(parse('@disk/a')), '/mnt/disk/a')
})

test('a secret in a location works, is warned about, and is not in its text', () => {
  const location = parse('s3://KEY:sec%2Fret@bucket/x')
  assert.ok(location.kind === 's3')
  assert.deepEqual(location.identity, { accessKeyId: 'KEY', secretAccessKey: 'sec/ret' })
  assert.equal(locationText(location), 's3://bucket/x')
  assert.match(locationWarning(location) ?? '', /everyone on this machine can see/)
  assert.equal(locationWarning(parse('s3://bucket/x')), null)
})

test('what is no location is told in a sentence, what comes later as such', () => {
  const wrong: readonly [string, 'USAGE' | 'NOT_SUPPORTED', RegExp][] = [
    ['', 'USAGE', /empty/],
    ['gs://b/x', 'NOT_SUPPORTED', /^gs:\/\/ is not supported yet$/],
    ['postgres://u:secret@h/db', 'NOT_SUPPORTED', /^postgres:\/\/ is not/],
    ['ssh://h/x', 'USAGE', /no kind of location/],
    ['s3://', 'USAGE', /not the name of a bucket/],
    ['s3://-x/y', 'USAGE', /not the name of a bucket/],
    ['s3://bucket/a//b', 'USAGE', /empty part/],
    ['s3://bucket/../b', 'USAGE', /empty part, \. or \.\./],
    ['s3://secret@bucket', 'USAGE', /^what stands before @/],
    ['s3://bucket?endpont=x', 'USAGE', /did you mean endpoint/],
    ['s3://bucket?endpoint=x', 'USAGE', /is not a URL/],
    ['s3://bucket?region=a&region=b', 'USAGE', /twice/],
    ['file://host/x', 'USAGE', /no file URL/],
    ['@archiv', 'USAGE', /did you mean @archive\?/],
    ['@loop', 'USAGE', /another alias/],
    ['@here', 'USAGE', /not an absolute location/],
    ['@archive/../x', 'USAGE', /empty part, \. or/],
  ]
  for (const [text, code, sentence] of wrong) {
    assert.throws(
      () => parse(text),
      (error) => error instanceof WaybillError && error.code === code && sentence.test(String(error.facts['problem'])),
      text,
    )
  }
})

test('a job is named after its places, always the same and never two alike', () => {
  const [a, b] = [parse('/data/my photos'), parse('s3://bucket/archive-2026')]
  const name = deriveJobName(a, b, null)
  assert.match(name, /^my-photos-to-archive-2026-[0-9a-f]{8}$/)
  assert.equal(deriveJobName(parse('/data/./my photos/'), b, null), name)
  assert.notEqual(deriveJobName(a, b, 'http://other'), name)
  assert.notEqual(deriveJobName(b, a, null), name)
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', '.', '-', 'é', ' ', '_', '\u0007'), { minLength: 1, maxLength: 40 }),
      (letters) => {
        const derived = deriveJobName(parse(`/x/${letters.join('')}`), b, null)
        assert.ok(jobName.parse(derived).ok, derived)
      },
    ),
  )
})

const folder = mkdtempSync(join(tmpdir(), 'waybill-rules-'))
after(() => rmSync(folder, { recursive: true }))

test('rules keep their order, and an --include closes the list', async () => {
  const file = join(folder, 'rules')
  writeFileSync(file, '# odd names\n- *.tmp\n+ *.jpg\n')
  const typed = [
    { name: 'exclude', text: '/cache/' },
    { name: 'filter-from', text: file },
    { name: 'include', text: '*.png' },
  ] as const
  assert.deepEqual(await readRules(typed), [
    { action: 'exclude', glob: '/cache/' },
    { action: 'exclude', glob: '*.tmp' },
    { action: 'include', glob: '*.jpg' },
    { action: 'include', glob: '*.png' },
    { action: 'exclude', glob: '**' },
  ])
  assert.deepEqual(await readRules(typed.slice(0, 1)), [{ action: 'exclude', glob: '/cache/' }])
})

test('names come from a file or from standard input', async () => {
  const list = await readNames('-', { isNull: true, input: Readable.from([Buffer.from('a\0b'), Buffer.from('c\0')]) })
  assert.deepEqual(
    [...(list?.behind(new Uint8Array()) ?? [])].map((name) => Buffer.from(name).toString()),
    ['a', 'bc'],
  )
  assert.equal(await readNames(null, { isNull: false, input: Readable.from([]) }), null)
})

test('files of rules and names that cannot be used are told with option and line', async () => {
  const broken = join(folder, 'broken')
  writeFileSync(broken, '+ [a\n')
  const none = { isNull: false, input: Readable.from([]) }
  const wrong: readonly [() => Promise<unknown>, RegExp][] = [
    [() => readRules([{ name: 'filter-from', text: broken }]), /^--filter-from .*broken: line 1: .*not closed/],
    [() => readRules([{ name: 'filter-from', text: join(folder, 'nothing') }]), /there is no such file/],
    [() => readRules([{ name: 'filter-from', text: folder }]), /cannot be read \(EISDIR\)/],
    [() => readRules([{ name: 'exclude', text: '[a' }]), /^--exclude: "\[a" is not a glob/],
    [() => readNames(null, { ...none, isNull: true }), /-0 speaks of --files-from/],
    [
      () => readNames('-', { isNull: false, input: Readable.from([Buffer.from('../x')]) }),
      /line 1 .* leaves the source/,
    ],
  ]
  for (const [reading, sentence] of wrong) {
    await assert.rejects(
      reading,
      (error) =>
        error instanceof WaybillError && error.code === 'USAGE' && sentence.test(String(error.facts['problem'])),
    )
  }
})
