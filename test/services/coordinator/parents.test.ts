import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemorySource } from '#libs/source/memory-source'
import { MemoryTree } from '#libs/source/memory-tree'
import type { SourceEntry } from '#libs/source/source'
import { withParents } from '#services/coordinator/parents'

const limits = { entriesMax: 100, nameBytesMax: 10_000 }

async function listed(
  tree: MemoryTree,
): Promise<{ source: ReturnType<typeof openMemorySource>; entries: readonly SourceEntry[] }> {
  const source = openMemorySource(tree)
  const { entries } = await source.list(null, limits, new AbortController().signal)
  return { source, entries }
}

const names = (entries: readonly SourceEntry[]): readonly string[] => entries.map(({ name }) => name.toString())

test('directories that hold something selected are listed before it, once', async () => {
  const tree = new MemoryTree()
  for (const name of ['a', 'a/b', 'a/b/c', 'd']) tree.makeDirectory(name)
  for (const name of ['a/b/c/one', 'a/b/two', 'd/three']) tree.write(name, Buffer.from(name))
  const { source, entries } = await listed(tree)
  const files = entries.filter(({ kind }) => kind === 'file')
  const complete = await withParents(source, files, null)
  assert.deepEqual(names(complete), names(entries))
  const rest = await withParents(source, files.slice(1), Buffer.from('a/b/c/one'))
  assert.deepEqual(names(rest), ['a/b/two', 'd', 'd/three'])
})

test('a listing without filters is left as it is', async () => {
  const tree = new MemoryTree()
  tree.makeDirectory('a')
  tree.write('a/one', Buffer.from('1'))
  tree.write('b', Buffer.from('2'))
  const { source, entries } = await listed(tree)
  assert.deepEqual(names(await withParents(source, entries, null)), names(entries))
})
