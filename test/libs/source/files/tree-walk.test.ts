import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { openFileSource } from '#libs/source/files/file-source'
import type { Source } from '#libs/source/source'
import { isCode, keysOf, listByPages, listFrom, neverAborted, wide } from '#test/contracts/source.contract'
import { TreeFixture } from './tree-fixture.ts'

const fixtures: TreeFixture[] = []
after(async () => {
  for (const fixture of fixtures) await fixture.close()
})

function freshTree(): TreeFixture {
  const fixture = new TreeFixture()
  fixtures.push(fixture)
  return fixture
}

const hostileNames: readonly (string | Buffer)[] = [
  Buffer.from([0xff, 0xfe]),
  Buffer.from([0xfe, 0xff]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xc0, 0xaf]),
  'new\nline',
  'carriage\rreturn',
  '\x1b[31mred',
  'tab\t',
  ' ',
  ' leading',
  'trailing ',
  'trailing.',
  '.hidden',
  '...',
  '-rf',
  '--',
  '~',
  '*',
  '?',
  '#',
  '%2F',
  '%',
  '+',
  '&',
  '<script>alert(1)<',
  'a:b',
  'CON',
  'back\\slash',
  '"quoted\'',
  '\u00e9',
  'e\u0301',
  'A',
  'a',
  '\u202etxt.exe',
  'zero\u200bwidth',
  '😀',
  '00123',
  'true',
  '1e5',
  'null',
  '__proto__',
  'constructor',
  'soap',
  'n'.repeat(255),
  Buffer.alloc(255, 0xfb),
  '.waybill',
]

test('every odd name that Linux can hold is listed by its bytes and can be opened', async () => {
  const fixture = freshTree()
  for (const name of hostileNames) {
    fixture.write(Buffer.concat([Buffer.from(name), Buffer.from('/'), Buffer.from(name)]), Buffer.from(name))
  }
  fixture.write('a.txt', Buffer.from('beside a/'))
  const entries = await listFrom(fixture.source, null, wide)
  const files = entries.filter((entry) => entry.kind === 'file')
  assert.equal(files.length, hostileNames.length + 1)
  assert.deepEqual(keysOf(entries), keysOf(entries).sort())
  for (const entry of files) {
    const reader = await fixture.source.open(entry.name, entry.identity)
    const buffer = Buffer.alloc(entry.identity.size)
    await reader.read(buffer, 0, neverAborted)
    await reader.close()
    const slash = entry.name.lastIndexOf('/')
    if (slash >= 0) assert.deepEqual(buffer, entry.name.subarray(slash + 1))
    assert.deepEqual(await fixture.source.look(entry.name), entry)
  }
})

test('names that would lead out of the tree are refused', async () => {
  const { source } = freshTree()
  const identity = { size: 0, mtimeNs: '0', ctimeNs: '0', inode: '0:0' }
  for (const name of ['', '.', '..', '../x', 'a/../b', '/etc/passwd', 'a//b', 'a/', 'a\0b']) {
    await assert.rejects(source.look(Buffer.from(name)), TypeError)
    await assert.rejects(source.open(Buffer.from(name), identity), TypeError)
  }
})

