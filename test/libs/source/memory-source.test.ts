import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import { openMemorySource } from '#libs/source/memory-source'
import { MemoryTree } from '#libs/source/memory-tree'
import { entryOf, isCode, keysOf, listFrom, neverAborted, sourceContract, wide } from '#test/contracts/source.contract'

sourceContract('memory', async () => {
  const tree = new MemoryTree()
  return {
    source: openMemorySource(tree),
    again: () => openMemorySource(tree),
    write: (name, bytes) => tree.write(name, bytes),
    replace: (name, bytes) => tree.replace(name, bytes),
    makeDirectory: (name) => tree.makeDirectory(name),
    link: (name, to) => tree.link(name, to),
    makeSpecial: (name) => tree.makeSpecial(name),
    remove: (name) => tree.remove(name),
    deny: (name) => tree.deny(name),
    close: () => Promise.resolve(),
  }
})

test('a hook before each call can change the tree, hold it up, or answer with an error', async () => {
  const tree = new MemoryTree()
  tree.write('f', Buffer.from('AAAA'))
  const calls: string[] = []
  const source = openMemorySource(tree, {
    before: async (call) => {
      calls.push(call.method)
      await Promise.resolve()
      if (call.method === 'read' && call.offset === 2) tree.write('f', Buffer.from('BBBB'))
      if (call.method === 'look') throw new WaybillError('SOURCE_READ_ERROR')
    },
  })
  const [entry] = await listFrom(source, null, wide)
  assert.ok(entry !== undefined)
  const reader = await source.open(entry.name, entry.identity)
  const [one, other] = [Buffer.alloc(2), Buffer.alloc(2)]
  await reader.read(one, 0, neverAborted)
  await reader.read(other, 2, neverAborted)
  assert.equal(`${one}${other}`, 'AABB', 'a torn read, as real files give it')
  await assert.rejects(reader.confirm(), isCode('SOURCE_CHANGED'))
  await assert.rejects(source.look(entry.name), isCode('SOURCE_READ_ERROR'))
  assert.deepEqual(calls, ['list', 'open', 'read', 'read', 'confirm', 'look'])
})

test('a mounted file system is listed and not entered, a lost root is missing', async () => {
  const tree = new MemoryTree()
  tree.write('m/x', Buffer.from('x'))
  tree.mountOver('m')
  const source = openMemorySource(tree)
  const entries = await listFrom(source, null, wide)
  assert.deepEqual(keysOf(entries), ['m/'])
  assert.deepEqual([entries[0]?.outcome, entries[0]?.code], ['skipped', 'OTHER_FILE_SYSTEM'])
  tree.rootIdentity = null
  await assert.rejects(source.describe(), isCode('SOURCE_MISSING'))
  await assert.rejects(source.list(null, wide, neverAborted), isCode('SOURCE_MISSING'))
})

test('the same changes give the same identities', async () => {
  const build = (): MemoryTree => {
    const tree = new MemoryTree()
    tree.write('a/b', Buffer.from('x'))
    tree.write('a/b', Buffer.from('y'))
    return tree
  }
  const [one, other] = [openMemorySource(build()), openMemorySource(build())]
  assert.deepEqual(await entryOf(one, 'a/b'), await entryOf(other, 'a/b'))
})
