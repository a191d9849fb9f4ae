import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { createKeyEncoding, nameOfKey } from '#libs/target/s3/keys'

const encoding = createKeyEncoding(0)
const seed = Number(process.env['SEED'] ?? 20_261_124)

function keyOf(name: Buffer | string, prefixBytes = 0): Buffer {
  const encoded = createKeyEncoding(prefixBytes).keyOf(Buffer.from(name), 'file')
  assert.ok('key' in encoded)
  return encoded.key
}

const table: readonly [what: string, name: Buffer | string, key: string][] = [
  ['plain', 'a/b.txt', 'a/b.txt'],
  ['blanks, quotes and signs', ` a  b'"+&=?#:*<>| `, ` a  b'"+&=?#:*<>| `],
  ['letters beyond ASCII, both forms', 'ñ/n\u0303/\u{1f600}', 'ñ/n\u0303/\u{1f600}'],
  ['a percent sign alone', '100%.txt', '100%.txt'],
  ['a percent sign before lower-case digits', '%4a', '%4a'],
  ['a percent sign that would read as an escape', '%41', '%2541'],
  ['two percent signs', '%%41', '%%2541'],
  ['words of our own', '%empty/x%more/%long/%probe', '%25empty/x%25more/%25long/%25probe'],
  ['not UTF-8', Buffer.from('61ff62fe', 'hex'), 'a%FFb%FE'],
  ['overlong and surrogate forms', Buffer.from('c0afeda080', 'hex'), '%C0%AF%ED%A0%80'],
  ['a sequence cut short', Buffer.from('f09f98', 'hex'), '%F0%9F%98'],
  ['control characters', 'a\n\r\t\x01\x7f', 'a%0A%0D%09%01%7F'],
  ['what XML cannot carry', '\ufffe\uffff\ufffd', '%EF%BF%BE%EF%BF%BF\ufffd'],
  ['dots', './../.../.a/a./..a', '%2E/%2E%2E/.../.a/a./..a'],
  ['dots in white space', ' ./.\u00a0/\u3000..', ' %2E/%2E\u00a0/\u3000%2E%2E'],
  ['dots between backslashes', 'a\\..\\.b\\.', 'a\\%2E%2E\\.b\\%2E'],
  ['empty segments', '/a//b/', '%empty/a/%empty/b/%empty'],
  ['a segment of 255 bytes', 'x'.repeat(255), 'x'.repeat(255)],
  ['a segment of 256 bytes', 'x'.repeat(256), `${'x'.repeat(250)}%more/%78xxxxx`],
  ['a cut that would set dots alone', `${'x'.repeat(254)}..`, `${'x'.repeat(250)}%more/%78xxx..`],
  ['characters are cut whole', 'é'.repeat(128), `${'é'.repeat(125)}%more/%C3%A9éé`],
]

for (const [what, name, key] of table) {
  test(`${what}: the key is what the documented rule says, and the name comes back`, () => {
    assert.equal(keyOf(name).toString('utf8'), key)
    assert.equal(nameOfKey(keyOf(name))?.toString('hex'), Buffer.from(name).toString('hex'))
  })
}

test('a key that does not fit 1,024 bytes with its prefix is the hash of the name', () => {
  const name = Buffer.from('d/'.repeat(400) + 'x'.repeat(200))
  assert.equal(keyOf(name, 24).toString(), name.toString())
  assert.equal(keyOf(name, 25).toString(), `%long/${hash('sha256', name)}`)
  assert.equal(nameOfKey(keyOf(name, 25)), null)
  assert.deepEqual(createKeyEncoding(1000).keyOf(name, 'file'), { code: 'KEY_TOO_LONG' })
})

