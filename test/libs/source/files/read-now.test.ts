import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'
import type { Source, SourceEntry } from '#libs/source/source'
import { entryOf, isCode, neverAborted } from '#test/contracts/source.contract'
import { TreeFixture } from './tree-fixture.ts'

const text = Buffer.from('sixteen bytes it is')

function readNow(source: Source, entry: SourceEntry): Buffer | null {
  const buffer = Buffer.alloc(entry.identity.size)
  assert.ok(source.readNow !== undefined)
  return source.readNow(entry.name, entry.identity, buffer) ? buffer : null
}

/** The usual way, which also opens the directory. */
async function readLater(source: Source, entry: SourceEntry): Promise<Buffer> {
  const buffer = Buffer.alloc(entry.identity.size)
  const reader = await source.open(entry.name, entry.identity)
  try {
    await reader.read(buffer, 0, neverAborted)
    await reader.confirm()
    return buffer
  } finally {
    await reader.close()
  }
}

function openFiles(): number {
  return fs.readdirSync('/proc/self/fd').length
}

async function onTree(
  test: (fixture: TreeFixture) => Promise<void>,
  options: ConstructorParameters<typeof TreeFixture>[0] = { clock: systemClock },
): Promise<void> {
  const fixture = new TreeFixture(options)
  try {
    await test(fixture)
  } finally {
    await fixture.close()
  }
}

test('a small file is read at once where its directory is open, and no descriptor stays open', async () => {
  await onTree(async (fixture) => {
    fixture.write('a/b/first', text)
    fixture.write('a/b/second', text)
    const first = await entryOf(fixture.source, 'a/b/first')
    const second = await entryOf(fixture.source, 'a/b/second')
    assert.equal(readNow(fixture.source, first), null, 'no directory is open yet')
    assert.deepEqual(await readLater(fixture.source, first), text)
    const before = openFiles()
    for (let times = 0; times < 10; times += 1) assert.deepEqual(readNow(fixture.source, second), text)
    assert.equal(openFiles(), before)
  })
})

test('what is another version, gone, a link or unreadable is not read at once, and the usual way says why', async () => {
  await onTree(async (fixture) => {
    for (const name of ['d/changed', 'd/replaced', 'd/shorter', 'd/gone', 'd/link', 'd/good']) fixture.write(name, text)
    const names = ['d/changed', 'd/replaced', 'd/shorter', 'd/gone', 'd/link']
    const entries = new Map<string, SourceEntry>()
    for (const name of names) entries.set(name, await entryOf(fixture.source, name))
    await readLater(fixture.source, await entryOf(fixture.source, 'd/good'))
    fixture.write('d/changed', Buffer.from('SIXTEEN BYTES IT IS'))
    fixture.replace('d/replaced', text)
    fixture.write('d/shorter', text.subarray(0, 3))
    fixture.remove('d/gone')
    fixture.remove('d/link')
    fixture.link('d/link', 'good')
    const before = openFiles()
    for (const [name, entry] of entries) {
      assert.equal(readNow(fixture.source, entry), null, name)
      const code = name === 'd/gone' ? 'SOURCE_VANISHED' : 'SOURCE_CHANGED'
      await assert.rejects(readLater(fixture.source, entry), isCode(code), name)
    }
    assert.equal(openFiles(), before)
  })
})

test('nothing is read at once on remote file systems, without a clock, after the end, or of large files', async () => {
  for (const options of [{ clock: systemClock, isRemote: true }, {}]) {
    await onTree(async (fixture) => {
      fixture.write('file', text)
      const entry = await entryOf(fixture.source, 'file')
      await readLater(fixture.source, entry)
      assert.equal(readNow(fixture.source, entry), null)
    }, options)
  }
  await onTree(async (fixture) => {
    fixture.write('file', text)
    fixture.write('large', Buffer.alloc(1024 * 1024))
    const [entry, large] = [await entryOf(fixture.source, 'file'), await entryOf(fixture.source, 'large')]
    assert.deepEqual(readNow(fixture.source, entry), text)
    assert.equal(readNow(fixture.source, large), null)
    await fixture.source.close()
    assert.equal(readNow(fixture.source, entry), null)
  })
})

test('the name of no item is refused', async () => {
  await onTree(async (fixture) => {
    fixture.write('file', text)
    const { identity } = await entryOf(fixture.source, 'file')
    assert.throws(
      () => fixture.source.readNow?.(Buffer.from('../file'), identity, Buffer.alloc(text.length)),
      TypeError,
    )
  })
})
