import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import { seededBytes } from '#test/support/seeded-bytes'
import { createStage, entriesOf, failureOf, job, plannedPack, type Stage } from './move-stage.ts'

const KiB = 1024
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()
const stored = (stage: Stage, name: string): Buffer | undefined => stage.target.store.objects.get(name)?.body

/** Files named `a0`, `a1`, ... of the given sizes, and the pack of them. */
function packOf(stage: Stage, sizes: readonly number[]): ReturnType<typeof plannedPack> {
  const names = sizes.map((size, index) => {
    stage.tree.write(`a${index}`, seededBytes(`${index}`, size))
    return `a${index}`
  })
  return plannedPack(names.map((name) => stage.extentOf(name)))
}

test('a pack is read once, hashed and written, and its entries stand in the order of its extents', async () => {
  const stage = createStage()
  const sizes = [0, 1, 70 * KiB, 4096, 300 * KiB, 5]
  const planned = packOf(stage, sizes)
  const entries = entriesOf(await stage.clock.run(stage.move(planned)))
  for (const [index, extent] of planned.extents.entries()) {
    const bytes = seededBytes(`${index}`, sizes[index] ?? 0)
    const entry = entries[index]
    assert.equal(entry?.item, extent.item)
    assert.equal(entry.outcome, 'written')
    assert.equal(entry.bytes, bytes.length)
    assert.ok(entry.digest.equals(sha256(bytes)))
    assert.ok(stored(stage, `a${index}`)?.equals(bytes))
    assert.equal(entry.seal, stage.target.store.objects.get(`a${index}`)?.seal)
  }
  assert.equal(stage.target.store.unsettled.size, 0)
  assert.equal(stage.target.store.counters.calls.get('settle'), 1)
  assert.equal(stage.target.store.counters.calls.get('find'), undefined)
})

test('bytes read and written are counted exactly', async () => {
  const stage = createStage()
  const planned = packOf(stage, [0, 100, 300 * KiB])
  const draft = await stage.clock.run(stage.move(planned))
  assert.equal(draft.sourceBytesRead, 300 * KiB + 100)
  assert.equal(draft.targetBytesWritten, 300 * KiB + 100)
  assert.deepEqual(stage.bytes, { read: 300 * KiB + 100, written: 300 * KiB + 100 })
  assert.equal(stage.target.store.counters.bytesWritten, 300 * KiB + 100)
})

test('links and directories are made without reading the source', async () => {
  const stage = createStage()
  stage.tree.makeDirectory('dir')
  stage.tree.link('dir/link', '../elsewhere')
  const planned = plannedPack([stage.extentOf('dir'), stage.extentOf('dir/link')])
  const draft = await stage.clock.run(stage.move(planned))
  const [directory, link] = entriesOf(draft)
  assert.ok(directory?.digest.equals(sha256(Buffer.alloc(0))))
  assert.ok(link?.digest.equals(sha256(Buffer.from('../elsewhere'))) === true)
  assert.equal(link.bytes, 0)
  assert.equal(draft.sourceBytesRead, 0)
  assert.equal(stage.target.store.objects.get('dir/link')?.kind, 'symlink')
  assert.equal(stage.target.store.objects.get('dir')?.kind, 'directory')
})

test('no more requests are in flight than there are slots', async () => {
  let inFlight = 0
  let most = 0
  const stage = createStage({
    slotsMax: 3,
    wrapWriter: (writer) => ({
      ...boundWriter(writer),
      put: async (request, signal) => {
        inFlight += 1
        most = Math.max(most, inFlight)
        await stage.clock.sleep(10)
        inFlight -= 1
        return writer.put(request, signal)
      },
    }),
  })
  const planned = packOf(
    stage,
    Array.from({ length: 20 }, () => 10),
  )
  entriesOf(await stage.clock.run(stage.move(planned)))
  assert.equal(most, 3)
})

