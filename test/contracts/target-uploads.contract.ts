// The part of the target contract about items of more than one part; registered by target.contract.ts.
import assert from 'node:assert/strict'
import type { Condition, OpenUploadRequest, SealPart, SealRequest } from '#libs/target/target'
import { seededBytes } from '#test/support/seeded-bytes'
import {
  claim,
  digestOf,
  dressOf,
  isCode,
  keyOf,
  neverAborted,
  type Ports,
  portTest,
  put,
  readBack,
  type TargetContract,
} from './target-fixture.ts'

/** An upload under way, as the log would know it. */
interface Upload {
  readonly id: string
  readonly open: OpenUploadRequest
  readonly body: Buffer
  readonly partBytes: number
  readonly parts: SealPart[]
}

async function openUpload(
  ports: Ports,
  name: string,
  body: Buffer,
  more: Partial<OpenUploadRequest> & { partBytes: number },
): Promise<Upload> {
  const { partBytes, ...rest } = more
  const open = { key: keyOf(ports, name), size: body.length, dress: dressOf(ports), copiesParts: false, ...rest }
  return { id: await ports.uploads.open(open, neverAborted), open, body, partBytes, parts: [] }
}

function rangeOf(upload: Upload, part: number): Buffer {
  return upload.body.subarray((part - 1) * upload.partBytes, part * upload.partBytes)
}

async function sendPart(ports: Ports, upload: Upload, part: number): Promise<void> {
  const body = rangeOf(upload, part)
  const digest = digestOf(body)
  const offset = (part - 1) * upload.partBytes
  const request = { key: upload.open.key, upload: upload.id, part, offset, body, digest }
  const { tag } = await ports.writer.writePart(request, neverAborted)
  upload.parts.push({ part, tag, digest, length: body.length })
}

function sealRequest(upload: Upload, condition: Condition = { kind: 'absent' }): SealRequest {
  const { key, size, dress, copiesParts } = upload.open
  const parts = upload.parts.toSorted((left, right) => left.part - right.part)
  return { key, upload: upload.id, size, parts, copiesParts, dress, condition, claim }
}

function threeParts(partBytes: number, seed: string): Buffer {
  return seededBytes(seed, 2 * partBytes + 1_234)
}

