// What a copy keeps beside its bytes: kind, mode, owner, time, name.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setAttribute } from '#libs/runtime/native'
import { isCode, listAll, neverAborted } from '#test/contracts/target-fixture'
import { hostileNames } from '#test/support/hostile-names'
import { absent, dress, isRoot, job, openWriter, request, scratch } from './file-fixture.ts'

const bigint = { bigint: true } as const
const time = '1234567890987654321'

function modeOf(path: string): string {
  return (fs.lstatSync(path).mode & 0o7777).toString(8)
}

test('mode, set-id bits, time to the nanosecond and owner of a file are restored', async (t) => {
  const root = scratch(t)
  const { writer } = await openWriter(t, root)
  const owner = isRoot ? { uid: 12_345, gid: 23_456 } : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  for (const mode of [0o644, 0o600, 0o4755, 0o2751, 0o1777, 0o444, 0o000, 0o777]) {
    const attributes = { mode: 0o100000 | mode, ...owner }
    const name = `mode-${mode.toString(8)}`
    const { notes } = await writer.put(
      request(name, 'x', { dress: dress({ attributes, mtimeNs: time }) }),
      neverAborted,
    )
    assert.deepEqual(notes, [])
    assert.equal(modeOf(join(root, name)), mode.toString(8))
    const stats = fs.lstatSync(join(root, name), bigint)
    assert.equal(stats.mtimeNs, BigInt(time))
    assert.deepEqual([Number(stats.uid), Number(stats.gid)], [owner.uid, owner.gid])
  }
  const old = request('before 1970', 'x', { dress: dress({ mtimeNs: '-1000000001' }) })
  await writer.put(old, neverAborted)
  assert.equal(fs.lstatSync(join(root, 'before 1970'), bigint).mtimeNs, -1_000_000_001n)
})

test('a file whose time, mode or owner changed at the source is dressed anew in its place', async (t) => {
  const root = scratch(t)
  const { writer } = await openWriter(t, root)
  const attributes = { ...dress().attributes, mode: 0o100444 }
  for (const kind of ['file', 'symlink'] as const) {
    const first = request(`folder/${kind}`, 'bytes', { kind, dress: dress({ attributes }) })
    const { seal } = await writer.put(first, neverAborted)
    const path = join(root, first.key.toString())
    const before = fs.lstatSync(path, bigint)
    const condition = { kind: 'same', seal } as const
    const changed = dress({ attributes: { ...attributes, mode: 0o100604 }, mtimeNs: time })
    assert.deepEqual(await writer.put({ ...first, condition, dress: changed }, neverAborted), {
      seal,
      notes: [],
      isSent: false,
    })
    const after = fs.lstatSync(path, bigint)
    assert.deepEqual([after.ino, after.mtimeNs], [before.ino, BigInt(time)])
    if (kind === 'file') assert.equal(modeOf(path), '604')
  }
})

