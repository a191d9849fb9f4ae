import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import picomatch from 'picomatch'
import { compileGlob, type Glob } from '#libs/domain/glob'
import { parseNameList } from '#libs/domain/name-list'
import { unitsOf } from '#libs/domain/name-text'
import type { Parsed } from '#libs/domain/quantity'
import {
  closeRules,
  compileSelection,
  parseFilterFile,
  type Selection,
  type SelectionRule,
} from '#libs/domain/selection'

function read<T>(result: Parsed<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.problem)
  return result.value
}

const bytesOf = (name: string): Buffer => Buffer.from(name)
const glob = (text: string): Glob => read(compileGlob(text))
const matches = (text: string, name: string | Buffer): boolean => glob(text).matches(unitsOf(Buffer.from(name)))

const everything = { sizeBytesMin: null, sizeBytesMax: null, modifiedAfterMs: null, symlinks: 'keep' } as const

function rulesOf(...lines: readonly string[]): readonly SelectionRule[] {
  return read(parseFilterFile(bytesOf(lines.join('\n'))))
}

function selectionOf(...lines: readonly string[]): Selection {
  return read(compileSelection({ ...everything, rules: rulesOf(...lines) }, null))
}

const identity = { size: 1000, mtimeNs: '1700000000000000000' }
const isMoved = (selection: Selection, name: string, kind: 'file' | 'directory' = 'file'): boolean =>
  selection.choose({ name: bytesOf(name), kind, identity }) === 'move'

test('globs match as docs/options.md says', () => {
  const matching: readonly [string, string][] = [
    ['*.jpg', 'a.jpg'],
    ['*.jpg', 'deep/down/a.jpg'],
    ['/*.jpg', 'a.jpg'],
    ['/a/*.jpg', 'a/b.jpg'],
    ['a/b.txt', 'dir/a/b.txt'],
    ['/a/**/b', 'a/b'],
    ['/a/**/b', 'a/x/y/b'],
    ['/a/**', 'a/x/y'],
    ['**', 'anything/at/all'],
    ['cache/', 'x/cache/'],
    ['cache/', 'x/cache/y/z'],
    ['/tmp/', 'tmp/a'],
    ['?.txt', 'é.txt'],
    ['[!a-c].txt', 'd.txt'],
    ['[]x].txt', '].txt'],
    ['[ä-ü].txt', 'ö.txt'],
    ['*.{jpg,p{n,pe}g}', 'a.ppeg'],
    ['*.{jpg,p{n,pe}g}', 'a.png'],
    ['{,x}y', 'y'],
    ['\\*\\[\\]\\{\\}', '*[]{}'],
    ['\\xc3\\xa9', 'é'],
    ['line\nbreak*', 'line\nbreaks'],
    ['*', '.hidden'],
  ]
  for (const [text, name] of matching) assert.ok(matches(text, name), `${text} should match ${name}`)
  const differing: readonly [string, string][] = [
    ['/*.jpg', 'a/b.jpg'],
    ['*.jpg', 'a.jpg/'],
    ['cache', 'cache/'],
    ['b.txt', 'ab.txt'],
    ['a?b', 'a/b'],
    ['a[!x]b', 'a/b'],
    ['a*b', 'a/b'],
    ['/a/**/b', 'ab'],
    ['/a/**/b', 'a/xb'],
    ['A.txt', 'a.txt'],
    ['?', '🜂x'],
    ['cache/', 'xcache/y'],
  ]
  for (const [text, name] of differing) assert.ok(!matches(text, name), `${text} should not match ${name}`)
})

test('names that are not UTF-8 are matched byte by byte', () => {
  const name = Buffer.from([0x66, 0xff, 0xfe, 0x6f])
  assert.ok(matches('f\\xff\\xfeo', name))
  assert.ok(matches('f??o', name))
  assert.ok(matches('f[\\xf0-\\xff]\\xfe*', name))
  assert.ok(!matches('f?o', name))
  const [rule] = read(parseFilterFile(Buffer.concat([bytesOf('- f'), name.subarray(1, 3), bytesOf('o\n')])))
  assert.deepEqual(rule, { action: 'exclude', glob: 'f\\xff\\xfeo' })
  const [escaped] = read(parseFilterFile(Buffer.from([0x2d, 0x20, 0x5c, 0xff])))
  assert.ok(escaped !== undefined && matches(escaped.glob, Buffer.from([0xff])))
})

