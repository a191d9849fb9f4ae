// What every source adapter promises; the traps at the head of libs/source/source.ts, one test each.
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import type { ListLimits, Source, SourceEntry } from '#libs/source/source'
import type { Bytes } from '#schemas/avro'

/** A fresh, empty tree and a source over it. Names given as strings are UTF-8; parents are made as needed. */
export interface SourceFixture {
  readonly source: Source
  /** Another source over the same tree, as another process has it. */
  again(): Source
  write(name: string | Bytes, bytes: Buffer): void
  /** A new file moved over the name. */
  replace(name: string | Bytes, bytes: Buffer): void
  makeDirectory(name: string | Bytes): void
  link(name: string | Bytes, to: string | Bytes): void
  makeSpecial(name: string | Bytes): void
  remove(name: string | Bytes): void
  /** Takes away the right to read; null where that cannot be done (the tests run as root). */
  readonly deny: ((name: string | Bytes) => void) | null
  close(): Promise<void>
}

export const wide: ListLimits = { entriesMax: 1000, nameBytesMax: 262_144 }
export const neverAborted: AbortSignal = new AbortController().signal

export async function listFrom(source: Source, cursor: Bytes | null, limits: ListLimits): Promise<SourceEntry[]> {
  const entries: SourceEntry[] = []
  let at = cursor
  do {
    const page = await source.list(at, limits, neverAborted)
    assert.ok(page.entries.length <= limits.entriesMax)
    assert.ok(page.cursor === null || page.entries.length > 0, 'a listing that goes on must move')
    entries.push(...page.entries)
    at = page.cursor
  } while (at !== null)
  return entries
}

/** Each page from a source of its own, as after a crash. */
export async function listByPages(open: () => Source, entriesMax: number): Promise<SourceEntry[]> {
  const entries: SourceEntry[] = []
  let cursor: Bytes | null = null
  do {
    const source = open()
    const page = await source.list(cursor, { entriesMax, nameBytesMax: 262_144 }, neverAborted)
    await source.close()
    entries.push(...page.entries)
    cursor = page.cursor
  } while (cursor !== null)
  return entries
}

/** latin1, a slash behind directories: comparing these strings compares the port's order. */
export function keysOf(entries: readonly SourceEntry[]): string[] {
  return entries.map((entry) => `${entry.name.toString('latin1')}${entry.kind === 'directory' ? '/' : ''}`)
}

export async function entryOf(source: Source, name: string | Bytes): Promise<SourceEntry> {
  const entry = await source.look(Buffer.from(name))
  assert.ok(entry !== null, `${String(name)} is there`)
  return entry
}

export function isCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WaybillError, String(error))
    assert.equal(error.code, code)
    return true
  }
}

async function readWhole(source: Source, name: string): Promise<Buffer> {
  const entry = await entryOf(source, name)
  const reader = await source.open(entry.name, entry.identity)
  try {
    const buffer = Buffer.alloc(entry.identity.size)
    await reader.read(buffer, 0, neverAborted)
    await reader.confirm()
    return buffer
  } finally {
    await reader.close()
  }
}

type Promised = (name: string, body: (fixture: SourceFixture, context: TestContext) => Promise<void>) => void

