import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { seededBytes } from '#test/support/seeded-bytes'
import { createStage, entriesOf, failureOf, plannedPart, type Stage, type StageOptions } from './move-stage.ts'

const KiB = 1024
const body = seededBytes('large', 300 * KiB)
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()
const range = { offset: 100 * KiB, length: 150 * KiB }
const part = body.subarray(range.offset, range.offset + range.length)

function createPartStage(options: StageOptions = {}): Stage & { planned: ReturnType<typeof plannedPart> } {
  const stage = createStage(options)
  stage.tree.write('large', body)
  const upload = stage.target.store.openUpload(Buffer.from('large'))
  return Object.assign(stage, { planned: plannedPart(stage.extentOf('large', range), { upload, part: 2 }) })
}

test('a part is read once and sent with its digest, under its number', async () => {
  const stage = createPartStage()
  const draft = await stage.clock.run(stage.move(stage.planned))
  const [entry] = entriesOf(draft)
  const stored = stage.target.store.uploads.get('upload-1')?.parts.get(2)
  assert.ok(stored?.body.equals(part) === true)
  assert.ok(entry?.digest.equals(sha256(part)) === true)
  assert.deepEqual([entry.outcome, entry.tag, entry.seal], ['written', stored.tag, null])
  assert.deepEqual([draft.sourceBytesRead, draft.targetBytesWritten], [part.length, part.length])
  assert.equal(stage.target.store.counters.calls.get('settle'), undefined)
})

test('a part of an object that is there already is read and hashed, and nothing is sent', async () => {
  const stage = createPartStage()
  const draft = await stage.clock.run(stage.move({ ...stage.planned, upload: null, givenSeal: '"there"' }))
  const [entry] = entriesOf(draft)
  assert.equal(entry?.outcome, 'given')
  assert.ok(entry.digest.equals(sha256(part)))
  assert.deepEqual([draft.sourceBytesRead, draft.targetBytesWritten], [part.length, 0])
  assert.equal(stage.target.store.counters.calls.size, 0)
})

test('a part that is copied inside the target reads nothing at the source and sends nothing', async () => {
  const stage = createPartStage()
  stage.target.store.replace(Buffer.from('large'), body)
  const { seal } = stage.target.store.mustHave(Buffer.from('large'))
  const digest = sha256(part)
  const draft = await stage.clock.run(stage.move({ ...stage.planned, copy: { seal, ...range, digest } }))
  const [entry] = entriesOf(draft)
  assert.deepEqual([entry?.outcome, entry?.digest], ['written', digest])
  assert.deepEqual([draft.sourceBytesRead, draft.targetBytesWritten], [0, 0])
  assert.ok(stage.target.store.uploads.get('upload-1')?.parts.get(2)?.body.equals(part) === true)
})

test('a copy whose origin is another object now asks for a new generation', async () => {
  const stage = createPartStage()
  stage.target.store.replace(Buffer.from('large'), body)
  const copy = { seal: '"before"', ...range, digest: sha256(part) }
  const [entry] = entriesOf(await stage.clock.run(stage.move({ ...stage.planned, copy })))
  assert.deepEqual([entry?.outcome, entry?.code], ['changed', 'TARGET_REPLACED'])
})

test('an upload that is gone asks for a new generation', async () => {
  const stage = createPartStage()
  stage.target.store.expireUploads()
  const [entry] = entriesOf(await stage.clock.run(stage.move(stage.planned)))
  assert.deepEqual([entry?.outcome, entry?.code], ['changed', 'UPLOAD_LOST'])
})

test('a part of an item that changed is not sent', async () => {
  const stage = createPartStage()
  stage.beforeSource = ({ method }) => {
    if (method === 'confirm') stage.tree.setMode('large', 0o600)
  }
  const [entry] = entriesOf(await stage.clock.run(stage.move(stage.planned)))
  assert.deepEqual([entry?.outcome, entry?.code], ['changed', 'SOURCE_CHANGED'])
  assert.equal(stage.target.store.counters.bytesWritten, 0)
})

test('a part that cannot be sent fails the attempt, counted; what was read is counted too', async () => {
  const stage = createPartStage()
  stage.target.store.faults = () => ({ kind: 'fails', code: 'TARGET_TIMEOUT', acts: true })
  const failure = failureOf(await stage.clock.run(stage.move(stage.planned)))
  assert.deepEqual([failure.code, failure.isCounted], ['TARGET_TIMEOUT', true])
  assert.deepEqual([failure.sourceBytesRead, failure.targetBytesWritten], [part.length, 0])
})

test('a byte flipped on the way in is refused by the target and fails the attempt', async () => {
  const stage = createPartStage()
  stage.target.store.faults = () => ({ kind: 'flips' })
  assert.equal(failureOf(await stage.clock.run(stage.move(stage.planned))).code, 'TARGET_REFUSED_DIGEST')
})

test('a target that never answers is given up in the end, after the time that retries may take', async () => {
  const stage: Stage & { planned: ReturnType<typeof plannedPart> } = createPartStage({
    wrapWriter: (writer) => ({
      takeOver: (claim, signal) => writer.takeOver(claim, signal),
      find: (key, signal) => writer.find(key, signal),
      put: (request, signal) => writer.put(request, signal),
      settle: (keys, signal) => writer.settle(keys, signal),
      writePart: (_request, signal) => stage.clock.sleep(3_600_000, signal).then(() => ({ tag: 'late' })),
      copyPart: (request, signal) => writer.copyPart(request, signal),
      close: () => writer.close(),
    }),
  })
  const failure = failureOf(await stage.clock.run(stage.move(stage.planned)))
  assert.deepEqual([failure.code, failure.isCounted], ['TARGET_TIMEOUT', true])
  assert.ok(stage.clock.monotonic() < 400_000)
})

test('an item of many slices is read within the grant, and its digest is that of the whole', async () => {
  const stage = createPartStage()
  stage.context.gate.grant({ bytesPerSecond: 500_000, validUntilMonotonicMs: Number.POSITIVE_INFINITY })
  let reads = 0
  stage.beforeSource = ({ method }) => {
    reads += method === 'read' ? 1 : 0
  }
  const [entry] = entriesOf(await stage.clock.run(stage.move(stage.planned)))
  assert.ok(entry?.digest.equals(sha256(part)) === true)
  assert.ok(reads >= 30, `${reads} reads`)
  assert.ok(stage.clock.monotonic() > 280, `${stage.clock.monotonic()} ms for 150 KiB at 500 kB/s`)
})
