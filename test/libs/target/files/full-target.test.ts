// A target that is full: the code says so, nothing half-written stands under a final name, and after space returns the
// same work succeeds. On a tmpfs of a few pages.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFileTarget } from '#libs/target/files/file-target'
import { isCode, neverAborted } from '#test/contracts/target-fixture'
import { seededBytes } from '#test/support/seeded-bytes'
import { dress, job, namesBelow, openWriter, request, smallFileSystem } from './file-fixture.ts'

test('a file that does not fit leaves nothing, and fits after space returned', async (t) => {
  const root = smallFileSystem(t, 'size=1m')
  if (root === null) return
  const { writer } = await openWriter(t, root)
  writeFileSync(join(root, 'ballast'), seededBytes('ballast', 700_000))
  const body = seededBytes('body', 600_000)
  await assert.rejects(writer.put(request('folder/file', body), neverAborted), isCode('TARGET_FULL'))
  assert.equal(await writer.find(Buffer.from('folder/file'), neverAborted), null)
  assert.deepEqual(readdirSync(join(root, '.waybill', job, 'claim-1')), [], 'the temporary file is gone')
  rmSync(join(root, 'ballast'))
  await writer.put(request('folder/file', body), neverAborted)
  await writer.settle([Buffer.from('folder/file')], neverAborted)
  assert.ok(readFileSync(join(root, 'folder/file')).equals(body))
})

test('a target without free inodes is full too', async (t) => {
  const root = smallFileSystem(t, 'size=1m,nr_inodes=12')
  if (root === null) return
  const { writer } = await openWriter(t, root)
  const results: string[] = []
  for (let index = 0; index < 12; index += 1) {
    const put = writer.put(request(`file-${index}`, 'x'), neverAborted)
    results.push(await put.then(() => 'stored').catch((error: { code: string }) => error.code))
  }
  assert.deepEqual([...new Set(results)], ['stored', 'TARGET_FULL'])
  assert.deepEqual(readdirSync(join(root, '.waybill', job, 'claim-1')), [])
  await assert.rejects(writer.put(request('folder/file', 'x'), neverAborted), isCode('TARGET_FULL'))
  // A second name takes an inode of a tmpfs for a moment.
  for (const name of ['file-0', 'file-1']) rmSync(join(root, name))
  await writer.put(request('file-0', 'x'), neverAborted)
})

test('an upload larger than what is free is refused before any byte, a part that does not fit when it is written', async (t) => {
  const root = smallFileSystem(t, 'size=1m')
  if (root === null) return
  const { target, abilities, writer } = await openWriter(t, root)
  const uploads = target.uploads(abilities)
  const open = { key: Buffer.from('large'), size: 900_000, dress: dress(), copiesParts: false }
  await assert.rejects(uploads.open({ ...open, size: 9_000_000 }, neverAborted), isCode('TARGET_FULL'))
  assert.deepEqual(namesBelow(join(root, '.waybill', job)), ['claim-1'])
  const upload = await uploads.open(open, neverAborted)
  writeFileSync(join(root, 'ballast'), seededBytes('ballast', 500_000))
  const body = seededBytes('body', 900_000)
  const part = { key: open.key, upload, part: 1, offset: 0, body, digest: request('', body).digest }
  await assert.rejects(writer.writePart(part, neverAborted), isCode('TARGET_FULL'))
  rmSync(join(root, 'ballast'))
  const { tag } = await writer.writePart(part, neverAborted)
  const parts = [{ part: 1, tag, digest: part.digest, length: body.length }]
  const seal = { ...open, upload, parts, condition: { kind: 'absent' }, claim: 'claim-1' } as const
  await uploads.seal(seal, neverAborted)
  assert.ok(readFileSync(join(root, 'large')).equals(body))
})

test('a probe of a full target says that it is full and leaves nothing', async (t) => {
  const root = smallFileSystem(t, 'size=64k')
  if (root === null) return
  for (let index = 0; index < 16; index += 1) writeFileSync(join(root, `ballast-${index}`), Buffer.alloc(3_000))
  const survey = openFileTarget({ root, job }).survey()
  await assert.rejects(survey.probe(neverAborted), isCode('TARGET_FULL'))
  assert.equal(namesBelow(root).filter((name) => !name.startsWith('ballast')).length, 0)
})