function boundWriter(writer: Stage['context']['writer']): Stage['context']['writer'] {
  return {
    takeOver: (claim, signal) => writer.takeOver(claim, signal),
    find: (key, signal) => writer.find(key, signal),
    put: (request, signal) => writer.put(request, signal),
    settle: (keys, signal) => writer.settle(keys, signal),
    writePart: (request, signal) => writer.writePart(request, signal),
    copyPart: (request, signal) => writer.copyPart(request, signal),
    close: () => writer.close(),
  }
}

test('a pack larger than the memory goes through it item by item', async () => {
  const stage = createStage({ budgetBytes: 64 * KiB, slotsMax: 8 })
  let most = 0
  stage.beforeSource = () => {
    most = Math.max(most, stage.context.budget.inFlight)
  }
  const planned = packOf(
    stage,
    Array.from({ length: 30 }, () => 30 * KiB),
  )
  const entries = entriesOf(await stage.clock.run(stage.move(planned)))
  assert.ok(entries.every((entry) => entry.outcome === 'written'))
  assert.ok(most <= 64 * KiB && most > 0, `${most} bytes were in flight`)
  assert.equal(stage.context.budget.inFlight, 0)
})

const changes: readonly {
  when: string
  at: 'open' | 'read' | 'confirm'
  spoil: (stage: Stage) => void
  code: ErrorCode
}[] = [
  {
    when: 'before reading',
    at: 'open',
    spoil: ({ tree }) => tree.write('a1', Buffer.alloc(10)),
    code: 'SOURCE_CHANGED',
  },
  { when: 'before reading', at: 'open', spoil: ({ tree }) => tree.remove('a1'), code: 'SOURCE_VANISHED' },
  {
    when: 'while reading',
    at: 'read',
    spoil: ({ tree }) => tree.write('a1', Buffer.alloc(10)),
    code: 'SOURCE_CHANGED',
  },
  {
    when: 'while reading',
    at: 'read',
    spoil: ({ tree }) => tree.write('a1', Buffer.alloc(3)),
    code: 'SOURCE_SHORT_READ',
  },
  {
    when: 'after reading',
    at: 'confirm',
    spoil: ({ tree }) => tree.write('a1', Buffer.alloc(10)),
    code: 'SOURCE_CHANGED',
  },
  { when: 'after reading', at: 'confirm', spoil: ({ tree }) => tree.setMode('a1', 0o600), code: 'SOURCE_CHANGED' },
]

for (const { when, at, spoil, code } of changes) {
  test(`an item that changes ${when} (${code}) is not written, and the pack goes on without it`, async () => {
    const stage = createStage()
    const planned = packOf(stage, [10, 10, 10])
    stage.beforeSource = (call) => {
      if (call.method === at && call.name.toString() === 'a1') spoil(stage)
    }
    const entries = entriesOf(await stage.clock.run(stage.move(planned)))
    assert.deepEqual(
      entries.map((entry) => [entry.outcome, entry.code]),
      [
        ['written', null],
        ['changed', code],
        ['written', null],
      ],
    )
    assert.equal(entries[1]?.bytes, 10)
    assert.equal(stored(stage, 'a1'), undefined)
  })
}

test('an item that cannot be read fails alone', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10, 10])
  stage.tree.deny('a0')
  const entries = entriesOf(await stage.clock.run(stage.move(planned)))
  assert.deepEqual(
    entries.map((entry) => [entry.outcome, entry.code]),
    [
      ['failed', 'SOURCE_UNREADABLE'],
      ['written', null],
    ],
  )
})