const segment = fc
  .array(fc.constantFrom(0x01, 0x20, 0x2d, 0x2e, 0x30, 0x61, 0xff), { minLength: 1, maxLength: 3 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'))
  .filter((text) => text !== '.' && text !== '..')
const treeOfNames = fc.array(
  fc.record({ segments: fc.array(segment, { minLength: 1, maxLength: 4 }), isDirectory: fc.boolean() }),
  { maxLength: 40 },
)

/** Makes the tree, leaving out what contradicts what is there; returns the keys in the port's order. */
function makeTree(fixture: TreeFixture, names: readonly { segments: string[]; isDirectory: boolean }[]): string[] {
  const keys = new Set<string>()
  for (const { segments, isDirectory } of names) {
    const parents = segments.map((_, index) => segments.slice(0, index).join('/')).slice(1)
    const name = segments.join('/')
    if (parents.some((parent) => keys.has(parent)) || keys.has(name) || keys.has(`${name}/`)) continue
    for (const parent of parents) keys.add(`${parent}/`)
    if (isDirectory) fixture.makeDirectory(Buffer.from(name, 'latin1'))
    else fixture.write(Buffer.from(name, 'latin1'), Buffer.from('x'))
    keys.add(isDirectory ? `${name}/` : name)
  }
  return [...keys].sort((one, other) => Buffer.compare(Buffer.from(one, 'latin1'), Buffer.from(other, 'latin1')))
}

test('any tree is listed once, in order, over any pages, in pieces of any size', async () => {
  await fc.assert(
    fc.asyncProperty(treeOfNames, fc.integer({ min: 1, max: 7 }), async (names, few) => {
      const fixture = new TreeFixture()
      try {
        const expected = makeTree(fixture, names)
        const inPieces = (): Source =>
          openFileSource({ root: fixture.root, isSameFileSystemOnly: true, namesMax: few, hugeDirectoryBytes: 0 })
        assert.deepEqual(
          keysOf(await listFrom(fixture.source, null, { entriesMax: few, nameBytesMax: 1000 })),
          expected,
        )
        assert.deepEqual(keysOf(await listByPages(() => fixture.again(), few)), expected)
        assert.deepEqual(keysOf(await listByPages(inPieces, few)), expected)
        const source = inPieces()
        assert.deepEqual(keysOf(await listFrom(source, null, wide)), expected)
        await source.close()
      } finally {
        await fixture.close()
      }
    }),
    { numRuns: 25 },
  )
})

/** Directories one in another, made from each other's descriptors: the path is far longer than any call takes. */
function makeDeepTree(root: string, segments: readonly string[]): void {
  let fd = fs.openSync(root, fs.constants.O_DIRECTORY)
  for (const name of segments) {
    fs.mkdirSync(`/proc/self/fd/${fd}/${name}`)
    const child = fs.openSync(`/proc/self/fd/${fd}/${name}`, fs.constants.O_DIRECTORY)
    fs.closeSync(fd)
    fd = child
  }
  fs.writeFileSync(`/proc/self/fd/${fd}/last`, 'at the bottom')
  fs.closeSync(fd)
}

test('2,000 levels and 40,000 bytes of path are walked, resumed at the bottom, looked at and opened', async () => {
  const fixture = freshTree()
  const segments = Array.from({ length: 2000 }, (_, index) => `level-number-${index}`)
  makeDeepTree(fixture.root, segments)
  fixture.write('level-number-0/level-number-1.txt', Buffer.from('x'))
  fixture.write('level-number-0/z', Buffer.from('x'))
  fixture.write('z', Buffer.from('x'))
  const descriptors = (): number => fs.readdirSync('/proc/self/fd').length
  const before = descriptors()
  // One page: the names alone are 37 MB and would be cut by the bound on name bytes.
  const all = await fixture.source.list(null, { entriesMax: 10_000, nameBytesMax: 2 ** 30 }, neverAborted)
  assert.equal(all.entries.length, 2004)
  assert.equal(all.cursor, null)
  const bottom = Buffer.from(`${segments.join('/')}/last`)
  const at = all.entries.findIndex((entry) => entry.name.equals(bottom))
  assert.equal(at, 2001, 'behind its directories and the file whose name is the beginning of one')
  const entry = all.entries[at]
  assert.ok(entry !== undefined)
  assert.deepEqual(await fixture.source.look(bottom), entry)
  const reader = await fixture.source.open(bottom, entry.identity)
  const buffer = Buffer.alloc(13)
  await reader.read(buffer, 0, neverAborted)
  await reader.confirm()
  await reader.close()
  assert.equal(buffer.toString(), 'at the bottom')
  const other = fixture.again()
  assert.deepEqual(keysOf(await listFrom(other, bottom, wide)), ['level-number-0/z', 'z'])
  await other.close()
  assert.ok(descriptors() - before < 100, 'open descriptors do not grow with the depth')
})

test('a directory of 20,000 entries is listed in order, whole and in pieces', async () => {
  const fixture = freshTree()
  for (let index = 0; index < 20_000; index += 1) {
    fs.closeSync(fs.openSync(`${fixture.root}/${String((index * 7919) % 20_000).padStart(5, '0')}`, 'w'))
  }
  const expected = Array.from({ length: 20_000 }, (_, index) => String(index).padStart(5, '0'))
  assert.deepEqual(keysOf(await listFrom(fixture.source, null, wide)), expected)
  const options = { isSameFileSystemOnly: true, namesMax: 3000, hugeDirectoryBytes: 1 }
  const source = openFileSource({ root: fixture.root, ...options })
  assert.deepEqual(keysOf(await listFrom(source, null, wide)), expected)
  await source.close()
})

test('directories that come and go during the walk leave order and the rest as they are', async () => {
  const fixture = freshTree()
  for (let level = 0; level < 100; level += 1) fixture.write(`${'d/'.repeat(level)}e`, Buffer.from('x'))
  const first = await fixture.source.list(null, { entriesMax: 99, nameBytesMax: 100_000 }, neverAborted)
  assert.equal(first.entries.at(-1)?.name.toString(), 'd/'.repeat(98).concat('d'))
  // The levels near the root are closed by now; one of them is replaced.
  fs.renameSync(fixture.path('d/d'), fixture.path('aside'))
  fixture.write('d/d/f', Buffer.from('x'))
  const rest = await listFrom(fixture.source, first.cursor, wide)
  assert.deepEqual(keysOf(rest), keysOf(rest).sort())
  assert.deepEqual(keysOf(rest).slice(-2), ['d/e', 'e'])
  // What the walk still saw in the moved directory has gone when it is asked for by its name.
  const moved = rest.find((entry) => entry.name.toString() === 'd/d/e')
  assert.ok(moved !== undefined)
  await assert.rejects(fixture.source.open(moved.name, moved.identity), isCode('SOURCE_VANISHED'))
  assert.deepEqual(keysOf(await listFrom(fixture.again(), first.cursor, wide)), ['d/d/f', 'd/e', 'e'])
})

test('the root: missing, a file, below a file, given through a link', async () => {
  const fixture = freshTree()
  fixture.write('f', Buffer.from('x'))
  fixture.write('d/x', Buffer.from('x'))
  fixture.link('door', 'd')
  const source = (name: string): Source => openFileSource({ root: fixture.path(name), isSameFileSystemOnly: true })
  for (const [name, code] of [
    ['none', 'SOURCE_MISSING'],
    ['f', 'SOURCE_NOT_A_TREE'],
    ['f/x', 'SOURCE_MISSING'],
  ] as const) {
    await assert.rejects(source(name).describe(), isCode(code))
    await assert.rejects(source(name).list(null, wide, neverAborted), isCode(code))
  }
  const door = source('door')
  assert.deepEqual(keysOf(await listFrom(door, null, wide)), ['x'])
  assert.equal((await door.describe()).rootIdentity, (await source('d').describe()).rootIdentity)
  await door.close()
  await door.close()
})

test('a root that was replaced shows in its description', async () => {
  const fixture = freshTree()
  fixture.makeDirectory('root')
  const source = openFileSource({ root: fixture.path('root'), isSameFileSystemOnly: true })
  const before = await source.describe()
  fs.renameSync(fixture.path('root'), fixture.path('old'))
  fixture.makeDirectory('root')
  assert.notEqual((await source.describe()).rootIdentity, before.rootIdentity)
  await source.close()
})
