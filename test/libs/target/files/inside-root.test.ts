// I6: nothing outside the root is written, replaced or read as if it were the target.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { openFileTarget } from '#libs/target/files/file-target'
import { isCode, neverAborted } from '#test/contracts/target-fixture'
import { dress, job, openWriter, request, scratch } from './file-fixture.ts'

const outsideBytes = 'not ours'

/** A root with `inside -> ../outside` in it, and `outside` with a file. */
function trapped(t: Parameters<typeof scratch>[0]): { root: string; outside: string } {
  const folder = scratch(t)
  const [root, outside] = [join(folder, 'root'), join(folder, 'outside')]
  mkdirSync(root)
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), outsideBytes)
  return { root, outside }
}

test('a link in the place of a parent is never followed: no write, no replacement, no reading, no listing', async (t) => {
  const { root, outside } = trapped(t)
  const { target, abilities, writer } = await openWriter(t, root)
  symlinkSync('../outside', join(root, 'inside'))
  const reader = target.reader(abilities)
  const there = { seal: `${lstatSync(join(outside, 'file'), { bigint: true }).ino}:0` }
  for (const kind of ['file', 'symlink', 'directory'] as const) {
    const put = writer.put(request('inside/new', '', { kind }), neverAborted)
    await assert.rejects(put, isCode('TARGET_EXISTS'))
  }
  const replace = request('inside/file', 'x', { condition: { kind: 'match', ...there } })
  await assert.rejects(writer.put(replace, neverAborted), isCode('TARGET_EXISTS'))
  await assert.rejects(writer.put(request('inside/deep/er', 'x'), neverAborted), isCode('TARGET_EXISTS'))
  assert.equal(await writer.find(Buffer.from('inside/file'), neverAborted), null)
  const read = {
    key: Buffer.from('inside/file'),
    kind: 'file',
    seal: null,
    offset: 0,
    length: 8,
    isFresh: false,
  } as const
  const reading = reader.read(read, () => assert.fail('no byte is given'), neverAborted)
  await assert.rejects(reading, isCode('TARGET_REPLACED', 'TARGET_MISSING'))
  const listed = await target.survey().list(null, 100, neverAborted)
  assert.deepEqual(
    listed.objects.map(({ key, kind }) => [key.toString(), kind]),
    [['inside', 'symlink']],
  )
  const entries = [{ key: Buffer.from('inside'), attributes: dress().attributes, mtimeNs: '1000000000' }]
  const failed = await target.uploads(abilities).finishDirectories(entries, neverAborted)
  assert.deepEqual(
    failed.map(({ code }) => code),
    ['TARGET_MISSING'],
  )
  assert.deepEqual(readdirSync(outside), ['file'])
  assert.equal(readFileSync(join(outside, 'file'), 'utf8'), outsideBytes)
})

/** Swaps `swapped` for a link to the outside and back, as quickly as it can, so many times. */
const swapper = `
  const fs = require('node:fs')
  process.chdir(process.argv[1])
  // The writer makes the directory anew when it finds none, so any of these may come too late.
  const attempt = (name, ...paths) => {
    try {
      fs[name](...paths)
    } catch {}
  }
  attempt('mkdirSync', 'swapped')
  process.stdout.write('ready')
  for (let time = 0; time < Number(process.argv[2]); time += 1) {
    attempt('renameSync', 'swapped', 'aside-' + time)
    attempt('symlinkSync', '../outside', 'swapped')
    attempt('unlinkSync', 'swapped')
    attempt('renameSync', 'aside-' + time, 'swapped')
  }
`

