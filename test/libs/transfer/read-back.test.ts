import assert from 'node:assert/strict'
import test from 'node:test'
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { MemoryFault } from '#libs/target/memory-store'
import { type ReadBackContext, readBack } from '#libs/transfer/read-back'
import type { Draft, EventOf } from '#schemas/events'
import type { VerifiedEntry } from '#schemas/records'
import { seededBytes } from '#test/support/seeded-bytes'
import { abilitiesOf, createStage, entriesOf, logged, plannedPack, plannedPart, type Stage } from './move-stage.ts'

interface Moved {
  readonly stage: Stage
  readonly planned: EventOf<'ChunkPlanned'>
  readonly transferred: EventOf<'ChunkTransferred'>
}

async function movePack(sizes: readonly number[]): Promise<Moved> {
  const stage = createStage()
  const extents = sizes.map((size, index) => {
    stage.tree.write(`a${index}`, seededBytes(`${index}`, size))
    return stage.extentOf(`a${index}`)
  })
  const planned = plannedPack(extents)
  return { stage, planned, transferred: await transferOf(stage, planned) }
}

async function transferOf(stage: Stage, planned: EventOf<'ChunkPlanned'>): Promise<EventOf<'ChunkTransferred'>> {
  const draft = await stage.clock.run(stage.move(planned))
  entriesOf(draft)
  if (draft.type !== 'ChunkTransferred') throw new Error('not transferred')
  return logged(draft)
}

function readBackContext(stage: Stage, changes: Partial<ReadBackContext> = {}): ReadBackContext {
  return {
    reader: stage.target.reader(abilitiesOf()),
    seal: null,
    round: 1,
    readerName: 'verifier-1',
    clock: stage.clock,
    slots: stage.context.slots,
    signal: stage.shutdown.signal,
    ...changes,
  }
}

async function verify(
  { stage, planned, transferred }: Moved,
  changes: Partial<ReadBackContext> = {},
): Promise<Draft<'ChunkVerified'> | Draft<'ChunkFailed'>> {
  const result = await stage.clock.run(readBack(planned, transferred, readBackContext(stage, changes)))
  if (result === null) throw new Error('nothing was claimed')
  return result
}

function provenEntries(draft: Draft<'ChunkVerified'> | Draft<'ChunkFailed'>): readonly VerifiedEntry[] {
  return draft.proof?.entries ?? []
}

test('what was written is read back by the verifier and verified, entry by entry', async () => {
  const moved = await movePack([0, 10, 3000])
  let counted = 0
  const verified = await verify(moved, {
    round: 3,
    onBytes: (bytes) => {
      counted += bytes
    },
  })
  assert.equal(verified.type, 'ChunkVerified')
  assert.deepEqual(
    [verified.proof?.round, verified.proof?.reader, verified.proof?.bypassedCache, verified.proof?.targetBytesRead],
    [3, 'verifier-1', true, 3010],
  )
  assert.equal(counted, 3010)
  for (const [index, entry] of provenEntries(verified).entries()) {
    assert.equal(entry.outcome, 'verified')
    assert.deepEqual(entry.digest, moved.transferred.entries[index]?.digest)
    assert.equal(entry.bytes, moved.planned.extents[index]?.length)
  }
})

test('a part is read at its range of the sealed object', async () => {
  const stage = createStage()
  const body = seededBytes('large', 5000)
  stage.tree.write('large', body)
  const upload = stage.target.store.openUpload(Buffer.from('large'))
  const planned = plannedPart(stage.extentOf('large', { offset: 1000, length: 2000 }), { upload, part: 2 })
  const transferred = await transferOf(stage, planned)
  stage.target.store.replace(Buffer.from('large'), body)
  const { seal } = stage.target.store.mustHave(Buffer.from('large'))
  const verified = await verify({ stage, planned, transferred }, { seal })
  assert.equal(verified.type, 'ChunkVerified')
  assert.deepEqual([verified.proof?.seal, verified.proof?.targetBytesRead], [seal, 2000])
  const replaced = await verify({ stage, planned, transferred }, { seal: '"another"' })
  assert.deepEqual(
    [provenEntries(replaced)[0]?.outcome, provenEntries(replaced)[0]?.code],
    ['mismatch', 'TARGET_REPLACED'],
  )
})

test('links and directories are verified too', async () => {
  const stage = createStage()
  stage.tree.makeDirectory('dir')
  stage.tree.link('dir/link', 'elsewhere')
  const planned = plannedPack([stage.extentOf('dir'), stage.extentOf('dir/link')])
  const moved = { stage, planned, transferred: await transferOf(stage, planned) }
  assert.equal((await verify(moved)).type, 'ChunkVerified')
  const link = stage.target.store.mustHave(Buffer.from('dir/link'))
  stage.target.store.objects.set('dir/link', { ...link, body: Buffer.from('other') })
  const failed = await verify(moved)
  assert.equal(provenEntries(failed)[1]?.outcome, 'mismatch')
})

