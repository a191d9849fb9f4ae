// The probe, the listing of large and odd trees, and reading where the page cache cannot be passed by.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FileListing } from '#libs/target/files/file-listing'
import { FileRoot } from '#libs/target/files/file-root'
import { openFileTarget } from '#libs/target/files/file-target'
import type { TargetObject } from '#libs/target/target'
import { isCode, listAll, neverAborted } from '#test/contracts/target-fixture'
import { seededBytes } from '#test/support/seeded-bytes'
import { isRoot, job, namesBelow, openWriter, probed, request, scratch, smallFileSystem } from './file-fixture.ts'

test('a target that is a file, or below one, is not writable', async (t) => {
  const file = join(scratch(t), 'file')
  writeFileSync(file, 'x')
  for (const root of [file, join(file, 'below')]) {
    const target = openFileTarget({ root, job })
    await assert.rejects(target.survey().probe(neverAborted), isCode('TARGET_NOT_WRITABLE'))
  }
  const atFile = openFileTarget({ root: file, job }).survey()
  await assert.rejects(atFile.probe(neverAborted), isCode('TARGET_NOT_WRITABLE'))
  await assert.rejects(atFile.list(null, 10, neverAborted), isCode('TARGET_NOT_WRITABLE'))
})

test('a target that may only be read is not writable', async (t) => {
  const root = smallFileSystem(t, 'size=1m')
  if (root === null) return
  writeFileSync(join(root, 'file'), 'x')
  execFileSync('mount', ['-o', 'remount,ro', root])
  const target = openFileTarget({ root, job })
  await assert.rejects(target.survey().probe(neverAborted), isCode('TARGET_NOT_WRITABLE'))
  assert.equal((await listAll(target.survey(), 10)).length, 1, 'it can still be listed')
})

test('a probe of a target that is not there yet leaves it so, parents too', async (t) => {
  const folder = scratch(t)
  const root = join(folder, 'not', 'there', 'yet')
  const { abilities, findings } = await openFileTarget({ root, job }).survey().probe(neverAborted)
  assert.equal(abilities.isEmpty, true)
  assert.deepEqual(findings, isRoot ? [] : ['OWNER_NOT_SET'])
  assert.equal(existsSync(join(folder, 'not')), false)
  mkdirSync(join(folder, 'not'))
  await probed(openFileTarget({ root, job }))
  assert.deepEqual(namesBelow(folder), ['not'], 'what was there stays')
})

test('a target whose root is reached by a link is that directory', async (t) => {
  const folder = scratch(t)
  mkdirSync(join(folder, 'real'))
  symlinkSync('real', join(folder, 'link'))
  const { writer } = await openWriter(t, join(folder, 'link'))
  await writer.put(request('file', 'x'), neverAborted)
  assert.ok(existsSync(join(folder, 'real', 'file')))
})

function ascending(left: string, right: string): number {
  return left < right ? -1 : 1
}

/** What a caller sees that compares with the source's order: a slash behind directories. */
function orderOf({ key, kind }: TargetObject): string {
  return `${key.toString('latin1')}${kind === 'directory' ? '/' : ''}`
}

test('a listing stands in the order of the source, from any cursor, also when what it names is gone', async (t) => {
  const root = scratch(t)
  for (const name of ['a', 'a/b', 'a/b/c', 'a.d', 'a0', 'z', 'z/z', 'a/b.c'])
    mkdirSync(join(root, name), { recursive: true })
  for (const name of ['a/b/c/1', 'a/b/c/2', 'a/b-', 'a/b0', 'a-', 'a.d/x', 'z/z/z', 'top'])
    writeFileSync(join(root, name), name)
  symlinkSync('nowhere', join(root, 'a/link'))
  execFileSync('mkfifo', [join(root, 'a/pipe')])
  mkdirSync(join(root, '.waybill', job), { recursive: true })
  writeFileSync(join(root, '.waybill', job, 'u1'), 'temporary')
  const survey = openFileTarget({ root, job }).survey()
  const all = (await listAll(survey, 1_000)).map(orderOf)
  assert.deepEqual(all, [...all].sort(ascending))
  const below = namesBelow(root).filter((name) => !name.startsWith('.waybill'))
  assert.deepEqual(all.map((name) => name.replace(/\/$/, '')).sort(ascending), below)
  for (const limit of [1, 2, 5]) assert.deepEqual((await listAll(survey, limit)).map(orderOf), all)
  for (const cursor of ['a/b/', 'a/b/c/1', 'a/b/c/1x', 'a/b/gone/deep', 'a/gone', 'nothing/', 'zz', 'a.d/x/y']) {
    const other = openFileTarget({ root, job }).survey()
    const { objects } = await other.list(Buffer.from(cursor), 1_000, neverAborted)
    assert.deepEqual(
      objects.map(orderOf),
      all.filter((name) => name > cursor),
      cursor,
    )
  }
})

