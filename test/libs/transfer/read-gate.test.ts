import assert from 'node:assert/strict'
import test from 'node:test'
import { createReadGate, type ReadGate } from '#libs/transfer/read-gate'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import { createVirtualClock, type VirtualClock } from '#test/support/virtual-clock'

const MB = 1_000_000
const never = new AbortController().signal
const forever = Number.POSITIVE_INFINITY

interface Take {
  readonly atMs: number
  readonly bytes: number
}

/** Reads `bytes` in slices, as a worker does, and writes down when how much was let through. */
async function readThrough(gate: ReadGate, clock: VirtualClock, bytes: number, takes: Take[]): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const admitted = await gate.take(left, never)
    takes.push({ atMs: clock.monotonic(), bytes: admitted })
    left -= admitted
  }
}

/** The most bytes in any window of one second, both ends within. */
function worstSecond(takes: readonly Take[]): number {
  let worst = 0
  let sum = 0
  let first = 0
  for (const take of takes) {
    sum += take.bytes
    while (take.atMs - (takes[first]?.atMs ?? 0) > 1000) {
      sum -= takes[first]?.bytes ?? 0
      first += 1
    }
    worst = Math.max(worst, sum)
  }
  return worst
}

test('no second passes 105 % of the rate, for random demand, rests and rates', async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = seededRandom(seed)
    const clock = createVirtualClock()
    const gate = createReadGate(clock)
    const bytesPerSecond = Math.floor(10 ** (3 + random() * 6))
    gate.grant({ bytesPerSecond, validUntilMonotonicMs: forever })
    const takes: Take[] = []
    const readers = Array.from({ length: integerBetween(random, 1, 5) }, async () => {
      for (let round = 0; round < 5; round += 1) {
        await clock.sleep(random() < 0.5 ? 0 : random() * 2000)
        await readThrough(gate, clock, integerBetween(random, 1, Math.ceil(bytesPerSecond / 2)), takes)
      }
    })
    await clock.run(Promise.all(readers))
    const share = worstSecond(takes) / bytesPerSecond
    assert.ok(share <= 1.05, `seed ${seed}: a second of ${(share * 100).toFixed(1)} % at ${bytesPerSecond} B/s`)
  }
})

test('no second passes 105 % of the higher rate while grants change and lapse', async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = seededRandom(seed)
    const clock = createVirtualClock()
    const gate = createReadGate(clock)
    const takes: Take[] = []
    const grants: { atMs: number; rate: number; untilMs: number }[] = []
    const granting = (async () => {
      for (let round = 0; round < 30; round += 1) {
        const rate = integerBetween(random, 1, 20) * MB
        const atMs = clock.monotonic()
        const untilMs = atMs + 200 + random() * 3000
        grants.push({ atMs, rate, untilMs })
        gate.grant({ bytesPerSecond: rate, validUntilMonotonicMs: untilMs })
        await clock.sleep(random() * 2000)
      }
      gate.grant({ bytesPerSecond: 20 * MB, validUntilMonotonicMs: forever })
      grants.push({ atMs: clock.monotonic(), rate: 20 * MB, untilMs: forever })
    })()
    const readers = [1, 2, 3].map(() => readThrough(gate, clock, 40 * MB, takes))
    await clock.run(Promise.all([granting, ...readers]))
    for (const [first, { atMs }] of takes.entries()) {
      const within = takes.slice(first).filter((take) => take.atMs - atMs <= 1000)
      const bytes = within.reduce((sum, take) => sum + take.bytes, 0)
      const rates = grants
        .filter((grant, index) => grant.atMs <= atMs + 1000 && (grants[index + 1]?.atMs ?? forever) >= atMs)
        .map(({ rate }) => rate)
      assert.ok(bytes <= Math.max(...rates) * 1.05, `seed ${seed}: ${bytes} bytes from ${atMs} ms on`)
    }
    for (const take of takes) {
      const standing = grants.findLast((grant) => grant.atMs <= take.atMs)
      assert.ok(standing !== undefined && take.atMs < standing.untilMs, `seed ${seed}: a read without a grant`)
    }
  }
})