test('entries that were not written are not read, and do not fail the chunk', async () => {
  const moved = await movePack([10, 10])
  const [first, second] = moved.transferred.entries
  assert.ok(first !== undefined && second !== undefined)
  const entries = [first, { ...second, outcome: 'changed', code: 'SOURCE_CHANGED', digest: Buffer.alloc(0) } as const]
  const verified = await verify({ ...moved, transferred: { ...moved.transferred, entries } })
  assert.equal(verified.type, 'ChunkVerified')
  const [, other] = provenEntries(verified)
  assert.deepEqual([other?.outcome, other?.code], ['not_written', 'SOURCE_CHANGED'])
  assert.equal(moved.stage.target.store.counters.calls.get('read'), 1)
})

type Answer = 'right' | 'flipped' | 'rotten' | ErrorCode
interface Row {
  readonly first: Answer
  readonly second: Answer
  readonly outcome: VerifiedEntry['outcome']
  readonly code: string | null
}

/** rotten: the stored byte differs, the same each time; flipped: another byte each time. */
const table: readonly Row[] = [
  { first: 'flipped', second: 'right', outcome: 'verified', code: 'READ_PATH_ERROR' },
  { first: 'rotten', second: 'rotten', outcome: 'mismatch', code: 'DIGEST_MISMATCH' },
  { first: 'rotten', second: 'flipped', outcome: 'unverifiable', code: 'TARGET_UNREADABLE' },
  { first: 'rotten', second: 'TARGET_UNREACHABLE', outcome: 'unverifiable', code: 'TARGET_UNREACHABLE' },
  { first: 'TARGET_UNREACHABLE', second: 'right', outcome: 'verified', code: null },
  { first: 'TARGET_UNREACHABLE', second: 'rotten', outcome: 'unverifiable', code: 'TARGET_UNREACHABLE' },
  { first: 'TARGET_MISSING', second: 'TARGET_MISSING', outcome: 'missing', code: 'TARGET_MISSING' },
  { first: 'TARGET_MISSING', second: 'right', outcome: 'verified', code: null },
  { first: 'TARGET_REPLACED', second: 'TARGET_REPLACED', outcome: 'mismatch', code: 'TARGET_REPLACED' },
  { first: 'TARGET_SHORT_READ', second: 'TARGET_SHORT_READ', outcome: 'mismatch', code: 'TARGET_SHORT_READ' },
  { first: 'TARGET_SHORT_READ', second: 'right', outcome: 'verified', code: null },
  { first: 'TARGET_UNREADABLE', second: 'TARGET_UNREADABLE', outcome: 'unverifiable', code: 'TARGET_UNREADABLE' },
  { first: 'TARGET_DENIED', second: 'TARGET_DENIED', outcome: 'unverifiable', code: 'TARGET_DENIED' },
]

function faultOf(answer: Answer): MemoryFault | null {
  switch (answer) {
    case 'right':
    case 'rotten':
      return null
    case 'flipped':
      return { kind: 'flips' }
    default:
      return { kind: 'fails', code: answer, acts: false }
  }
}

for (const { first, second, outcome, code } of table) {
  test(`first look ${first}, second look ${second}: ${outcome}${code === null ? '' : ` (${code})`}`, async () => {
    const moved = await movePack([100])
    if (first === 'rotten' || second === 'rotten') moved.stage.target.store.corrupt(Buffer.from('a0'), 50)
    const looks: boolean[] = []
    const reader = moved.stage.target.reader(abilitiesOf())
    moved.stage.target.store.faults = () => faultOf(looks.length === 1 ? first : second)
    const result = await verify(moved, {
      reader: {
        read: (request, consume, signal) => {
          looks.push(request.isFresh)
          return reader.read(request, consume, signal)
        },
        close: () => reader.close(),
      },
    })
    assert.deepEqual(looks, [false, true], 'the second look is over a fresh connection')
    const [entry] = provenEntries(result)
    assert.deepEqual([entry?.outcome, entry?.code], [outcome, code])
    assert.equal(result.type, outcome === 'verified' ? 'ChunkVerified' : 'ChunkFailed')
    if (result.type === 'ChunkFailed') {
      assert.deepEqual([result.by, result.claim, result.epoch, result.code], ['verifier', '', 0, code])
    }
  })
}

test('a mismatch names both digests', async () => {
  const moved = await movePack([100])
  moved.stage.target.store.corrupt(Buffer.from('a0'), 50)
  const [entry] = provenEntries(await verify(moved))
  assert.deepEqual(entry?.expected, moved.transferred.entries[0]?.digest)
  assert.equal(entry?.digest.length, 32)
  assert.notDeepEqual(entry.digest, entry.expected)
})