function listingPromises(promise: Promised): void {
  promise('an empty source is one page without entries', async ({ source }) => {
    assert.deepEqual(await source.list(null, wide, neverAborted), { entries: [], cursor: null })
  })

  promise('order is that of bytes with a slash behind directories', async (fixture) => {
    for (const name of ['a/b', 'a.txt', 'a!/x', 'a0', 'a-/-', 'A', 'ab/c/d']) fixture.write(name, Buffer.from('x'))
    fixture.write(Buffer.from([0xff, 0xfe]), Buffer.from('x'))
    fixture.write(Buffer.from('a/é'), Buffer.from('x'))
    const keys = keysOf(await listFrom(fixture.source, null, wide))
    assert.deepEqual(keys.slice(0, 8), ['A', 'a!/', 'a!/x', 'a-/', 'a-/-', 'a.txt', 'a/', 'a/b'])
    assert.deepEqual(keys.slice(8), ['a/Ã©', 'a0', 'ab/', 'ab/c/', 'ab/c/d', 'ÿþ'])
  })

  promise('pages keep to entries and name bytes, and an entry too long for any page comes alone', async (fixture) => {
    for (let index = 0; index < 25; index += 1) fixture.write(`file-${index}`, Buffer.alloc(index))
    fixture.link('long', 'x'.repeat(500))
    const all = await listFrom(fixture.source, null, wide)
    for (const limits of [
      { entriesMax: 1, nameBytesMax: 1000 },
      { entriesMax: 7, nameBytesMax: 1000 },
      { entriesMax: 1000, nameBytesMax: 40 },
    ]) {
      assert.deepEqual(await listFrom(fixture.source, null, limits), all)
    }
    const short = await fixture.source.list(null, { entriesMax: 1000, nameBytesMax: 40 }, neverAborted)
    assert.ok(short.entries.reduce((sum, entry) => sum + entry.name.length, 0) <= 40)
    assert.equal(short.entries.length > 1, true)
  })

  promise('another process goes on from every cursor with exactly the rest', async (fixture) => {
    for (const name of ['a/b/c', 'a/b.c', 'a.b/c']) fixture.write(name, Buffer.from('x'))
    fixture.makeDirectory('a/b/empty')
    fixture.write('a/b-', Buffer.from('x'))
    fixture.write('z', Buffer.from('x'))
    const all = await listFrom(fixture.source, null, wide)
    let cursor: Bytes | null = null
    for (let count = 1; count < all.length; count += 1) {
      const source = fixture.again()
      const page = await source.list(cursor, { entriesMax: 1, nameBytesMax: 1000 }, neverAborted)
      cursor = page.cursor
      assert.ok(cursor !== null)
      await source.close()
      const other = fixture.again()
      assert.deepEqual(await listFrom(other, cursor, wide), all.slice(count))
      await other.close()
    }
  })

  promise('a cursor whose entry has gone, or is of another kind now, still leads on', async (fixture) => {
    for (const name of ['a', 'd/1', 'd/2/x', 'd/3', 'e']) fixture.write(name, Buffer.from('x'))
    const first = await fixture.source.list(null, { entriesMax: 5, nameBytesMax: 1000 }, neverAborted)
    assert.deepEqual(keysOf(first.entries), ['a', 'd/', 'd/1', 'd/2/', 'd/2/x'])
    const rest = async (): Promise<string[]> => {
      const source = fixture.again()
      const keys = keysOf(await listFrom(source, first.cursor, wide))
      await source.close()
      return keys
    }
    fixture.remove('d/2/x')
    assert.deepEqual(await rest(), ['d/3', 'e'])
    fixture.remove('d/2')
    assert.deepEqual(await rest(), ['d/3', 'e'])
    fixture.write('d/2', Buffer.from('a file now'))
    assert.deepEqual(await rest(), ['d/3', 'e'], 'd/2 without a slash stands before the cursor')
    fixture.remove('d')
    assert.deepEqual(await rest(), ['e'])
    fixture.link('d', 'a')
    assert.deepEqual(await rest(), ['e'])
  })

  promise('two listings at once do not disturb each other', async (fixture) => {
    for (let index = 0; index < 30; index += 1) fixture.write(`d${index % 3}/${index}`, Buffer.from('x'))
    const all = await listFrom(fixture.source, null, wide)
    const [one, other] = await Promise.all([
      listFrom(fixture.source, null, { entriesMax: 4, nameBytesMax: 1000 }),
      listFrom(fixture.source, null, { entriesMax: 5, nameBytesMax: 1000 }),
    ])
    assert.deepEqual(one, all)
    assert.deepEqual(other, all)
  })

  promise('an aborted listing rejects with the reason and can be asked again', async (fixture) => {
    fixture.write('a', Buffer.from('x'))
    const reason = new Error('stop')
    await assert.rejects(fixture.source.list(null, wide, AbortSignal.abort(reason)), reason)
    assert.equal((await listFrom(fixture.source, null, wide)).length, 1)
  })
}