test('an upload is dressed before its name appears', async (t) => {
  const root = scratch(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const uploads = target.uploads(abilities)
  const attributes = isRoot ? { mode: 0o4750, uid: 12_345, gid: 23_456 } : { ...dress().attributes, mode: 0o4750 }
  const open = { key: Buffer.from('a/b/c'), size: 3, dress: dress({ attributes, mtimeNs: time }), copiesParts: false }
  const upload = await uploads.open(open, neverAborted)
  const { digest, body } = request('', 'abc')
  const { tag } = await writer.writePart({ key: open.key, upload, part: 1, offset: 0, body, digest }, neverAborted)
  const parts = [{ part: 1, tag, digest, length: 3 }]
  await uploads.seal({ ...open, upload, parts, condition: absent, claim: 'claim-1' }, neverAborted)
  assert.equal(modeOf(join(root, 'a/b/c')), '4750')
  assert.equal(fs.lstatSync(join(root, 'a/b/c'), bigint).mtimeNs, BigInt(time))
  assert.equal(modeOf(join(root, 'a')), '700', 'a parent made on demand is closed until it is finished')
})

test('links are made as they are, never followed, and replaced like files', async (t) => {
  const root = scratch(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const link = request('folder/link', '/no/such\xff place', { kind: 'symlink', dress: dress({ mtimeNs: time }) })
  const { seal } = await writer.put(link, neverAborted)
  const path = join(root, 'folder/link')
  assert.ok(fs.readlinkSync(path, { encoding: 'buffer' }).equals(link.body))
  assert.equal(fs.lstatSync(path, bigint).mtimeNs, BigInt(time))
  assert.deepEqual(await writer.find(link.key, neverAborted), { seal, size: 0, kind: 'symlink', mark: null })
  const pieces: Buffer[] = []
  const read = { key: link.key, kind: 'symlink', seal, offset: 0, length: 0, isFresh: false } as const
  await target.reader(abilities).read(read, (bytes) => pieces.push(Buffer.from(bytes)), neverAborted)
  assert.ok(Buffer.concat(pieces).equals(link.body))
  await assert.rejects(writer.put(request('folder/link', 'file'), neverAborted), isCode('TARGET_EXISTS'))
  await writer.put(request('folder/link', 'a file now', { condition: { kind: 'match', seal } }), neverAborted)
  assert.equal(fs.readFileSync(path, 'utf8'), 'a file now')
  const asFile = { ...read, kind: 'file', length: 1 } as const
  const reading = target.reader(abilities).read(asFile, () => undefined, neverAborted)
  await assert.rejects(reading, isCode('TARGET_REPLACED'))
})

test('directories get mode and time at the end, deepest first, and what cannot be set is told', async (t) => {
  const root = scratch(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const directory = request('a/b', '', { kind: 'directory' })
  const { seal } = await writer.put(directory, neverAborted)
  assert.deepEqual(
    await writer.put(directory, neverAborted),
    { seal, notes: [], isSent: true },
    'a second put finds it',
  )
  await writer.put(request('a/b/file', 'x'), neverAborted)
  fs.mkdirSync(join(root, 'theirs'), { mode: 0o750 })
  await writer.put(request('theirs', '', { kind: 'directory' }), neverAborted)
  const { uid, gid } = dress().attributes
  const entry = (key: string, mode: number): { key: Buffer; attributes: typeof attributes; mtimeNs: string } => ({
    key: Buffer.from(key),
    attributes: { ...attributes, mode },
    mtimeNs: time,
  })
  const attributes = { mode: 0, uid, gid }
  const entries = [entry('a/b', 0o40555), entry('a', 0o43711), entry('theirs', 0o40700), entry('gone', 0o700)]
  const failed = await target.uploads(abilities).finishDirectories(entries, neverAborted)
  assert.deepEqual(
    failed.map(({ key, code }) => [key.toString(), code]),
    [
      ['theirs', 'TARGET_EXISTS'],
      ['gone', 'TARGET_MISSING'],
    ],
  )
  assert.deepEqual(
    [modeOf(join(root, 'a/b')), modeOf(join(root, 'a')), modeOf(join(root, 'theirs'))],
    ['555', '3711', '750'],
  )
  for (const name of ['a', 'a/b']) assert.equal(fs.lstatSync(join(root, name), bigint).mtimeNs, BigInt(time))
  await writer.settle([Buffer.from('a/b/file')], neverAborted)
  await writer.put(request('a/b/later', 'a later pass writes here again'), neverAborted)
})

test('an object of another kind gives way only when its version is named, a filled directory never', async (t) => {
  const root = scratch(t)
  const { writer } = await openWriter(t, root)
  const directory = await writer.put(request('kind', '', { kind: 'directory' }), neverAborted)
  await writer.put(request('kind/file', 'x'), neverAborted)
  const match = { condition: { kind: 'match', seal: directory.seal } } as const
  await assert.rejects(writer.put(request('kind', 'file', match), neverAborted), isCode('TARGET_EXISTS'))
  fs.rmSync(join(root, 'kind/file'))
  const file = await writer.put(request('kind', 'file', match), neverAborted)
  await assert.rejects(writer.put(request('kind', '', { kind: 'directory' }), neverAborted), isCode('TARGET_EXISTS'))
  const back = { kind: 'directory', condition: { kind: 'match', seal: file.seal } } as const
  await writer.put(request('kind', '', back), neverAborted)
  assert.ok(fs.lstatSync(join(root, 'kind')).isDirectory())
})

test('any name that Linux can hold is written, found, listed and read under exactly its bytes', async (t) => {
  const root = scratch(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const reader = target.reader(abilities)
  const written: Buffer[] = []
  for (const name of hostileNames) {
    const key = Buffer.concat([Buffer.from('odd/'), name])
    if ('code' in target.keys.keyOf(key, 'file')) continue
    const { seal } = await writer.put(request(key, name), neverAborted)
    assert.equal((await writer.find(key, neverAborted))?.seal, seal)
    const pieces: Buffer[] = []
    const read = { key, kind: 'file', seal, offset: 0, length: name.length, isFresh: false } as const
    await reader.read(read, (bytes) => pieces.push(Buffer.from(bytes)), neverAborted)
    assert.ok(Buffer.concat(pieces).equals(name))
    written.push(key)
  }
  const files = (await listAll(target.survey(), 7)).filter(({ kind }) => kind === 'file')
  assert.deepEqual(
    files.map(({ key }) => key),
    written.sort((left, right) => left.compare(right)),
  )
})

test('a path longer than the system takes in one call is written, sealed, listed, read and finished', async (t) => {
  const root = scratch(t)
  const { target, abilities, writer } = await openWriter(t, root)
  const segments = Array.from({ length: 40 }, (_, index) => `${index}-`.padEnd(250, 'x'))
  const key = Buffer.from(segments.join('/'))
  assert.ok(key.length > 2 * 4_096)
  const { seal } = await writer.put(request(key, 'deep'), neverAborted)
  await writer.settle([key], neverAborted)
  const pieces: Buffer[] = []
  const read = { key, kind: 'file', seal, offset: 0, length: 4, isFresh: false } as const
  await target.reader(abilities).read(read, (bytes) => pieces.push(Buffer.from(bytes)), neverAborted)
  assert.equal(Buffer.concat(pieces).toString(), 'deep')
  assert.equal((await writer.find(key, neverAborted))?.mark?.job, job)
  const listed = await listAll(target.survey(), 3)
  assert.ok(listed.at(-1)?.key.equals(key))
  const parent = Buffer.from(segments.slice(0, -1).join('/'))
  const entries = [{ key: parent, attributes: { ...dress().attributes, mode: 0o755 }, mtimeNs: time }]
  assert.deepEqual(await target.uploads(abilities).finishDirectories(entries, neverAborted), [])
})

test('what the source calls ours in an attribute but no program of ours wrote is a stranger', async (t) => {
  const root = scratch(t)
  const { writer } = await openWriter(t, root)
  fs.writeFileSync(join(root, 'file'), 'x')
  setAttribute(Buffer.from(join(root, 'file')), 'user.waybill', Buffer.from('no mark'))
  assert.equal((await writer.find(Buffer.from('file'), neverAborted))?.mark, null)
})