test('a directory of more names than are held at once is listed whole', async (t) => {
  const folder = scratch(t)
  const names = Array.from({ length: 1_000 }, (_, index) => `${(index * 7_919) % 1_000}`)
  for (const [index, name] of names.entries()) {
    if (index % 100 === 0) mkdirSync(join(folder, name))
    else writeFileSync(join(folder, name), '')
  }
  const root = await new FileRoot(folder).find()
  assert.ok(root)
  for (const [namesMax, limit] of [
    [64, 100],
    [7, 50],
    [500, 1_000],
  ] as const) {
    const listing = new FileListing(root, namesMax)
    const seen: string[] = []
    let cursor: Buffer | null = null
    do {
      const page: Awaited<ReturnType<FileListing['page']>> = await listing.page(cursor, limit, neverAborted)
      seen.push(...page.objects.map(orderOf))
      cursor = page.cursor
    } while (cursor !== null)
    assert.deepEqual(seen, [...seen].sort(ascending), 'in order')
    assert.deepEqual(seen.map((name) => name.replace('/', '')).sort(ascending), [...names].sort(ascending))
  }
})

test('where the page cache cannot be passed by, the same bytes are read and the result says so', async (t) => {
  const { target, abilities, writer } = await openWriter(t, scratch(t))
  const body = seededBytes('body', 3_000_001)
  await writer.put(request('file', body), neverAborted)
  for (const bypassesCache of [abilities.bypassesCache, false]) {
    const pieces: Buffer[] = []
    const read = {
      key: Buffer.from('file'),
      kind: 'file',
      seal: null,
      offset: 7,
      length: 2_999_990,
      isFresh: true,
    } as const
    const reader = target.reader({ ...abilities, bypassesCache })
    const result = await reader.read(read, (bytes) => pieces.push(Buffer.from(bytes)), neverAborted)
    assert.deepEqual(result, { bytes: read.length, bypassedCache: bypassesCache, objectBytes: body.length })
    assert.ok(Buffer.concat(pieces).equals(body.subarray(7, 2_999_997)))
  }
})

test('a consumer that throws ends the read and holds no buffer back', async (t) => {
  const { target, abilities, writer } = await openWriter(t, scratch(t))
  await writer.put(request('file', seededBytes('body', 3_000_000)), neverAborted)
  const reader = target.reader(abilities)
  const read = {
    key: Buffer.from('file'),
    kind: 'file',
    seal: null,
    offset: 0,
    length: 3_000_000,
    isFresh: true,
  } as const
  for (let index = 0; index < 40; index += 1) {
    const reading = reader.read(read, () => assert.fail('enough'), neverAborted)
    await assert.rejects(reading, /enough/)
  }
  const reads = Array.from({ length: 40 }, () => reader.read(read, () => undefined, neverAborted))
  assert.equal((await Promise.all(reads)).length, 40)
})

test('a file that its owner may not read is not called missing', { skip: isRoot && 'root may read all' }, async (t) => {
  const root = scratch(t)
  const { target, abilities, writer } = await openWriter(t, root)
  await writer.put(request('file', 'x'), neverAborted)
  chmodSync(join(root, 'file'), 0)
  const read = { key: Buffer.from('file'), kind: 'file', seal: null, offset: 0, length: 1, isFresh: true } as const
  const reading = target.reader(abilities).read(read, () => undefined, neverAborted)
  await assert.rejects(reading, isCode('TARGET_UNREADABLE'))
})