function sealTests(contract: TargetContract): void {
  const { partBytes } = contract
  portTest(contract, 'parts sent in any order, one of them twice, become one object', async (ports) => {
    const upload = await openUpload(ports, 'large/parts', threeParts(partBytes, '3'), { partBytes })
    for (const part of [3, 1]) await sendPart(ports, upload, part)
    await sendPart(ports, { ...upload, parts: [] }, 2)
    assert.equal(await ports.writer.find(upload.open.key, neverAborted), null, 'nothing shows before the seal')
    await sendPart(ports, upload, 2)
    const { seal, isAdopted } = await ports.uploads.seal(sealRequest(upload), neverAborted)
    assert.equal(isAdopted, false)
    const found = await ports.uploads.find(upload.open.key, neverAborted)
    const mark = ports.abilities.keepsMarks ? upload.open.dress.mark : null
    assert.deepEqual(found, { seal, size: upload.body.length, kind: 'file', mark })
    const across = { seal, offset: partBytes - 5, length: partBytes + 9 }
    const read = await readBack(ports, upload.open.key, across)
    assert.ok(read.equals(upload.body.subarray(across.offset, across.offset + across.length)))
    assert.ok((await readBack(ports, upload.open.key, { seal, length: upload.body.length })).equals(upload.body))
  })

  portTest(contract, 'a second seal finds what the first one made', async (ports) => {
    const upload = await openUpload(ports, 'sealed twice', threeParts(partBytes, '4'), { partBytes })
    for (const part of [1, 2, 3]) await sendPart(ports, upload, part)
    const first = await ports.uploads.seal(sealRequest(upload), neverAborted)
    if (!ports.abilities.keepsMarks) return
    const heir = ports.fixture.target.uploads(ports.abilities)
    const second = await heir.seal({ ...sealRequest(upload), claim: 'claim-2' }, neverAborted)
    await heir.close()
    // Not whether it was adopted: a store may answer a repeated completion as it did the first.
    assert.equal(second.seal, first.seal)
  })

  portTest(contract, 'a seal that lacks a part names it, and the upload goes on', async (ports) => {
    const upload = await openUpload(ports, 'lacking', threeParts(partBytes, '5'), { partBytes })
    for (const part of [1, 3]) await sendPart(ports, upload, part)
    if (contract.knowsParts) {
      const length = rangeOf(upload, 2).length
      const invented = {
        part: 2,
        tag: '"00000000000000000000000000000000"',
        digest: digestOf(rangeOf(upload, 2)),
        length,
      }
      const request = { ...sealRequest(upload), parts: [...upload.parts, invented].toSorted((a, b) => a.part - b.part) }
      await assert.rejects(ports.uploads.seal(request, neverAborted), (error) => {
        assert.ok(isCode('PART_REFUSED')(error))
        assert.deepEqual((error as { facts?: { parts?: unknown } }).facts?.parts, [2])
        return true
      })
    } else {
      await assert.rejects(ports.uploads.seal(sealRequest(upload), neverAborted), isCode('PART_REFUSED'))
    }
    assert.equal(await ports.uploads.find(upload.open.key, neverAborted), null)
    await sendPart(ports, upload, 2)
    await ports.uploads.seal(sealRequest(upload), neverAborted)
    assert.ok((await readBack(ports, upload.open.key, { length: upload.body.length })).equals(upload.body))
  })

  portTest(contract, 'a seal onto a taken key is refused, and what is there stays', async (ports) => {
    const first = await put(ports, 'in the way', Buffer.from('first'))
    const dress = dressOf(ports, '1.1.1', 2)
    const upload = await openUpload(ports, 'in the way', threeParts(partBytes, '6'), { partBytes, dress })
    for (const part of [1, 2, 3]) await sendPart(ports, upload, part)
    await assert.rejects(ports.uploads.seal(sealRequest(upload), neverAborted), isCode('TARGET_EXISTS'))
    const other: Condition = { kind: 'match', seal: '"no such version"' }
    await assert.rejects(ports.uploads.seal(sealRequest(upload, other), neverAborted), isCode('TARGET_EXISTS'))
    assert.equal((await readBack(ports, upload.open.key, { seal: first, length: 5 })).toString(), 'first')
    const sealed = await ports.uploads.seal(sealRequest(upload, { kind: 'match', seal: first }), neverAborted)
    assert.ok(
      (await readBack(ports, upload.open.key, { seal: sealed.seal, length: upload.body.length })).equals(upload.body),
    )
  })

  portTest(contract, 'a part that is not what its digest says is refused where the store checks', async (ports) => {
    if (!ports.abilities.checksUploads) return
    const upload = await openUpload(ports, 'wrong part', threeParts(partBytes, '7'), { partBytes })
    const request = { key: upload.open.key, upload: upload.id, part: 1, offset: 0, body: rangeOf(upload, 1) }
    const wrong = { ...request, digest: digestOf(Buffer.from('other')) }
    await assert.rejects(ports.writer.writePart(wrong, neverAborted), isCode('TARGET_REFUSED_DIGEST'))
  })
}

