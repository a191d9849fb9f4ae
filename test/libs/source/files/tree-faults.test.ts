// What disturbs a tree while it is walked and read: mounts, swapped links, odd kinds, times, holes, errors of the disk.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { createServer } from 'node:net'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { setTimes } from '#libs/runtime/native'
import { openFileSource } from '#libs/source/files/file-source'
import { entryOf, isCode, keysOf, listFrom, neverAborted, wide } from '#test/contracts/source.contract'
import { isRoot, TreeFixture } from './tree-fixture.ts'

const fixtures: TreeFixture[] = []
after(async () => {
  for (const fixture of fixtures) await fixture.close()
})

function freshTree(): TreeFixture {
  const fixture = new TreeFixture()
  fixtures.push(fixture)
  return fixture
}

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0
}

test('another file system is listed and not entered, unless asked to', async (context) => {
  const fixture = freshTree()
  fixture.makeDirectory('mounted')
  fixture.write('z', Buffer.from('x'))
  const place = fixture.path('mounted').toString()
  if (!isRoot || !runs('mount', '-t', 'tmpfs', 'none', place)) return context.skip('mounting needs root')
  try {
    fixture.write('mounted/inside', Buffer.from('x'))
    const entries = await listFrom(fixture.source, null, wide)
    assert.deepEqual(keysOf(entries), ['mounted/', 'z'])
    assert.deepEqual([entries[0]?.outcome, entries[0]?.code], ['skipped', 'OTHER_FILE_SYSTEM'])
    const everywhere = openFileSource({ root: fixture.root, isSameFileSystemOnly: false })
    assert.deepEqual(keysOf(await listFrom(everywhere, null, wide)), ['mounted/', 'mounted/inside', 'z'])
    await everywhere.close()
    const resumed = fixture.again()
    assert.deepEqual(keysOf(await listFrom(resumed, Buffer.from('mounted/'), wide)), ['z'])
  } finally {
    runs('umount', place)
  }
})

test('a root that is unmounted shows as another one', async (context) => {
  const fixture = freshTree()
  fixture.makeDirectory('root')
  const root = fixture.path('root').toString()
  if (!isRoot || !runs('mount', '-t', 'tmpfs', 'none', root)) return context.skip('mounting needs root')
  const source = openFileSource({ root, isSameFileSystemOnly: true })
  const mounted = await source.describe()
  assert.ok(runs('umount', root))
  assert.notEqual((await source.describe()).rootIdentity, mounted.rootIdentity)
  await source.close()
})

test('pipes, sockets and devices neither hold up the walk nor open', async () => {
  const fixture = freshTree()
  for (let index = 0; index < 8; index += 1) fixture.makeSpecial(`pipe-${index}`)
  const server = createServer().listen(`${fixture.root}/socket`)
  await new Promise((resolve) => server.once('listening', resolve))
  if (isRoot) runs('mknod', `${fixture.root}/device`, 'c', '1', '3')
  const entries = await listFrom(fixture.source, null, wide)
  assert.equal(entries.length, isRoot ? 10 : 9)
  for (const entry of entries) {
    assert.deepEqual([entry.kind, entry.code], ['special', 'SPECIAL_FILE'])
    await assert.rejects(fixture.source.open(entry.name, entry.identity), isCode('SOURCE_CHANGED'))
  }
  server.close()
})

test('a pipe put in the place of a file does not open', async () => {
  const fixture = freshTree()
  fixture.write('f', Buffer.from('x'))
  const entry = await entryOf(fixture.source, 'f')
  fixture.remove('f')
  fixture.makeSpecial('f')
  await assert.rejects(fixture.source.open(entry.name, entry.identity), isCode('SOURCE_CHANGED'))
})

test('times before 1970, after 2106 and to the nanosecond come as they are', async () => {
  const fixture = freshTree()
  const times = [-1n, -1_000_000_001n, 0n, 1n, 1_700_000_000_123_456_789n, 4_300_000_000_000_000_009n]
  for (const [index, mtimeNs] of times.entries()) {
    fixture.write(`f${index}`, Buffer.from('x'))
    setTimes(fixture.path(`f${index}`), { atimeNs: 0n, mtimeNs })
  }
  const entries = await listFrom(fixture.source, null, wide)
  assert.deepEqual(
    entries.map((entry) => BigInt(entry.identity.mtimeNs)),
    times,
  )
})

