import assert from 'node:assert/strict'
import test from 'node:test'
import { readBack } from '#libs/transfer/read-back'
import { seededBytes } from '#test/support/seeded-bytes'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import { abilitiesOf, createStage, entriesOf, logged, plannedPack, plannedPart, type Stage } from './move-stage.ts'

const KiB = 1024
const seeds = 300

/** Every call of a port takes a random time, so that an abort at a random moment hits every await in the end. */
function createSlowStage(
  seed: number,
): Stage & { random: () => number; pause: (signal?: AbortSignal) => Promise<void> } {
  const random = seededRandom(seed)
  const pause = (signal?: AbortSignal): Promise<void> => stage.clock.sleep(integerBetween(random, 1, 20), signal)
  const stage: Stage = createStage({
    budgetBytes: 64 * KiB,
    slotsMax: integerBetween(random, 1, 4),
    context: { looksFirst: random() < 0.5, mustStillHold: () => (random() < 0.5 ? pause() : undefined) },
    wrapWriter: (writer) => ({
      takeOver: (claim, signal) => writer.takeOver(claim, signal),
      find: (key, signal) => pause(signal).then(() => writer.find(key, signal)),
      put: (request, signal) => pause(signal).then(() => writer.put(request, signal)),
      settle: (keys, signal) => pause(signal).then(() => writer.settle(keys, signal)),
      writePart: (request, signal) => pause(signal).then(() => writer.writePart(request, signal)),
      copyPart: (request, signal) => pause(signal).then(() => writer.copyPart(request, signal)),
      close: () => writer.close(),
    }),
  })
  stage.beforeSource = () => pause()
  return Object.assign(stage, { random, pause })
}

function planRandom(stage: Stage, random: () => number): ReturnType<typeof plannedPack> {
  if (random() < 0.3) {
    stage.tree.write('large', seededBytes('large', 60 * KiB))
    const upload = stage.target.store.openUpload(Buffer.from('large'))
    return plannedPart(stage.extentOf('large', { offset: 0, length: 50 * KiB }), { upload })
  }
  const extents = Array.from({ length: integerBetween(random, 1, 8) }, (_, index) => {
    stage.tree.write(`a${index}`, seededBytes(`${index}`, integerBetween(random, 0, 30 * KiB)))
    return stage.extentOf(`a${index}`)
  })
  return plannedPack(extents)
}

test('an abort at any moment ends in a whole transfer or in an uncounted failure, with nothing left at work', async () => {
  const outcomes = { transferred: 0, aborted: 0 }
  for (let seed = 1; seed <= seeds; seed += 1) {
    const stage = createSlowStage(seed)
    const planned = planRandom(stage, stage.random)
    if (stage.random() < 0.5) {
      stage.context.gate.grant({ bytesPerSecond: 200_000, validUntilMonotonicMs: Number.POSITIVE_INFINITY })
    }
    const moving = stage.move(planned)
    const aborting = stage.clock.sleep(stage.random() * 300).then(() => stage.shutdown.abort(new Error('shut down')))
    const draft = await stage.clock.run(moving)
    assert.equal(stage.context.budget.inFlight, 0, `seed ${seed}: a loan was not given back`)
    assert.equal(stage.context.slots.inFlight, 0, `seed ${seed}: a slot was not given back`)
    await stage.clock.run(aborting)
    if (draft.type === 'ChunkTransferred') {
      outcomes.transferred += 1
      assert.ok(
        draft.entries.every((entry) => entry.outcome === 'written') && draft.entries.length === planned.extents.length,
        `seed ${seed}: an abort shows as an item's outcome`,
      )
    } else {
      outcomes.aborted += 1
      assert.deepEqual([draft.code, draft.isCounted, draft.isFinal], ['ABORTED', false, false], `seed ${seed}`)
    }
    await stage.clock.advance(60_000)
    assert.equal(stage.clock.sleepers, 0, `seed ${seed}: something still sleeps`)
  }
  assert.ok(outcomes.transferred > seeds / 10 && outcomes.aborted > seeds / 10, JSON.stringify(outcomes))
})

test('an abort at any moment of reading back claims everything or nothing', async () => {
  const outcomes = { verified: 0, nothing: 0 }
  for (let seed = 1; seed <= seeds; seed += 1) {
    const stage = createSlowStage(seed)
    stage.beforeSource = () => undefined
    const extents = ['a', 'b', 'c'].map((name) => {
      stage.tree.write(name, seededBytes(name, 5000))
      return stage.extentOf(name)
    })
    const planned = plannedPack(extents)
    const draft = await stage.clock.run(stage.move(planned))
    entriesOf(draft)
    assert.ok(draft.type === 'ChunkTransferred')
    const reader = stage.target.reader(abilitiesOf())
    const stop = new AbortController()
    const reading = readBack(planned, logged(draft), {
      reader: {
        read: (request, consume, signal) => stage.pause(signal).then(() => reader.read(request, consume, signal)),
        close: () => reader.close(),
      },
      seal: null,
      round: 1,
      readerName: 'verifier-1',
      clock: stage.clock,
      slots: stage.context.slots,
      signal: stop.signal,
    })
    const aborting = stage.clock.sleep(stage.random() * 80).then(() => stop.abort(new Error('shut down')))
    const result = await stage.clock.run(reading)
    await stage.clock.run(aborting)
    assert.equal(stage.context.slots.inFlight, 0, `seed ${seed}`)
    if (result === null) outcomes.nothing += 1
    else outcomes.verified += 1
    assert.ok(result === null || result.type === 'ChunkVerified', `seed ${seed}: an abort accuses the target`)
  }
  assert.ok(outcomes.verified > seeds / 10 && outcomes.nothing > seeds / 10, JSON.stringify(outcomes))
})

test('the same seed gives the same history', async () => {
  const history = async (): Promise<string> => {
    const stage = createSlowStage(7)
    const calls: string[] = []
    const slow = stage.beforeSource
    stage.beforeSource = (call) => {
      calls.push(`${stage.clock.monotonic()} ${call.method}`)
      return slow(call)
    }
    await stage.clock.run(stage.move(planRandom(stage, stage.random)))
    return calls.join('\n')
  }
  assert.equal(await history(), await history())
})