test('a directory has a key of its own beside that of a file', () => {
  assert.deepEqual(encoding.keyOf(Buffer.from('a/b'), 'directory'), { key: Buffer.from('a/b/') })
  const name = Buffer.from('x/'.repeat(512).slice(0, -1))
  assert.deepEqual(encoding.keyOf(name, 'file'), { key: name })
  assert.deepEqual(encoding.keyOf(name, 'directory'), { key: Buffer.from(`${name}/`) })
  assert.deepEqual(createKeyEncoding(1).keyOf(name, 'directory'), {
    key: Buffer.from(`%long/${hash('sha256', name)}/`),
  })
})

test('a key tells its name only when the rule gives that key to that name', () => {
  assert.equal(encoding.nameOf(Buffer.from('a/%FFb'))?.toString('latin1'), 'a/\xffb')
  assert.equal(encoding.nameOf(Buffer.from('%41')), null)
  assert.equal(encoding.nameOf(Buffer.from('x%more')), null)
  assert.equal(encoding.nameOf(Buffer.from('%probe/a')), null)
  assert.equal(encoding.nameOf(Buffer.from(`%long/${hash('sha256', 'name')}`)), 'hashed')
  assert.equal(encoding.nameOf(Buffer.from('%long/else')), null)
})

test('isEncoded tells the names that are not their own keys', () => {
  assert.equal(encoding.isEncoded(Buffer.from('a b/ñ%')), false)
  assert.equal(encoding.isEncoded(Buffer.from('a\n')), true)
  assert.equal(createKeyEncoding(1000).isEncoded(Buffer.from('x'.repeat(30))), true)
})

/** Bytes that the rule looks at, more often than others. */
const pieces = ['%', '4', '1', 'A', 'F', 'empty', 'more', 'long', 'probe', '.', '..', ' ', '\\', '/', 'é', '\u00a0']
const nameBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(...pieces).map((text) => Buffer.from(text)),
      fc.uint8Array({ minLength: 1, maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom('x'.repeat(249), 'é'.repeat(120), '\ufffe'.repeat(40)).map((text) => Buffer.from(text)),
      fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => Buffer.from(text)),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts))

function isHarmless(key: Buffer): boolean {
  const text = key.toString('utf8')
  const segments = text.split('/')
  return (
    Buffer.from(text, 'utf8').equals(key) &&
    !/[\0-\x1f\x7f\ufffe\uffff]/.test(text) &&
    segments.every((one) => one !== '' && Buffer.byteLength(one) <= 255 && !/^\s*\.{1,2}\s*$/.test(one)) &&
    !text.startsWith('%probe')
  )
}

test('every key is valid UTF-8 that stores keep and list, and gives its name back', () => {
  const property = fc.property(nameBytes, (name) => {
    const key = keyOf(name)
    assert.ok(isHarmless(key), key.toString('latin1'))
    const back = nameOfKey(key)
    if (back !== null) assert.equal(back.toString('hex'), name.toString('hex'))
    else assert.ok(key.toString().startsWith('%long/'))
  })
  fc.assert(property, { seed, numRuns: 3000 })
})

test('a program that knows only docs/keys.md gives the same keys', () => {
  const names = [...fc.sample(fc.tuple(nameBytes, fc.constantFrom(0, 20, 700, 950)), { seed, numRuns: 4000 })]
  const known = table.map(([, name]): [Buffer, number] => [Buffer.from(name), 0])
  const cases = [...known, ...names]
  const input = cases.map(([name, prefixBytes]) => `${prefixBytes} ${name.toString('hex')}\n`).join('')
  const script = join(import.meta.dirname, '../../../support/keys.py')
  const run = spawnSync('python3', [script], { input, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  assert.equal(run.status, 0, run.stderr)
  const expected = run.stdout.trimEnd().split('\n')
  assert.equal(expected.length, cases.length)
  cases.forEach(([name, prefixBytes], index) => {
    assert.equal(
      keyOf(name, prefixBytes).toString('hex'),
      expected[index],
      `name ${name.toString('hex')}, seed ${seed}`,
    )
  })
  console.log(`${cases.length} names, seed ${seed}`)
})
