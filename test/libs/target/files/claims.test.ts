// Two claims, a process killed in the middle, and what an heir finds.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, linkSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFileTarget } from '#libs/target/files/file-target'
import type { SealRequest } from '#libs/target/target'
import { digestOf, isCode, neverAborted } from '#test/contracts/target-fixture'
import { seededBytes } from '#test/support/seeded-bytes'
import { absent, dress, job, type OpenedWriter, openWriter, probed, request, scratch } from './file-fixture.ts'

const key = Buffer.from('large/file')
const body = seededBytes('two parts', 40_000)

/** An upload with both of its parts written. */
async function writtenUpload({ target, abilities, writer }: OpenedWriter): Promise<SealRequest> {
  const open = { key, size: body.length, dress: dress(), copiesParts: false }
  const upload = await target.uploads(abilities).open(open, neverAborted)
  const parts = []
  for (const part of [1, 2]) {
    const [offset, bytes] = [(part - 1) * 20_000, body.subarray((part - 1) * 20_000, part * 20_000)]
    const digest = digestOf(bytes)
    const { tag } = await writer.writePart({ key, upload, part, offset, body: bytes, digest }, neverAborted)
    parts.push({ part, tag, digest, length: bytes.length })
  }
  return { ...open, upload, parts, condition: absent, claim: 'claim-1' }
}

test('after a takeover the older claim writes nothing more, and its leftovers are gone', async (t) => {
  const root = scratch(t)
  const old = await openWriter(t, root)
  await old.writer.put(request('before', 'before'), neverAborted)
  const heir = await openWriter(t, root, 'claim-2')
  await assert.rejects(old.writer.put(request('after', 'after'), neverAborted), isCode('ABORTED'))
  const link = request('link', 'anywhere', { kind: 'symlink' })
  await assert.rejects(old.writer.put(link, neverAborted), isCode('ABORTED'))
  await heir.writer.put(request('after', "the heir's", { claim: 'claim-2' }), neverAborted)
  assert.equal(readFileSync(join(root, 'after'), 'utf8'), "the heir's")
  assert.deepEqual(readdirSync(join(root, '.waybill', job)), ['claim-2'])
})

test('two jobs in one target leave each other alone', async (t) => {
  const root = scratch(t)
  const one = await openWriter(t, root)
  const seal = await writtenUpload(one)
  const other = openFileTarget({ root, job: 'other-job' })
  const writer = other.writer(one.abilities)
  t.after(() => writer.close())
  await writer.takeOver('claim-9', neverAborted)
  assert.equal(await other.uploads(one.abilities).sweep(async () => true, neverAborted), 0)
  await other.survey().clear(neverAborted)
  await one.writer.put(request('file', 'one'), neverAborted)
  await one.target.uploads(one.abilities).seal(seal, neverAborted)
  await one.target.survey().clear(neverAborted)
  assert.deepEqual(readdirSync(root).sort(), ['file', 'large'])
})

test('a part that comes after the seal finds no upload', async (t) => {
  const root = scratch(t)
  const opened = await openWriter(t, root)
  const seal = await writtenUpload(opened)
  await opened.target.uploads(opened.abilities).seal(seal, neverAborted)
  const zombie = { key, upload: seal.upload, part: 1, offset: 0, body: Buffer.alloc(20_000), digest: digestOf(body) }
  await assert.rejects(opened.writer.writePart(zombie, neverAborted), isCode('UPLOAD_LOST'))
  const copy = { key, upload: seal.upload, part: 1, offset: 0, length: 20_000, seal: 'any' }
  await assert.rejects(opened.writer.copyPart(copy, neverAborted), isCode('UPLOAD_LOST'))
  assert.ok(readFileSync(join(root, 'large/file')).equals(body))
})

test('from the first step of a seal on no part finds the upload, and the seal can be tried again', async (t) => {
  const root = scratch(t)
  const opened = await openWriter(t, root)
  const seal = await writtenUpload(opened)
  await opened.writer.put(request('large/file', 'in the way'), neverAborted)
  const uploads = opened.target.uploads(opened.abilities)
  await assert.rejects(uploads.seal(seal, neverAborted), isCode('TARGET_EXISTS'))
  const late = { key, upload: seal.upload, part: 1, offset: 0, body: Buffer.alloc(20_000), digest: digestOf(body) }
  await assert.rejects(opened.writer.writePart(late, neverAborted), isCode('UPLOAD_LOST'))
  rmSync(join(root, 'large/file'))
  await uploads.seal(seal, neverAborted)
  assert.ok(readFileSync(join(root, 'large/file')).equals(body))
})