function kindPromises(promise: Promised): void {
  promise('links are listed with their text and never followed', async (fixture) => {
    fixture.write('real/secret', Buffer.from('secret'))
    fixture.link('door', 'real')
    fixture.link('dangling', Buffer.from([0x2f, 0xff, 0x0a]))
    fixture.link('loop', 'loop')
    const entries = await listFrom(fixture.source, null, wide)
    assert.deepEqual(keysOf(entries), ['dangling', 'door', 'loop', 'real/', 'real/secret'])
    assert.deepEqual(
      entries.slice(0, 3).map((entry) => [entry.kind, entry.link?.toString('latin1'), entry.outcome]),
      [
        ['symlink', '/\xff\n', null],
        ['symlink', 'real', null],
        ['symlink', 'loop', null],
      ],
    )
    const secret = await entryOf(fixture.source, 'real/secret')
    assert.equal(await fixture.source.look(Buffer.from('door/secret')), null)
    await assert.rejects(fixture.source.open(Buffer.from('door/secret'), secret.identity), isCode('SOURCE_VANISHED'))
    const door = await entryOf(fixture.source, 'door')
    await assert.rejects(fixture.source.open(door.name, door.identity), isCode('SOURCE_CHANGED'))
  })

  promise('what is no file, directory or link is skipped with its reason and does not open', async (fixture) => {
    fixture.makeSpecial('pipe')
    const [entry] = await listFrom(fixture.source, null, wide)
    assert.ok(entry !== undefined)
    assert.deepEqual([entry.kind, entry.outcome, entry.code], ['special', 'skipped', 'SPECIAL_FILE'])
    await assert.rejects(fixture.source.open(entry.name, entry.identity), isCode('SOURCE_CHANGED'))
  })

  promise('what may not be read is an entry with its reason, never an absence', async (fixture, context) => {
    if (fixture.deny === null) return context.skip('run as root, who may read everything')
    fixture.write('d/hidden', Buffer.from('x'))
    fixture.write('f', Buffer.from('x'))
    fixture.deny('d')
    fixture.deny('f')
    const entries = await listFrom(fixture.source, null, wide)
    assert.deepEqual(
      entries.map((entry) => [entry.name.toString(), entry.outcome, entry.code]),
      [
        ['d', 'failed', 'SOURCE_UNREADABLE'],
        ['f', null, null],
      ],
    )
    assert.deepEqual(await listByPages(() => fixture.again(), 1), entries)
    const file = entries.at(1)
    assert.ok(file !== undefined)
    await assert.rejects(fixture.source.open(file.name, file.identity), isCode('SOURCE_UNREADABLE'))
    const hidden = await entryOf(fixture.source, 'd/hidden')
    assert.deepEqual([hidden.outcome, hidden.code], ['failed', 'SOURCE_UNREADABLE'])
  })

  promise('only files have a size, and permission bits come without the type', async (fixture) => {
    fixture.write('d/f', Buffer.alloc(1234))
    fixture.link('l', 'somewhere')
    const entries = await listFrom(fixture.source, null, wide)
    assert.deepEqual(
      entries.map((entry) => entry.identity.size),
      [0, 1234, 0],
    )
    assert.ok(entries.every((entry) => entry.attributes.mode <= 0o7777))
  })

  promise('a look gives the same entry as the listing, null for what is not there', async (fixture) => {
    fixture.write('d/f', Buffer.alloc(10))
    fixture.link('d/l', 'f')
    for (const entry of await listFrom(fixture.source, null, wide)) {
      assert.deepEqual(await fixture.source.look(entry.name), entry)
    }
    for (const name of ['x', 'd/x', 'x/y', 'd/f/x']) assert.equal(await fixture.source.look(Buffer.from(name)), null)
  })
}

