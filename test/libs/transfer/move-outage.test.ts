import assert from 'node:assert/strict'
import test from 'node:test'
import { Pace } from '#libs/target/pace'
import { defaultRetryRules, retryingTarget } from '#libs/target/retrying'
import { moveChunk } from '#libs/transfer/move-chunk'
import { readBack } from '#libs/transfer/read-back'
import { seededBytes } from '#test/support/seeded-bytes'
import { seededRandom } from '#test/support/seeded-random'
import { abilitiesOf, createStage, entriesOf, job, logged, plannedPack } from './move-stage.ts'

test('a target that is gone for two minutes costs waiting, and neither an item nor an attempt', async () => {
  const stage = createStage({ slotsMax: 2 })
  const { clock } = stage
  const target = retryingTarget(stage.target, {
    rules: defaultRetryRules,
    pace: new Pace(clock),
    clock,
    random: seededRandom(1),
    onRetry: () => undefined,
  })
  const isDown = (): boolean => clock.monotonic() % 200_000 < 120_000
  stage.target.store.faults = () => (isDown() ? { kind: 'fails', code: 'TARGET_UNREACHABLE', acts: false } : null)
  for (const name of ['a', 'b', 'c']) stage.tree.write(name, seededBytes(name, 3000))
  const planned = plannedPack(['a', 'b', 'c'].map((name) => stage.extentOf(name)))
  const lease = { job, claim: 'claim-1', epoch: 1, chunk: planned.chunk, attempt: 1 }
  const context = { ...stage.context, writer: target.writer(abilitiesOf()) }
  const draft = await clock.run(moveChunk(planned, lease, context))
  assert.deepEqual(
    entriesOf(draft).map(({ outcome }) => outcome),
    ['written', 'written', 'written'],
  )
  assert.ok(clock.monotonic() >= 120_000)
  await clock.advance(200_000 - (clock.monotonic() % 200_000))
  assert.ok(draft.type === 'ChunkTransferred')
  const result = await clock.run(
    readBack(planned, logged(draft), {
      reader: target.reader(abilitiesOf()),
      seal: null,
      round: 1,
      readerName: 'verifier-1',
      clock,
      slots: stage.context.slots,
      signal: stage.shutdown.signal,
    }),
  )
  assert.equal(result?.type, 'ChunkVerified')
})