test('what is no glob is refused with a sentence', () => {
  const wrong: readonly [string, RegExp][] = [
    ['', /empty/],
    ['/', /empty/],
    ['[a', /not closed/],
    ['{a', /not closed/],
    ['a}', /no \{ before/],
    ['a\\', /nothing to escape/],
    ['[z-a]', /backwards/],
    ['[[:alpha:]]', /not supported/],
    ['{a,b}'.repeat(9), /more than 256/],
    ['\ufffd', /write it as/],
    ['a'.repeat(5000), /longer than/],
  ]
  for (const [text, sentence] of wrong) {
    const result = compileGlob(text)
    assert.ok(!result.ok, text)
    assert.match(result.problem, sentence)
  }
})

/** Pieces on which our globs and those of picomatch mean the same. */
const segment = fc
  .array(fc.constantFrom('a', 'b', 'é', '.', '*', '?', '[ab]', '[^a]', '{a,b.}', '\\*'), { minLength: 1, maxLength: 5 })
  .map((pieces) => pieces.join(''))
  // Stars beside each other are one thing to picomatch within a part, another to us.
  .filter((text) => !text.includes('**') && !/^\.{1,2}$/.test(text))
const globText = fc
  .array(fc.oneof({ weight: 4, arbitrary: segment }, { weight: 1, arbitrary: fc.constant('**') }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.filter((part, index) => part !== '**' || parts[index - 1] !== '**').join('/'))
  .filter((text) => !text.endsWith('**'))
const nameText = fc
  .array(
    fc
      .array(fc.constantFrom('a', 'b', 'é', '.', '*', 'c'), { minLength: 1, maxLength: 4 })
      .map((letters) => letters.join(''))
      // `*.*` does not match `a.` to picomatch, as it does to us and to every shell.
      .filter((text) => !text.endsWith('.')),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join('/'))

test('on names that are UTF-8, anchored globs agree with picomatch', () => {
  const seed = Date.now() % 1_000_000
  console.log(`seed ${seed}`)
  fc.assert(
    fc.property(globText, nameText, (text, name) => {
      const theirs = picomatch.isMatch(name, text, { dot: true, nonegate: true, noextglob: true, strictSlashes: true })
      assert.equal(matches(`/${text}`, name), theirs, `${text} on ${name}`)
    }),
    { seed, numRuns: 3000 },
  )
})

test('the slowest globs take time in proportion to glob times name', () => {
  const name = Buffer.from(`${'a'.repeat(20_000)}c`)
  const startedAt = performance.now()
  assert.ok(!matches(`${'*a'.repeat(60)}*b`, name))
  assert.ok(!matches(`${'**/*a'.repeat(30)}b`, name))
  assert.ok(performance.now() - startedAt < 5000)
})

test('the first rule that matches decides, and without one the item is moved', () => {
  const selection = selectionOf('# photos only', '+ /photos/raw/keep.tif', '- /photos/raw/', '+ *.tif', '- **')
  assert.ok(isMoved(selection, 'photos/raw/keep.tif'))
  assert.ok(!isMoved(selection, 'photos/raw/other.tif'))
  assert.ok(isMoved(selection, 'photos/x/other.tif'))
  assert.ok(!isMoved(selection, 'photos/x/other.txt'))
  assert.ok(isMoved(selectionOf('- *.tmp'), 'a.txt'))
  const included = read(compileSelection({ ...everything, rules: closeRules(rulesOf('+ *.jpg'), true) }, null))
  assert.ok(isMoved(included, 'a/b.jpg'))
  assert.ok(!isMoved(included, 'a/b.txt'))
})

test('a directory is not entered when nothing in it can be kept', () => {
  const selection = selectionOf('- cache/', '- /tmp/**', '+ *.jpg', '- **')
  assert.ok(!selection.entersDirectory(bytesOf('x/cache')))
  assert.ok(!selection.entersDirectory(bytesOf('tmp')))
  assert.ok(!isMoved(selection, 'tmp', 'directory'))
  assert.ok(selection.entersDirectory(bytesOf('photos')))
  assert.ok(selectionOf('+ /tmp/keep/**', '- /tmp/').entersDirectory(bytesOf('tmp')))
  assert.ok(!selectionOf('+ /tmp/keep/**', '- /tmp/').entersDirectory(bytesOf('tmp/other')))
  assert.ok(selectionOf('+ /tmp/keep/**', '- /tmp/').entersDirectory(bytesOf('tmp/keep/deep')))
})

test('no item that would be moved lies below a directory that is not entered', () => {
  const line = fc
    .tuple(fc.constantFrom('+', '-'), globText, fc.constantFrom('', '/', '/**'), fc.boolean())
    .map(([sign, text, end, isAnchored]) => `${sign} ${isAnchored ? '/' : ''}${text}${end}`)
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), nameText, (lines, name) => {
      const selection = selectionOf(...lines)
      if (!isMoved(selection, name)) return
      for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) {
        assert.ok(selection.entersDirectory(bytesOf(name.slice(0, at))), `${lines.join(' | ')} on ${name}`)
      }
    }),
    { numRuns: 2000 },
  )
})

