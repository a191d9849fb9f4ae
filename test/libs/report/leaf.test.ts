import assert from 'node:assert/strict'
import { test } from 'node:test'
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { orderOf } from '#libs/domain/name-order'
import { outcomes } from '#libs/domain/report'
import { encodeLeaf, type ReportLeaf } from '#libs/report/leaf'
import { LeafProblem, parseLeaf } from '#libs/report/leaf-check'
import { leafOf, sampleLeaves } from './sample.ts'

const seed = 62_8785
const base64 = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64'))
const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const size = fc.maxSafeNat()
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const anyLeaf = fc.record(
  {
    name: base64,
    kind: fc.constantFrom('file', 'directory', 'symlink', 'special'),
    size,
    outcome: fc.constantFrom(...outcomes),
    code: fc.option(text),
    key: fc.option(base64),
    seal: fc.option(text),
    source: fc.record({ size, mtime_ns: text, ctime_ns: text, inode: text }),
    chunks: fc.array(fc.tuple(size, size, digest), { maxLength: 4 }),
    found: fc.array(fc.tuple(size, size, fc.option(digest)), { maxLength: 4 }),
    link: base64,
  },
  { requiredKeys: ['name', 'kind', 'size', 'outcome', 'code', 'key', 'seal', 'source', 'chunks'] },
)

test('a leaf line is byte for byte what a general RFC 8785 writer gives', (context) => {
  context.diagnostic(`seed ${seed}`)
  fc.assert(
    fc.property(anyLeaf, (leaf) => {
      assert.equal(encodeLeaf(leaf), canonicalize(leaf))
    }),
    { seed, numRuns: 3000 },
  )
  for (const leaf of sampleLeaves()) assert.equal(encodeLeaf(leaf), canonicalize(leaf))
})

test('a line reads back to the leaf it was written from', () => {
  for (const leaf of sampleLeaves()) assert.deepEqual(parseLeaf(Buffer.from(encodeLeaf(leaf))), leaf)
})

test('half a surrogate pair is refused, since it has no UTF-8', () => {
  assert.throws(() => encodeLeaf(leafOf('a', { seal: '\ud800' })), RangeError)
})

test('another spelling of the same line is refused', () => {
  const line = encodeLeaf(leafOf('a', { seal: 'é/"' }))
  const spellings = [
    ` ${line}`,
    line.replace('"size":11', '"size": 11'),
    line.replace('"size":11', '"size":11.0'),
    line.replace('"size":11', '"size":1.1e1'),
    line.replace('"size":11', '"size":"11"'),
    line.replace('"size":11', '"size":11,"size":11'),
    line.replace('é', '\\u00e9'),
    line.replace('/', '\\/'),
    line.replace('{"chunks"', '{"__proto__":1,"chunks"'),
    line.replace('"code":null', '"code":null,"extra":1'),
    line.replace('}}', '},"x":1}'),
    line.replace('"code":null,', ''),
  ]
  assert.equal(new Set([line, ...spellings]).size, spellings.length + 1)
  for (const spelling of spellings) assert.throws(() => parseLeaf(Buffer.from(spelling)), LeafProblem, spelling)
  const bad = Buffer.from(line)
  bad[bad.indexOf(0xc3)] = 0xff
  assert.throws(() => parseLeaf(bad), LeafProblem)
})

test('items are ordered as the source lists them: raw bytes, a directory as its name with a slash', () => {
  const places: readonly (readonly [string, ReportLeaf['kind']])[] = [
    ['a', 'directory'],
    ['a', 'file'],
    ['a!', 'file'],
    ['a.txt', 'file'],
    ['a/b', 'file'],
    ['ab', 'directory'],
    ['\u00ff', 'file'],
  ]
  const sorted = places
    .map(([name, kind]) => orderOf(Buffer.from(name), kind))
    .sort((left, right) => Buffer.compare(left, right))
    .map((order) => order.toString())
  assert.deepEqual(sorted, ['a', 'a!', 'a.txt', 'a/', 'a/b', 'ab/', '\u00ff'])
})