test('a steady reader gets 98 % of the rate and more', async () => {
  for (const bytesPerSecond of [10_000, MB, 50 * MB, 2_000 * MB]) {
    const clock = createVirtualClock()
    const gate = createReadGate(clock)
    gate.grant({ bytesPerSecond, validUntilMonotonicMs: forever })
    const startMs = clock.monotonic()
    await clock.run(readThrough(gate, clock, bytesPerSecond * 5, []))
    const share = (bytesPerSecond * 5) / bytesPerSecond / ((clock.monotonic() - startMs) / 1000)
    assert.ok(share >= 0.98 && share <= 1.02, `${(share * 100).toFixed(1)} % of ${bytesPerSecond} B/s`)
  }
})

test('nothing passes before the first grant or after the last one has lapsed, and a new one lets it through', async () => {
  const clock = createVirtualClock()
  const gate = createReadGate(clock)
  assert.equal(gate.hasGrant(), false)
  let admitted = 0
  const reading = gate.take(100, never).then((bytes) => {
    admitted = bytes
  })
  await clock.advance(60_000)
  assert.equal(admitted, 0)
  gate.grant({ bytesPerSecond: MB, validUntilMonotonicMs: clock.monotonic() + 100 })
  await clock.advance(60_000)
  assert.equal(admitted, 100)
  assert.equal(gate.hasGrant(), false)
  const late = gate.take(100, never)
  await clock.advance(60_000)
  gate.grant({ bytesPerSecond: null, validUntilMonotonicMs: forever })
  assert.equal(await clock.run(late), 100)
  await reading
})

test('without a limit a reader gets what it wants, up to 1 MiB at once', async () => {
  const gate = createReadGate(createVirtualClock())
  gate.grant({ bytesPerSecond: null, validUntilMonotonicMs: forever })
  assert.equal(await gate.take(5_000_000, never), 1024 * 1024)
  assert.equal(await gate.take(5, never), 5)
})

test('readers are served in the order they came, and one that gives up blocks nobody', async () => {
  const clock = createVirtualClock()
  const gate = createReadGate(clock)
  const order: number[] = []
  const impatient = new AbortController()
  const first = gate.take(10_000, never).then(() => order.push(1))
  const second = gate.take(10_000, impatient.signal)
  const third = gate.take(10_000, never).then(() => order.push(3))
  impatient.abort(new Error('enough'))
  await assert.rejects(second, /enough/)
  gate.grant({ bytesPerSecond: MB, validUntilMonotonicMs: forever })
  await clock.run(Promise.all([first, third]))
  assert.deepEqual(order, [1, 3])
})

/** What passes at this very moment. */
async function admittedNow(gate: ReadGate): Promise<number> {
  const stop = new AbortController()
  let bytes = 0
  const reading = (async () => {
    for (;;) bytes += await gate.take(MB, stop.signal)
  })()
  for (let turn = 0; turn < 1000; turn += 1) await Promise.resolve()
  stop.abort(new Error('enough'))
  await assert.rejects(reading, /enough/)
  return bytes
}

test('what a grant left unused is lost when it lapses, and when a lower one follows', async () => {
  const clock = createVirtualClock()
  const gate = createReadGate(clock)
  gate.grant({ bytesPerSecond: 100 * MB, validUntilMonotonicMs: clock.monotonic() + 500 })
  await clock.advance(1000)
  gate.grant({ bytesPerSecond: 100 * MB, validUntilMonotonicMs: forever })
  assert.equal(await admittedNow(gate), 0)
  await clock.advance(1000)
  gate.grant({ bytesPerSecond: MB, validUntilMonotonicMs: forever })
  const bytes = await admittedNow(gate)
  assert.ok(bytes > 0 && bytes <= MB * 0.02, `${bytes} bytes at once at 1 MB/s`)
})

test('a grant of nothing admits nothing', async () => {
  const clock = createVirtualClock()
  const gate = createReadGate(clock)
  gate.grant({ bytesPerSecond: 0, validUntilMonotonicMs: forever })
  assert.equal(gate.hasGrant(), false)
  const giveUp = new AbortController()
  const waiting = gate.take(1, giveUp.signal)
  await clock.advance(60_000)
  giveUp.abort(new Error('nothing came'))
  await assert.rejects(waiting, /nothing came/)
})