test('a filter file names the line that is wrong', () => {
  const result = parseFilterFile(bytesOf('# fine\n+ *.jpg\r\n*.png\n'))
  assert.ok(!result.ok)
  assert.match(result.problem, /^line 3: a rule begins with/)
  const broken = parseFilterFile(bytesOf('- [a'))
  assert.ok(!broken.ok)
  assert.match(broken.problem, /^line 1: .*not closed/)
  assert.deepEqual(rulesOf('; no', '', '+ a b', '-\tc'), [
    { action: 'include', glob: 'a b' },
    { action: 'exclude', glob: 'c' },
  ])
})

test('sizes and times speak of regular files only', () => {
  const selection = read(
    compileSelection(
      { rules: [], sizeBytesMin: 1000, sizeBytesMax: 2000, modifiedAfterMs: 1_700_000_000_000, symlinks: 'skip' },
      null,
    ),
  )
  const choose = (size: number, mtimeNs: string, kind: 'file' | 'directory' | 'symlink' = 'file') =>
    selection.choose({ name: bytesOf('a'), kind, identity: { size, mtimeNs } })
  assert.equal(choose(1000, '1700000000000000001'), 'move')
  assert.equal(choose(1000, '1700000000000000000'), 'leave_out')
  assert.equal(choose(999, '1700000000000000001'), 'leave_out')
  assert.equal(choose(2001, '1700000000000000001'), 'leave_out')
  assert.equal(choose(0, '0', 'directory'), 'move')
  assert.equal(choose(0, '0', 'symlink'), 'skip_link')
})

test('a list of names moves what it names, whatever its order and form', () => {
  const list = read(parseNameList(bytesOf('b/c.txt\n./a//x/\n/d\n\nb/c.txt\n'), 10))
  assert.equal(list.count, 3)
  const selection = read(compileSelection({ ...everything, rules: [] }, list))
  assert.ok(isMoved(selection, 'b/c.txt'))
  assert.ok(isMoved(selection, 'b', 'directory'))
  assert.ok(isMoved(selection, 'a/x/deep/file'))
  assert.ok(isMoved(selection, 'a/x', 'directory'))
  assert.ok(isMoved(selection, 'd'))
  assert.ok(!isMoved(selection, 'b/d.txt'))
  assert.ok(!isMoved(selection, 'a/y'))
  assert.ok(!isMoved(selection, 'e', 'directory'))
  assert.ok(selection.entersDirectory(bytesOf('b')))
  assert.ok(selection.entersDirectory(bytesOf('a/x/deep')))
  assert.ok(!selection.entersDirectory(bytesOf('e')))
  const again = read(parseNameList(list.encode(), 0))
  assert.deepEqual(Buffer.from(again.encode()), Buffer.from(list.encode()))
  const start = new Uint8Array()
  assert.deepEqual([...again.behind(start)].map(String), [...list.behind(start)].map(String))
})

test('a list of names may hold line ends and bytes that are not UTF-8, and cannot leave the source', () => {
  const odd = Buffer.from('a\nb\u0000\ufffd'.replace('\ufffd', ''), 'utf8')
  const list = read(parseNameList(Buffer.concat([odd, Buffer.from([0xff, 0xfe, 0])]), 0))
  assert.ok(list.names(bytesOf('a\nb')))
  assert.ok(list.names(Buffer.from([0xff, 0xfe])))
  for (const [text, sentence] of [
    ['a/../b', /line 1 .* leaves the source/],
    ['a\n..', /line 2 .* leaves/],
    ['.', /source itself/],
    ['a\u0000b', /is -0 missing/],
  ] as const) {
    const result = parseNameList(bytesOf(text), 10)
    assert.ok(!result.ok, text)
    assert.match(result.problem, sentence)
  }
})

test('a list agrees with a plain set of names', () => {
  fc.assert(
    fc.property(fc.array(nameText, { maxLength: 30 }), nameText, (names, other) => {
      const list = read(parseNameList(bytesOf(names.join('\n')), 10))
      assert.equal(list.count, new Set(names).size)
      for (const name of [...names, other]) assert.equal(list.names(bytesOf(name)), names.includes(name))
      const isBelow = names.some((name) => name.startsWith(`${other}/`))
      assert.equal(list.namesBelow(bytesOf(`${other}/`)), isBelow)
    }),
  )
})