/** What a coordinator may have done when it died; `folder` is that of the job. */
const crashes: Readonly<Record<string, (folder: string, root: string, upload: string) => void>> = {
  'after the rename': (folder, _, upload) => renameSync(join(folder, upload), join(folder, `${upload}.claim-1`)),
  'after the link': (folder, root, upload) => {
    renameSync(join(folder, upload), join(folder, `${upload}.claim-1`))
    linkSync(join(folder, `${upload}.claim-1`), join(root, 'large', 'file'))
  },
}

for (const [moment, crash] of Object.entries(crashes)) {
  test(`a seal that died ${moment} is finished by the heir`, async (t) => {
    const root = scratch(t)
    const opened = await openWriter(t, root)
    const seal = await writtenUpload(opened)
    await opened.writer.put(request('large/other', 'other'), neverAborted)
    crash(join(root, '.waybill', job), root, seal.upload)
    const heir = openFileTarget({ root, job }).uploads(opened.abilities)
    const { isAdopted } = await heir.seal({ ...seal, claim: 'claim-2' }, neverAborted)
    assert.equal(isAdopted, moment === 'after the link')
    assert.ok(readFileSync(join(root, 'large/file')).equals(body))
    assert.equal(statSync(join(root, 'large/file')).nlink, 1, 'no second name stays')
    assert.deepEqual(readdirSync(join(root, '.waybill', job)), ['claim-1'])
  })
}

test('a replacement that died after the rename over the old version is adopted', async (t) => {
  const root = scratch(t)
  const opened = await openWriter(t, root)
  const first = await opened.writer.put(request('large/file', 'old'), neverAborted)
  const upload = await writtenUpload(opened)
  const seal = { ...upload, dress: dress({ mark: { job, item: '1.1.0', generation: 2 } }) }
  const condition = { kind: 'match', seal: first.seal } as const
  const uploads = opened.target.uploads(opened.abilities)
  const sealed = await uploads.seal({ ...seal, condition }, neverAborted)
  const again = await uploads.seal({ ...seal, condition, claim: 'claim-2' }, neverAborted)
  assert.deepEqual(again, { seal: sealed.seal, isAdopted: true })
})

test('a mode without write permission does not keep an heir from sealing', async (t) => {
  const root = scratch(t)
  const opened = await openWriter(t, root)
  const seal = await writtenUpload(opened)
  const readOnly = { ...seal, dress: { ...seal.dress, attributes: { ...seal.dress.attributes, mode: 0o400 } } }
  const uploads = opened.target.uploads(opened.abilities)
  await opened.writer.put(request('large/file', 'in the way'), neverAborted)
  await assert.rejects(uploads.seal(readOnly, neverAborted), isCode('TARGET_EXISTS'))
  const there = await uploads.find(key, neverAborted)
  assert.ok(there)
  await uploads.seal({ ...readOnly, claim: 'claim-2', condition: { kind: 'match', seal: there.seal } }, neverAborted)
  assert.equal(statSync(join(root, 'large/file')).mode & 0o7777, 0o400)
})

test('a process killed while it writes leaves whole files under final names only, and its rest is taken away', async (t) => {
  const root = scratch(t)
  const program = join(import.meta.dirname, 'endless-writer.ts')
  const child = spawn(process.execPath, ['--conditions=source', program, root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await new Promise((resolve) => setTimeout(resolve, 150))
  child.kill('SIGKILL')
  await once(child, 'exit')
  const stored = readdirSync(join(root, 'files'))
  assert.ok(stored.length > 0, 'the child wrote something')
  for (const name of stored) {
    const index = Number(name)
    assert.ok(readFileSync(join(root, 'files', name)).equals(seededBytes(name, 300_000 + index)), `${name} is whole`)
  }
  const target = openFileTarget({ root, job })
  const abilities = await probed(target)
  const uploads = target.uploads(abilities)
  await openWriter(t, root, 'claim-2')
  await uploads.sweep(async () => true, neverAborted)
  assert.deepEqual(readdirSync(join(root, '.waybill', job)), ['claim-2'])
  await target.survey().clear(neverAborted)
  assert.equal(existsSync(join(root, '.waybill')), false)
})