test('a request that fails for good fails one item of many, and the attempt when the item is alone', async () => {
  for (const code of ['TARGET_BUSY', 'TARGET_UNREACHABLE', 'TARGET_DENIED'] as const) {
    const stage = createStage()
    const planned = packOf(stage, [10, 10, 10])
    stage.target.store.faults = ({ operation, key }) =>
      operation === 'put' && key?.toString() === 'a1' ? { kind: 'fails', code, acts: false } : null
    const entries = entriesOf(await stage.clock.run(stage.move(planned)))
    assert.deepEqual(
      entries.map((entry) => entry.code),
      [null, code, null],
    )
    const [, spoilt] = planned.extents
    assert.ok(spoilt !== undefined)
    const failure = failureOf(await stage.clock.run(stage.move(plannedPack([spoilt]))))
    assert.deepEqual([failure.code, failure.isCounted, failure.isFinal, failure.by], [code, true, false, 'worker'])
  }
})

test('an item that failed comes to its turn again before the pack is done', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10, 10, 10])
  let failures = 2
  stage.beforeSource = (call) => {
    if (call.method !== 'read' || call.name.toString() !== 'a1' || failures === 0) return
    failures -= 1
    throw new WaybillError('SOURCE_READ_ERROR')
  }
  const entries = entriesOf(await stage.clock.run(stage.move(planned)))
  assert.deepEqual(
    entries.map(({ item, outcome }) => [item, outcome]),
    planned.extents.map(({ item }) => [item, 'written']),
  )
})

test('an item that cannot be moved is tried three times in one attempt', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10, 10])
  let tries = 0
  stage.beforeSource = (call) => {
    if (call.method !== 'read' || call.name.toString() !== 'a1') return
    tries += 1
    throw new WaybillError('SOURCE_READ_ERROR')
  }
  const entries = entriesOf(await stage.clock.run(stage.move(planned)))
  assert.deepEqual([entries[1]?.outcome, entries[1]?.code, tries], ['failed', 'SOURCE_READ_ERROR', 3])
})

test('many items that cannot be read, far from each other, do not fail the attempt', async () => {
  const stage = createStage()
  const planned = packOf(
    stage,
    Array.from({ length: 100 }, () => 10),
  )
  stage.beforeSource = (call) => {
    if (call.method === 'read' && call.name.toString().endsWith('5')) throw new WaybillError('SOURCE_READ_ERROR')
  }
  const entries = entriesOf(await stage.clock.run(stage.move(planned)))
  assert.equal(entries.filter(({ code }) => code === 'SOURCE_READ_ERROR').length, 10)
  assert.equal(entries.filter(({ outcome }) => outcome === 'written').length, 90)
})

test('a target that refuses everything fails the attempt and not the items, and is not asked a thousand times', async () => {
  const stage = createStage()
  const planned = packOf(
    stage,
    Array.from({ length: 100 }, () => 10),
  )
  stage.target.store.faults = () => ({ kind: 'fails', code: 'TARGET_UNREACHABLE', acts: false })
  const failure = failureOf(await stage.clock.run(stage.move(planned)))
  assert.deepEqual([failure.code, failure.isCounted], ['TARGET_UNREACHABLE', true])
  assert.ok((stage.target.store.counters.calls.get('put') ?? 0) < 20)
})

test('a later attempt goes through to the end, so that what can be moved is moved', async () => {
  const stage = createStage()
  const planned = packOf(
    stage,
    Array.from({ length: 30 }, () => 10),
  )
  stage.target.store.faults = ({ operation, key }) =>
    operation === 'put' && key?.toString() !== 'a29' ? { kind: 'fails', code: 'TARGET_BUSY', acts: false } : null
  assert.equal(failureOf(await stage.clock.run(stage.move(planned))).code, 'TARGET_BUSY')
  const entries = entriesOf(await stage.clock.run(stage.move(planned, { attempt: 4 })))
  assert.equal(entries[29]?.outcome, 'written')
  assert.equal(entries[28]?.code, 'TARGET_BUSY')
})