test('a parent that is swapped for a link all the time leads nowhere else', async (t) => {
  const { root, outside } = trapped(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const reader = target.reader(abilities)
  const child = spawn(process.execPath, ['-e', swapper, root, '6000'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const codes = new Map<string, number>()
  const note = async (work: Promise<unknown>): Promise<void> => {
    const code = await work.then(() => 'done').catch((error: { code: string }) => error.code)
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  for (let index = 0; child.exitCode === null && index < 200_000; index += 1) {
    const key = Buffer.from(`swapped/${index}`)
    await note(writer.put(request(key, 'ours'), neverAborted))
    // Drops the directories that are kept open, so the next put walks anew.
    await note(writer.settle([key], neverAborted))
    const read = {
      key: Buffer.from('swapped/file'),
      kind: 'file',
      seal: null,
      offset: 0,
      length: 8,
      isFresh: false,
    } as const
    await note(reader.read(read, () => assert.fail('bytes from outside'), neverAborted))
    assert.equal(await writer.find(read.key, neverAborted), null)
  }
  t.diagnostic(JSON.stringify(Object.fromEntries(codes)))
  assert.deepEqual(readdirSync(outside), ['file'])
  assert.equal(codes.has('INTERNAL') || codes.has('ERR_ASSERTION'), false)
})

test('a key that would lead out of the root, or into our own folder, is refused everywhere', async (t) => {
  const { root } = trapped(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const wrong = [
    '../outside/file',
    'a/../../outside/new',
    '..',
    '.',
    'a/./b',
    'a//b',
    '/etc/passwd',
    '',
    'a/',
    'nul\0byte',
  ]
  const reader = target.reader(abilities)
  for (const name of [...wrong, '.waybill', `.waybill/${job}/claim-1/t1`]) {
    const key = Buffer.from(name)
    const encoded = target.keys.keyOf(key, 'file')
    assert.ok('code' in encoded, name)
    const refused = isCode(encoded.code)
    await assert.rejects(writer.put(request(key, 'x'), neverAborted), refused, name)
    await assert.rejects(writer.find(key, neverAborted), refused, name)
    const read = { key, kind: 'file', seal: null, offset: 0, length: 1, isFresh: false } as const
    await assert.rejects(
      reader.read(read, () => undefined, neverAborted),
      refused,
      name,
    )
    const upload = { key, size: 1, dress: dress(), copiesParts: false }
    await assert.rejects(target.uploads(abilities).open(upload, neverAborted), refused, name)
  }
  assert.deepEqual(target.keys.keyOf(Buffer.from('.waybill'), 'directory'), { code: 'RESERVED_NAME' })
  assert.deepEqual(target.keys.keyOf(Buffer.from('a/.waybill'), 'file'), { key: Buffer.from('a/.waybill') })
  assert.throws(() => openFileTarget({ root, job: '../other' }), isCode('INTERNAL'))
})

test("a stranger's file that was given the inode number of ours is another version", async (t) => {
  const { root } = trapped(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const inodeOf = (name: string): bigint => statSync(join(root, name), { bigint: true }).ino
  let reused = 0
  for (let index = 0; index < 5; index += 1) {
    const name = `file-${index}`
    const { seal } = await writer.put(request(name, 'ours'), neverAborted)
    const before = inodeOf(name)
    // Birth times are counted in ticks of the kernel, 1 to 10 ms.
    await setTimeout(15)
    rmSync(join(root, name))
    writeFileSync(join(root, name), 'theirs')
    if (inodeOf(name) === before) reused += 1
    const match = request(name, 'new', { condition: { kind: 'match', seal } })
    await assert.rejects(writer.put(match, neverAborted), isCode('TARGET_EXISTS'))
    const read = { key: Buffer.from(name), kind: 'file', seal, offset: 0, length: 4, isFresh: false } as const
    const reading = target.reader(abilities).read(read, () => undefined, neverAborted)
    await assert.rejects(reading, isCode('TARGET_REPLACED'))
    assert.equal(readFileSync(join(root, name), 'utf8'), 'theirs')
  }
  t.diagnostic(`${reused} of 5 inode numbers were given again`)
})

test('something that is no directory in the place of a parent is a conflict, and stays', async (t) => {
  const { root } = trapped(t)
  const { writer } = await openWriter(t, root)
  writeFileSync(join(root, 'file'), 'theirs')
  await assert.rejects(writer.put(request('file/below', 'x'), neverAborted), isCode('TARGET_EXISTS'))
  await assert.rejects(writer.put(request('file', '', { kind: 'directory' }), neverAborted), isCode('TARGET_EXISTS'))
  assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'theirs')
})
