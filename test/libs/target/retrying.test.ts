import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import test from 'node:test'
import { codeOf, type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { MemoryFault } from '#libs/target/memory-store'
import { type MemoryTarget, openMemoryTarget } from '#libs/target/memory-target'
import { Pace } from '#libs/target/pace'
import { defaultRetryRules, type RetryNotice, retryingTarget } from '#libs/target/retrying'
import type { PutRequest, ReadRequest, Target, TargetReader } from '#libs/target/target'
import type { TargetAbilities } from '#schemas/records'
import { createVirtualClock } from '#test/support/virtual-clock'

const signal = new AbortController().signal
const key = Buffer.from('a')
const body = Buffer.from('0123456789')

const request: PutRequest = {
  key,
  kind: 'file',
  body,
  digest: hash('sha256', body, 'buffer'),
  dress: {
    mark: { job: 'job', item: '1.1.0', generation: 1 },
    attributes: { mode: 0o644, uid: 0, gid: 0 },
    mtimeNs: '0',
  },
  condition: { kind: 'absent' },
  claim: 'claim',
}

interface Bench {
  readonly memory: MemoryTarget
  readonly target: Target
  readonly notices: RetryNotice[]
  readonly clock: ReturnType<typeof createVirtualClock>
  readonly pace: Pace
  readonly calls: () => number
}

/** Every call gets the next fault; the last one stays. */
function given(faults: readonly (ErrorCode | null)[], change: (inner: Target) => Target = (inner) => inner): Bench {
  const memory = openMemoryTarget()
  let calls = 0
  memory.store.faults = (): MemoryFault | null => {
    const code = faults[Math.min(calls, faults.length - 1)] ?? null
    calls += 1
    return code === null ? null : { kind: 'fails', code, acts: false }
  }
  const clock = createVirtualClock()
  const pace = new Pace(clock)
  const notices: RetryNotice[] = []
  const onRetry = (notice: RetryNotice): void => {
    notices.push(notice)
  }
  const settings = { rules: defaultRetryRules, pace, clock, random: () => 0.5, onRetry }
  return { memory, target: retryingTarget(change(memory), settings), notices, clock, pace, calls: () => calls }
}

/** Asked past the faults. */
async function abilitiesOf(memory: MemoryTarget): Promise<TargetAbilities> {
  const faults = memory.store.faults
  memory.store.faults = () => null
  const { abilities } = await memory.survey().probe(signal)
  memory.store.faults = faults
  return abilities
}

test('what may work soon is tried again, after growing waits, and each wait is told', async () => {
  const { memory, target, notices, clock } = given(['TARGET_BUSY', 'TARGET_UNREACHABLE', 'TARGET_TIMEOUT', null])
  const writer = target.writer(await abilitiesOf(memory))
  const { seal } = await clock.run(writer.put(request, signal))
  assert.equal((await writer.find(key, signal))?.seal, seal)
  assert.deepEqual(
    notices.map(({ code, attempt, delayMs }) => [code, attempt, delayMs]),
    [
      ['TARGET_BUSY', 1, 100],
      ['TARGET_UNREACHABLE', 2, 200],
      ['TARGET_TIMEOUT', 3, 400],
    ],
  )
})

test('what a person must mend, and what the caller must do first, is thrown at once', async () => {
  for (const code of [
    'TARGET_DENIED',
    'TARGET_EXISTS',
    'CREDENTIALS_EXPIRED',
    'PART_REFUSED',
    'UPLOAD_LOST',
  ] as const) {
    const { memory, target, notices } = given([code])
    const writer = target.writer(await abilitiesOf(memory))
    await assert.rejects(writer.put(request, signal), { code })
    assert.deepEqual(notices, [])
  }
})

test('it gives up with the last error: late where waiting mends, soon where it seldom does', async () => {
  const tries = async (code: ErrorCode): Promise<number> => {
    const { memory, target, clock, calls } = given([code])
    const writer = target.writer(await abilitiesOf(memory))
    const failed = await clock.run(writer.put(request, signal).catch(codeOf), 3_600_000)
    assert.equal(failed, code)
    return calls()
  }
  assert.equal(await tries('TARGET_BUSY'), defaultRetryRules.attemptsMax)
  assert.equal(await tries('TARGET_REFUSED_DIGEST'), defaultRetryRules.attemptsFew)
})

test('a probe of a target that is not there ends within seconds', async () => {
  const { target, clock } = given(['TARGET_UNREACHABLE'])
  const failed = await clock.run(target.survey().probe(signal).catch(codeOf), 10_000)
  assert.equal(failed, 'TARGET_UNREACHABLE')
})

test('an abort ends the wait with ABORTED', async () => {
  const { memory, target } = given(['TARGET_BUSY'])
  const writer = target.writer(await abilitiesOf(memory))
  const controller = new AbortController()
  const put = writer.put(request, controller.signal)
  setImmediate(() => controller.abort())
  await assert.rejects(put, { code: 'ABORTED' })
})

/** Gives `bytes` of what is asked and then fails, once. */
function breaking(inner: Target, bytes: number): Target {
  let isBroken = false
  const broken = (reader: TargetReader): TargetReader => ({
    close: () => reader.close(),
    read: async (asked, consume, readSignal) => {
      if (isBroken) return reader.read(asked, consume, readSignal)
      isBroken = true
      await reader.read({ ...asked, length: bytes }, consume, readSignal)
      throw new WaybillError('TARGET_SHORT_READ')
    },
  })
  return { ...inner, reader: (able) => broken(inner.reader(able)) }
}

test('an interrupted read goes on behind the bytes that were consumed', async () => {
  for (const cut of [1, 4, 10]) {
    const { memory, target, clock, notices } = given([null], (inner) => breaking(inner, cut))
    const able = await abilitiesOf(memory)
    const { seal } = await target.writer(able).put(request, signal)
    const got: Buffer[] = []
    const asked: ReadRequest = { key, kind: 'file', seal, offset: 0, length: body.length, isFresh: false }
    const result = await clock.run(target.reader(able).read(asked, (part) => got.push(Buffer.from(part)), signal))
    assert.deepEqual([Buffer.concat(got).toString(), result.bytes, notices.length], [body.toString(), body.length, 1])
  }
})

test('without a seal an interrupted read is not patched together', async () => {
  const { memory, target } = given([null], (inner) => breaking(inner, 4))
  const able = await abilitiesOf(memory)
  await target.writer(able).put(request, signal)
  const asked: ReadRequest = { key, kind: 'file', seal: null, offset: 0, length: body.length, isFresh: false }
  await assert.rejects(
    target.reader(able).read(asked, () => undefined, signal),
    { code: 'TARGET_SHORT_READ' },
  )
})

test('a request to slow down holds back everybody who shares the pace, and success lets go', async () => {
  const clock = createVirtualClock()
  const pace = new Pace(clock)
  pace.slowDown()
  pace.slowDown()
  assert.equal(pace.gapMs, 4, 'answers that come together are one message')
  await clock.advance(600)
  pace.slowDown()
  assert.equal(pace.gapMs, 8)
  const startedAtMs = clock.monotonic()
  await clock.run(Promise.all(Array.from({ length: 5 }, () => pace.enter(signal))))
  assert.equal(clock.monotonic() - startedAtMs, 32)
  for (let count = 0; count < 200; count += 1) pace.succeed()
  assert.equal(pace.gapMs, 0)
})

test('without budget a retry waits long, and successes earn it back', () => {
  const pace = new Pace(createVirtualClock())
  let taken = 0
  while (pace.takeRetry()) taken += 1
  assert.equal(taken, 100)
  for (let count = 0; count < 4; count += 1) pace.succeed()
  assert.deepEqual([pace.takeRetry(), pace.takeRetry()], [true, false])
})