for (const code of ['TARGET_FULL', 'CREDENTIALS_EXPIRED'] as const) {
  test(`${code} ends the attempt without counting it, and nothing is left in flight`, async () => {
    const stage = createStage()
    const planned = packOf(
      stage,
      Array.from({ length: 20 }, () => 10),
    )
    stage.target.store.faults = ({ operation, key }) =>
      operation === 'put' && key?.toString() === 'a7' ? { kind: 'fails', code, acts: false } : null
    const failure = failureOf(await stage.clock.run(stage.move(planned)))
    assert.deepEqual([failure.code, failure.isCounted, failure.isFinal], [code, false, false])
    assert.equal(stage.context.budget.inFlight, 0)
    assert.equal(stage.context.slots.inFlight, 0)
  })
}

test('a settle that fails ends the attempt: nothing is called written before it is durable', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10, 10])
  stage.target.store.faults = ({ operation }) =>
    operation === 'settle' ? { kind: 'fails', code: 'TARGET_WRITE_ERROR', acts: false } : null
  assert.equal(failureOf(await stage.clock.run(stage.move(planned))).code, 'TARGET_WRITE_ERROR')
})

test('a lost fence ends the attempt before the next request, without counting it', async () => {
  let asked = 0
  const stage = createStage({
    slotsMax: 1,
    context: {
      mustStillHold: () => {
        asked += 1
        if (asked > 4) throw new WaybillError('ABORTED')
      },
    },
  })
  const planned = packOf(stage, [10, 10, 10, 10])
  const failure = failureOf(await stage.clock.run(stage.move(planned)))
  assert.deepEqual([failure.code, failure.isCounted], ['ABORTED', false])
  assert.equal(stage.target.store.counters.calls.get('put'), 2)
})

test('a target that finds this writer fenced ends the attempt without counting it', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10, 10, 10])
  stage.target.store.faults = ({ operation }) =>
    operation === 'put' ? { kind: 'fails', code: 'ABORTED', acts: false } : null
  const failure = failureOf(await stage.clock.run(stage.move(planned, { attempt: 4 })))
  assert.deepEqual([failure.code, failure.isCounted], ['ABORTED', false])
})

test('a mistake in waybill is thrown and not written into the log', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10, 10, 10])
  stage.beforeSource = ({ method }) => {
    if (method === 'read') throw new TypeError('a mistake')
  }
  await assert.rejects(stage.clock.run(stage.move(planned)), /a mistake/)
  assert.equal(stage.context.budget.inFlight, 0)
})

test('a source that gives no byte for 25 s fails the item, waiting for the grant does not', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10, 10])
  stage.context.gate.grant({ bytesPerSecond: 0, validUntilMonotonicMs: Number.POSITIVE_INFINITY })
  const moving = stage.move(planned)
  await stage.clock.advance(600_000)
  stage.beforeSource = async ({ method }) => {
    if (method === 'read') await stage.clock.sleep(40_000)
  }
  stage.context.gate.grant({ bytesPerSecond: null, validUntilMonotonicMs: Number.POSITIVE_INFINITY })
  const failure = failureOf(await stage.clock.run(moving))
  assert.deepEqual([failure.code, failure.isCounted], ['SOURCE_STALLED', true])
})

test('a call that does not return after its abort is told to the process', async () => {
  const stuck: ErrorCode[] = []
  const stage = createStage({ context: { onStuck: (code) => stuck.push(code) } })
  const planned = packOf(stage, [10])
  const hang = Promise.withResolvers<void>()
  stage.beforeSource = ({ method }) => (method === 'read' ? hang.promise : undefined)
  const moving = stage.move(planned)
  await stage.clock.advance(40_000)
  assert.deepEqual(stuck, ['SOURCE_STALLED'])
  hang.resolve()
  assert.equal(failureOf(await stage.clock.run(moving)).code, 'SOURCE_STALLED')
})

test('the mark names job, item and generation', async () => {
  const stage = createStage()
  const planned = packOf(stage, [10])
  entriesOf(await stage.clock.run(stage.move(planned)))
  const mark = stage.target.store.objects.get('a0')?.mark
  assert.deepEqual(mark, { job, item: planned.extents[0]?.item, generation: 1 })
})