function readingPromises(promise: Promised): void {
  promise('a read fills the buffer from its offset', async (fixture) => {
    const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251))
    fixture.write('d/f', bytes)
    fixture.write('empty', Buffer.alloc(0))
    assert.deepEqual(await readWhole(fixture.source, 'd/f'), bytes)
    assert.equal((await readWhole(fixture.source, 'empty')).length, 0)
    const entry = await entryOf(fixture.source, 'd/f')
    const reader = await fixture.source.open(entry.name, entry.identity)
    const [one, other] = [Buffer.alloc(1000), Buffer.alloc(1)]
    await Promise.all([reader.read(one, 4000, neverAborted), reader.read(other, 17, neverAborted)])
    assert.deepEqual(one, bytes.subarray(4000))
    assert.equal(other[0], 17)
    const reason = new Error('stop')
    await assert.rejects(reader.read(one, 0, AbortSignal.abort(reason)), reason)
    await reader.close()
    await reader.close()
  })

  promise('a read that ends early is an error, not an end', async (fixture) => {
    fixture.write('f', Buffer.alloc(1000, 1))
    const entry = await entryOf(fixture.source, 'f')
    const reader = await fixture.source.open(entry.name, entry.identity)
    await assert.rejects(reader.read(Buffer.alloc(1), 1000, neverAborted), isCode('SOURCE_SHORT_READ'))
    await assert.rejects(reader.read(Buffer.alloc(100), 950, neverAborted), isCode('SOURCE_SHORT_READ'))
    fixture.write('f', Buffer.alloc(10, 1))
    await assert.rejects(reader.read(Buffer.alloc(1000), 0, neverAborted), isCode('SOURCE_SHORT_READ'))
    await assert.rejects(reader.confirm(), isCode('SOURCE_CHANGED'))
    await reader.close()
  })

  promise('another version than the expected one does not open', async (fixture) => {
    fixture.write('d/f', Buffer.from('one'))
    const entry = await entryOf(fixture.source, 'd/f')
    fixture.write('d/f', Buffer.from('two'))
    await assert.rejects(fixture.source.open(entry.name, entry.identity), isCode('SOURCE_CHANGED'))
    const second = await entryOf(fixture.source, 'd/f')
    fixture.replace('d/f', Buffer.from('two'))
    await assert.rejects(fixture.source.open(entry.name, second.identity), isCode('SOURCE_CHANGED'))
    fixture.remove('d/f')
    await assert.rejects(fixture.source.open(entry.name, second.identity), isCode('SOURCE_VANISHED'))
    fixture.remove('d')
    await assert.rejects(fixture.source.open(entry.name, second.identity), isCode('SOURCE_VANISHED'))
    fixture.write('d/f', Buffer.from('new'))
    assert.equal((await readWhole(fixture.source, 'd/f')).toString(), 'new')
  })

  const changes: Readonly<Record<string, (fixture: SourceFixture) => void>> = {
    'written over': (fixture) => fixture.write('f', Buffer.from('BBBB')),
    'cut short': (fixture) => fixture.write('f', Buffer.from('A')),
    'made longer': (fixture) => fixture.write('f', Buffer.from('AAAAA')),
    'replaced by a file of the same bytes': (fixture) => fixture.replace('f', Buffer.from('AAAA')),
    removed: (fixture) => fixture.remove('f'),
  }
  for (const [change, make] of Object.entries(changes)) {
    promise(`an item ${change} while it is read is not confirmed`, async (fixture) => {
      fixture.write('f', Buffer.from('AAAA'))
      const entry = await entryOf(fixture.source, 'f')
      const reader = await fixture.source.open(entry.name, entry.identity)
      await reader.confirm()
      make(fixture)
      await assert.rejects(reader.confirm(), isCode('SOURCE_CHANGED'))
      await reader.close()
    })
  }
}

export function sourceContract(adapter: string, open: () => Promise<SourceFixture>): void {
  describe(`source contract: ${adapter}`, () => {
    const promise: Promised = (name, body) =>
      test(name, async (context) => {
        const fixture = await open()
        try {
          await body(fixture, context)
        } finally {
          await fixture.source.close()
          await fixture.close()
        }
      })
    listingPromises(promise)
    kindPromises(promise)
    readingPromises(promise)
    promise('a source describes itself the same each time, but for the time of its root', async (fixture) => {
      fixture.write('a', Buffer.from('x'))
      const first = await fixture.source.describe()
      assert.ok(first.rootIdentity.length > 0)
      fixture.write('b', Buffer.from('x'))
      assert.deepEqual({ ...(await fixture.again().describe()), mtimeNs: first.mtimeNs }, first)
    })
  })
}