test('a sparse file is read with its holes', async () => {
  const fixture = freshTree()
  const size = 5 * 1024 ** 3
  fs.closeSync(fs.openSync(fixture.path('sparse'), 'w'))
  fs.truncateSync(fixture.path('sparse'), size)
  const fd = fs.openSync(fixture.path('sparse'), 'r+')
  fs.writeSync(fd, 'end', size - 3)
  fs.closeSync(fd)
  const entry = await entryOf(fixture.source, 'sparse')
  assert.equal(entry.identity.size, size)
  const reader = await fixture.source.open(entry.name, entry.identity)
  const buffer = Buffer.alloc(10 * 1024 * 1024, 1)
  await reader.read(buffer, size - buffer.length, neverAborted)
  await reader.close()
  assert.equal(buffer.subarray(-3).toString(), 'end')
  assert.ok(buffer.subarray(0, -3).every((byte) => byte === 0))
})

test('hard links are items of their own with one inode', async () => {
  const fixture = freshTree()
  fixture.write('one', Buffer.from('x'))
  fs.linkSync(fixture.path('one'), fixture.path('two'))
  const entries = await listFrom(fixture.source, null, wide)
  assert.equal(entries.length, 2)
  assert.equal(entries[0]?.identity.inode, entries[1]?.identity.inode)
})

test('a kept directory that was moved away and replaced is not mistaken for the new one', async () => {
  const fixture = freshTree()
  fixture.write('a/b/f', Buffer.from('old'))
  const old = await entryOf(fixture.source, 'a/b/f')
  await (await fixture.source.open(old.name, old.identity)).close()
  fs.renameSync(fixture.path('a'), fixture.path('moved'))
  fixture.write('a/b/f', Buffer.from('new'))
  const now = await entryOf(fixture.source, 'a/b/f')
  const reader = await fixture.source.open(now.name, now.identity)
  const buffer = Buffer.alloc(3)
  await reader.read(buffer, 0, neverAborted)
  await reader.close()
  assert.equal(buffer.toString(), 'new')
})

test('descriptors stay few over many directories read at once, and none is left after close', async () => {
  const fixture = freshTree()
  const count = (): number => fs.readdirSync('/proc/self/fd').length
  const before = count()
  for (let index = 0; index < 300; index += 1) fixture.write(`p${index % 7}/d${index}/f`, Buffer.from('x'))
  const source = fixture.again()
  const files = (await listFrom(source, null, wide)).filter((entry) => entry.kind === 'file')
  const queue = [...files, ...files]
  const work = async (): Promise<void> => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      const reader = await source.open(entry.name, entry.identity)
      await reader.read(Buffer.alloc(1), 0, neverAborted)
      await reader.confirm()
      await reader.close()
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  assert.ok(count() - before < 70, `${count() - before} descriptors`)
  await source.close()
  assert.equal(count(), before)
})

/** Puts a link to `outside` in the directory's place and takes it away again, as fast as it can, until it is stopped. */
const swapper = `
  const fs = require('node:fs')
  const { workerData, parentPort } = require('node:worker_threads')
  const { root, stop } = workerData
  let swaps = 0
  while (Atomics.load(stop, 0) === 0) {
    fs.renameSync(root + '/d', root + '/aside')
    fs.renameSync(root + '/link', root + '/d')
    fs.renameSync(root + '/d', root + '/link')
    fs.renameSync(root + '/aside', root + '/d')
    swaps += 1
  }
  parentPort.postMessage(swaps)`

test('a directory swapped with a link during the walk never lets anything outside in', async () => {
  const [fixture, outside] = [freshTree(), freshTree()]
  fixture.write('d/inside', Buffer.from('x'))
  fixture.write('d/both', Buffer.from('x'))
  fixture.link('link', outside.root)
  outside.write('secret', Buffer.from('secret'))
  outside.write('both', Buffer.from('secret'))
  const foreign = (await entryOf(outside.source, 'both')).identity
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(swapper, { eval: true, workerData: { root: fixture.root, stop } })
  const swaps = new Promise<number>((resolve) => worker.once('message', resolve))
  let looks = 0
  for (let round = 0; round < 300; round += 1) {
    for (const entry of await listFrom(fixture.source, null, wide)) assert.ok(!entry.name.includes('secret'))
    const seen = await fixture.source.look(Buffer.from('d/both'))
    if (seen !== null) looks += 1
    assert.notEqual(seen?.identity.inode, foreign.inode)
    await assert.rejects(fixture.source.open(Buffer.from('d/both'), foreign))
  }
  Atomics.store(stop, 0, 1)
  assert.ok((await swaps) > 100, 'the race was run')
  assert.ok(looks > 0, 'and the directory was there at times')
})
