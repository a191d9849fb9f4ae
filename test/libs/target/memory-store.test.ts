// The memory target fails as a store does, on command and repeatably.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemoryFault, MemoryOperation } from '#libs/target/memory-store'
import { type MemoryTarget, openMemoryTarget } from '#libs/target/memory-target'
import type { PutRequest, TargetWriter } from '#libs/target/target'
import type { TargetAbilities } from '#schemas/records'
import { digestOf, isCode, neverAborted } from '#test/contracts/target-fixture'

const key = Buffer.from('a/key')
const attributes = { mode: 0o644, uid: 0, gid: 0 }
const dress = { mark: { job: 'a/job', item: '1.1.0', generation: 1 }, attributes, mtimeNs: '0' }

function request(body: string, more: Partial<PutRequest> = {}): PutRequest {
  const bytes = Buffer.from(body)
  const base = { key, kind: 'file', body: bytes, digest: digestOf(bytes), dress, claim: 'c' } as const
  return { ...base, condition: { kind: 'absent' }, ...more }
}

async function opened(abilities: Partial<TargetAbilities> = {}): Promise<{
  target: MemoryTarget
  writer: TargetWriter
  abilities: TargetAbilities
}> {
  const target = openMemoryTarget({ abilities })
  const { abilities: found } = await target.survey().probe(neverAborted)
  return { target, writer: target.writer(found), abilities: found }
}

/** The next call of this kind meets the fault, all others pass. */
function failOnce(target: MemoryTarget, operation: MemoryOperation, fault: MemoryFault): void {
  let isDue = true
  target.store.faults = (call) => {
    if (!isDue || call.operation !== operation) return null
    isDue = false
    return fault
  }
}

async function read(
  target: MemoryTarget,
  abilities: TargetAbilities,
  length: number,
  seal: string | null,
): Promise<string> {
  const pieces: Buffer[] = []
  const wanted = { key, kind: 'file', seal, offset: 0, length, isFresh: false } as const
  await target.reader(abilities).read(wanted, (bytes) => pieces.push(Buffer.from(bytes)), neverAborted)
  return Buffer.concat(pieces).toString('latin1')
}

test('a lost answer: the object is there although the put failed', async () => {
  const { target, writer } = await opened()
  failOnce(target, 'put', { kind: 'fails', code: 'TARGET_TIMEOUT', acts: true })
  await assert.rejects(writer.put(request('bytes'), neverAborted), isCode('TARGET_TIMEOUT'))
  assert.deepEqual((await writer.find(key, neverAborted))?.mark, dress.mark)
  await assert.rejects(writer.put(request('bytes'), neverAborted), isCode('TARGET_EXISTS'))
})

test('a busy store did nothing, and takes the same put later', async () => {
  const { target, writer } = await opened()
  failOnce(target, 'put', { kind: 'fails', code: 'TARGET_BUSY', acts: false })
  await assert.rejects(writer.put(request('bytes'), neverAborted), isCode('TARGET_BUSY'))
  assert.equal(await writer.find(key, neverAborted), null)
  await writer.put(request('bytes'), neverAborted)
  assert.equal(target.store.counters.bytesWritten, 5)
  assert.equal(target.store.counters.calls.get('put'), 2)
})

test('a byte changed on its way is refused by a store that checks, and stored by one that does not', async () => {
  const flips: MemoryFault = { kind: 'flips' }
  const checking = await opened()
  failOnce(checking.target, 'put', flips)
  await assert.rejects(checking.writer.put(request('bytes'), neverAborted), isCode('TARGET_REFUSED_DIGEST'))
  const trusting = await opened({ checksUploads: false })
  failOnce(trusting.target, 'put', flips)
  const { seal } = await trusting.writer.put(request('bytes'), neverAborted)
  assert.notEqual(await read(trusting.target, trusting.abilities, 5, seal), 'bytes')
})

test('a byte changed while it is read back is right again at the second look', async () => {
  const { target, writer, abilities } = await opened()
  const { seal } = await writer.put(request('bytes'), neverAborted)
  failOnce(target, 'read', { kind: 'flips' })
  assert.notEqual(await read(target, abilities, 5, seal), 'bytes')
  assert.equal(await read(target, abilities, 5, seal), 'bytes')
})

test('decay at rest changes bytes and keeps the seal; a stranger changes both', async () => {
  const { target, writer, abilities } = await opened()
  const { seal } = await writer.put(request('bytes'), neverAborted)
  target.store.corrupt(key, 2)
  assert.equal(await read(target, abilities, 5, seal), 'byues')
  target.store.replace(key, Buffer.from('other'))
  await assert.rejects(read(target, abilities, 5, seal), isCode('TARGET_REPLACED'))
})

test('an upload that expired takes no part and no seal', async () => {
  const { target, writer, abilities } = await opened()
  const uploads = target.uploads(abilities)
  const upload = await uploads.open({ key, size: 5, dress, copiesParts: false }, neverAborted)
  target.store.expireUploads(key)
  const { body, digest } = request('bytes')
  const part = { key, upload, part: 1, offset: 0, body, digest }
  await assert.rejects(writer.writePart(part, neverAborted), isCode('UPLOAD_LOST'))
})

test('a store without conditions lets two writers through at once, and says so', async () => {
  const { writer, abilities } = await opened({ createsOnlyIfAbsent: false })
  assert.equal(abilities.createsOnlyIfAbsent, false)
  const both = [writer.put(request('one'), neverAborted), writer.put(request('two'), neverAborted)]
  assert.equal((await Promise.all(both)).length, 2)
  await assert.rejects(writer.put(request('three'), neverAborted), isCode('TARGET_EXISTS'))
})

test('a store that copies no parts refuses to', async () => {
  const { target, writer, abilities } = await opened({ copiesParts: false })
  const { seal } = await writer.put(request('bytes'), neverAborted)
  const upload = await target.uploads(abilities).open({ key, size: 5, dress, copiesParts: true }, neverAborted)
  const copy = { key, upload, part: 1, offset: 0, length: 5, seal }
  await assert.rejects(writer.copyPart(copy, neverAborted), isCode('TARGET_REFUSED'))
})

test('a full store keeps nothing of what did not fit', async () => {
  const { target, writer } = await opened()
  target.store.bytesFree = 4
  await assert.rejects(writer.put(request('bytes'), neverAborted), isCode('TARGET_FULL'))
  assert.equal(await writer.find(key, neverAborted), null)
  target.store.bytesFree = 5
  await writer.put(request('bytes'), neverAborted)
})

test('a loss of power takes what was put and not settled', async () => {
  const { target, writer } = await opened()
  await writer.put(request('bytes'), neverAborted)
  await writer.settle([key], neverAborted)
  const other = Buffer.from('unsettled')
  await writer.put(request('bytes', { key: other }), neverAborted)
  target.store.losePower()
  assert.ok(await writer.find(key, neverAborted))
  assert.equal(await writer.find(other, neverAborted), null)
})

test('links and directories stand in the listing as in the source: sized zero, a directory before what is in it', async () => {
  const { target, writer } = await opened()
  const names = [
    ['a', 'directory'],
    ['a/b', 'file'],
    ['a.txt', 'file'],
    ['a-', 'symlink'],
  ] as const
  for (const [name, kind] of names) {
    await writer.put(request('text', { key: Buffer.from(name), kind }), neverAborted)
  }
  const { objects } = await target.survey().list(null, 10, neverAborted)
  assert.deepEqual(
    objects.map((object) => [object.key.toString(), object.size]),
    [
      ['a-', 0],
      ['a.txt', 4],
      ['a', 0],
      ['a/b', 4],
    ],
  )
})
