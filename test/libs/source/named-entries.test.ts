import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNameList } from '#libs/domain/name-list'
import { orderOf } from '#libs/domain/name-order'
import { openMemorySource } from '#libs/source/memory-source'
import { MemoryTree } from '#libs/source/memory-tree'
import { withNamedEntries } from '#libs/source/named-entries'
import type { Source, SourceEntry } from '#libs/source/source'
import { seededRandom } from '#test/support/seeded-random'

const never = new AbortController().signal

function named(tree: MemoryTree, names: readonly string[]): Source {
  const list = parseNameList(Buffer.from(names.join('\0')), 0)
  assert.ok(list.ok)
  return withNamedEntries(openMemorySource(tree), list.value)
}

/** All entries, each page asked of a new process. */
async function listAll(open: () => Source, entriesMax: number): Promise<readonly SourceEntry[]> {
  const entries: SourceEntry[] = []
  let cursor: Buffer | null = null
  do {
    const page: Awaited<ReturnType<Source['list']>> = await open().list(
      cursor,
      { entriesMax, nameBytesMax: 4096 },
      never,
    )
    assert.ok(page.entries.length <= entriesMax)
    entries.push(...page.entries)
    cursor = page.cursor
  } while (cursor !== null)
  return entries
}

const lacked = (entries: readonly SourceEntry[]): readonly string[] =>
  entries.filter(({ code }) => code === 'NAME_NOT_FOUND').map(({ name, kind }) => orderOf(name, kind).toString())

test('names that the source lacks are failed entries in their place, and all others are as they were', async () => {
  const tree = new MemoryTree()
  tree.makeDirectory('a')
  tree.write('a/b', Buffer.from('x'))
  tree.write('c', Buffer.from('x'))
  tree.link('link', 'a')
  const names = ['a/b', 'a/gone', 'c', 'c/below a file', 'c/', 'a', 'a/', 'link/b', 'zzz', '0', 'gone/']
  const wanted = ['0', 'a/gone', 'c/', 'c/below a file', 'gone/', 'link/b', 'zzz']
  for (const entriesMax of [1, 2, 3, 100]) {
    const entries = await listAll(() => named(tree, names), entriesMax)
    assert.deepEqual(lacked(entries), wanted)
    assert.deepEqual(
      entries.map(({ name, kind }) => orderOf(name, kind).toString()),
      [...wanted, 'a/', 'a/b', 'c', 'link'].sort((a, b) => (a < b ? -1 : 1)),
    )
  }
})

test('any list of names on any tree gives each lacking name once, in pages of any length', async () => {
  const seed = Number(process.env['WAYBILL_TEST_SEED'] ?? Date.now() % 2 ** 31)
  console.log(`seed ${seed}`)
  const random = seededRandom(seed)
  for (let round = 0; round < 50; round += 1) {
    const tree = new MemoryTree()
    const names: string[] = []
    for (let n = 0; n < 60; n += 1) {
      const folder = `f${Math.floor(random() * 4)}`
      const name = random() < 0.7 ? `${folder}/${Math.floor(random() * 30)}` : `${Math.floor(random() * 30)}`
      if (random() < 0.5) {
        if (name.startsWith('f')) tree.makeDirectory(folder)
        tree.write(name, Buffer.from('x'))
      }
      if (random() < 0.6) names.push(name)
    }
    const wanted = [...new Set(names)].filter((name) => tree.nodeOf(name) === null).sort((a, b) => (a < b ? -1 : 1))
    const entries = await listAll(() => named(tree, names), 1 + Math.floor(random() * 10))
    assert.deepEqual(lacked(entries), wanted)
    assert.equal(entries.length, wanted.length + tree.sortedKeys().length)
  }
})

test('a name below a directory that cannot be read is not said to be lacking', async () => {
  const tree = new MemoryTree()
  tree.makeDirectory('folder')
  tree.write('folder/file', Buffer.from('x'))
  tree.deny('folder')
  const entries = await listAll(() => named(tree, ['folder/file', 'folder/other']), 10)
  assert.deepEqual(
    entries.map(({ code }) => code),
    ['SOURCE_UNREADABLE'],
  )
})