test('the code of the chunk is that of its worst extent, and the others keep their own outcome', async () => {
  const moved = await movePack([10, 10, 10, 10])
  moved.stage.target.store.remove(Buffer.from('a1'))
  moved.stage.target.store.corrupt(Buffer.from('a2'), 0)
  moved.stage.target.store.faults = ({ key }) =>
    key?.toString() === 'a3' ? { kind: 'fails', code: 'TARGET_UNREADABLE', acts: false } : null
  const failed = await verify(moved)
  assert.ok(failed.type === 'ChunkFailed')
  assert.equal(failed.code, 'DIGEST_MISMATCH')
  assert.deepEqual(
    provenEntries(failed).map(({ outcome }) => outcome),
    ['verified', 'missing', 'mismatch', 'unverifiable'],
  )
})

test('a reader that breaks off after some bytes, twice at the same place, shows what is stored', async () => {
  const moved = await movePack([100])
  const object = moved.stage.target.store.mustHave(Buffer.from('a0'))
  const short = { ...object, body: object.body.subarray(0, 40) }
  moved.stage.target.store.objects.set('a0', short)
  const [entry] = provenEntries(await verify(moved))
  assert.deepEqual([entry?.outcome, entry?.code], ['mismatch', 'TARGET_SHORT_READ'])
})

test('a reader that gives fewer bytes without an error verifies nothing', async () => {
  const moved = await movePack([100])
  const bytes = seededBytes('0', 100)
  const result = await verify(moved, {
    reader: {
      read: async (_request, consume) => {
        consume(bytes.subarray(0, 99))
        return Promise.resolve({ bytes: 100, bypassedCache: true, objectBytes: null })
      },
      close: () => Promise.resolve(),
    },
  })
  assert.deepEqual(
    provenEntries(result).map(({ outcome, code }) => [outcome, code]),
    [['mismatch', 'TARGET_SHORT_READ']],
  )
})

test('bytes behind the end of an item are a mismatch, of an empty one and of one in parts too', async () => {
  const moved = await movePack([0, 100])
  const { store } = moved.stage.target
  for (const name of ['a0', 'a1']) {
    const object = store.mustHave(Buffer.from(name))
    store.objects.set(name, { ...object, body: Buffer.concat([object.body, Buffer.from('x')]) })
  }
  const stage = createStage()
  stage.tree.write('large', seededBytes('large', 5000))
  const upload = stage.target.store.openUpload(Buffer.from('large'))
  const planned = plannedPart(stage.extentOf('large', { offset: 1000, length: 2000 }), { upload, part: 2 })
  const part = { stage, planned, transferred: await transferOf(stage, planned) }
  stage.target.store.replace(Buffer.from('large'), Buffer.concat([seededBytes('large', 5000), Buffer.from('x')]))
  const found = [...provenEntries(await verify(moved)), ...provenEntries(await verify(part))]
  assert.deepEqual(
    found.map(({ outcome, code }) => [outcome, code]),
    Array.from({ length: 3 }, () => ['mismatch', 'TARGET_SIZE_DIFFERS']),
  )
  // Reports name what differs, and of these ranges nothing does.
  assert.deepEqual(
    found.map(({ digest }) => digest.length),
    [0, 0, 0],
  )
})

test('all bytes and then an error is not a proof: what was read may be of a version that is gone', async () => {
  const moved = await movePack([100])
  const bytes = seededBytes('0', 100)
  const result = await verify(moved, {
    reader: {
      read: async (_request, consume) => {
        consume(bytes)
        return Promise.reject(new WaybillError('TARGET_REPLACED'))
      },
      close: () => Promise.resolve(),
    },
  })
  assert.deepEqual(
    provenEntries(result).map(({ outcome, code }) => [outcome, code]),
    [['mismatch', 'TARGET_REPLACED']],
  )
})

test('an aborted reading claims nothing', async () => {
  const moved = await movePack([100, 100])
  moved.stage.shutdown.abort(new Error('shut down'))
  const context = readBackContext(moved.stage)
  assert.equal(await moved.stage.clock.run(readBack(moved.planned, moved.transferred, context)), null)
})

test('expired credentials claim nothing and are told to the role', async () => {
  const moved = await movePack([100, 100])
  moved.stage.target.store.faults = () => ({ kind: 'fails', code: 'CREDENTIALS_EXPIRED', acts: false })
  await assert.rejects(verify(moved), { code: 'CREDENTIALS_EXPIRED' })
  assert.equal(moved.stage.context.slots.inFlight, 0)
})

test('a target that never answers is given up in the end', async () => {
  const moved = await movePack([100])
  const { clock } = moved.stage
  const result = await verify(moved, {
    reader: {
      read: (_request, _consume, signal) =>
        clock.sleep(3_600_000, signal).then(() => ({ bytes: 0, bypassedCache: false, objectBytes: null })),
      close: () => Promise.resolve(),
    },
  })
  const [entry] = provenEntries(result)
  assert.deepEqual([entry?.outcome, entry?.code], ['unverifiable', 'TARGET_TIMEOUT'])
  assert.ok(clock.monotonic() < 800_000)
})