function endTests(contract: TargetContract): void {
  const { partBytes } = contract
  portTest(
    contract,
    'an aborted upload takes no part and no seal, and is aborted again without complaint',
    async (ports) => {
      const upload = await openUpload(ports, 'aborted', threeParts(partBytes, '8'), { partBytes })
      for (const part of [1, 2, 3]) await sendPart(ports, upload, part)
      await ports.uploads.abort(upload.open.key, upload.id, neverAborted)
      await ports.uploads.abort(upload.open.key, upload.id, neverAborted)
      await assert.rejects(sendPart(ports, upload, 1), isCode('UPLOAD_LOST'))
      await assert.rejects(ports.uploads.seal(sealRequest(upload), neverAborted), isCode('UPLOAD_LOST'))
      assert.equal(await ports.uploads.find(upload.open.key, neverAborted), null)
    },
  )

  portTest(contract, 'a lost upload never makes another version that is there pass for its own', async (ports) => {
    const first = await openUpload(ports, 'another version', threeParts(partBytes, 'there'), { partBytes })
    for (const part of [1, 2, 3]) await sendPart(ports, first, part)
    const { seal } = await ports.uploads.seal(sealRequest(first), neverAborted)
    const dress = dressOf(ports, '1.1.0', 2)
    const second = await openUpload(ports, 'another version', threeParts(partBytes, 'lost'), { partBytes, dress })
    for (const part of [1, 2, 3]) await sendPart(ports, second, part)
    await ports.uploads.abort(second.open.key, second.id, neverAborted)
    const sealing = ports.uploads.seal(sealRequest(second, { kind: 'match', seal }), neverAborted)
    const late = await sealing.catch((error: unknown) => {
      assert.ok(isCode('UPLOAD_LOST')(error))
      return null
    })
    if (late === null) return
    // versitygw 1.7 says yes to the completion of any upload that is gone when the key is taken, with the ETag that the
    // parts would have given. Under that seal there is nothing to read, so nothing is verified.
    const reading = readBack(ports, second.open.key, { seal: late.seal, length: 1 })
    await assert.rejects(reading, isCode('TARGET_REPLACED'))
  })

  portTest(
    contract,
    'a sweep aborts what it is allowed to and leaves the uploads of strangers alone',
    async (ports) => {
      const live = await openUpload(ports, 'swept/live', threeParts(partBytes, '9'), { partBytes })
      const dead = await openUpload(ports, 'swept/dead', threeParts(partBytes, '9'), { partBytes })
      const twin = await openUpload(ports, 'swept/live', threeParts(partBytes, '9'), { partBytes })
      assert.equal(new Set([live.id, dead.id, twin.id]).size, 3)
      await sendPart(ports, dead, 1)
      await put(ports, 'swept/object', Buffer.from('object'))
      const strangers = await openUpload(ports, 'nested/stranger', threeParts(partBytes, '9'), { partBytes })
      const mayAbort = async (key: Buffer | null, id: string): Promise<boolean> => {
        if (key === null) return ![live.id, strangers.id].includes(id)
        const name = ports.fixture.target.keys.nameOf(key)
        assert.ok(name !== null && name !== 'hashed')
        return name.toString().startsWith('swept/') && id !== live.id
      }
      assert.equal(await ports.uploads.sweep(mayAbort, neverAborted), 2)
      assert.equal(await ports.uploads.sweep(mayAbort, neverAborted), 0)
      for (const part of [1, 2, 3]) await sendPart(ports, strangers, part)
      await ports.uploads.seal(sealRequest(strangers), neverAborted)
      await assert.rejects(sendPart(ports, dead, 2), isCode('UPLOAD_LOST'))
      for (const part of [1, 2, 3]) await sendPart(ports, live, part)
      await ports.uploads.seal(sealRequest(live), neverAborted)
      assert.ok(await ports.writer.find(keyOf(ports, 'swept/object'), neverAborted))
    },
  )

  portTest(contract, 'a new version takes good ranges from the one that is there', async (ports) => {
    if (!ports.abilities.copiesParts) return
    const body = threeParts(partBytes, '10')
    const old = await openUpload(ports, 'repaired', Buffer.from(body), { partBytes })
    old.body.fill(0, partBytes, partBytes + 4)
    for (const part of [1, 2, 3]) await sendPart(ports, old, part)
    const { seal } = await ports.uploads.seal(sealRequest(old), neverAborted)
    const dress = dressOf(ports, '1.1.0', 2)
    const repair = await openUpload(ports, 'repaired', body, { partBytes, dress, copiesParts: true })
    for (const part of [1, 3]) {
      const [offset, length] = [(part - 1) * partBytes, rangeOf(repair, part).length]
      const request = { key: repair.open.key, upload: repair.id, part, offset, length, seal }
      const other = ports.writer.copyPart({ ...request, seal: '"no such version"' }, neverAborted)
      await assert.rejects(other, isCode('TARGET_REPLACED'))
      const { tag } = await ports.writer.copyPart(request, neverAborted)
      repair.parts.push({ part, tag, digest: digestOf(rangeOf(repair, part)), length })
    }
    await sendPart(ports, repair, 2)
    const sealed = await ports.uploads.seal(sealRequest(repair, { kind: 'match', seal }), neverAborted)
    assert.equal(sealed.isAdopted, false)
    assert.ok((await readBack(ports, repair.open.key, { seal: sealed.seal, length: body.length })).equals(body))
  })
}

export function uploadContract(contract: TargetContract): void {
  sealTests(contract)
  endTests(contract)
}
