import assert from 'node:assert/strict'
import { test } from 'node:test'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import { type PaperWorker, RateStage } from './rate-stage.ts'

const MB = 1_000_000
const seed = Number(process.env['WAYBILL_TEST_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed} (WAYBILL_TEST_SEED=${seed} repeats it)`)

async function withStage(act: (stage: RateStage) => Promise<void>): Promise<void> {
  const stage = new RateStage()
  await stage.open()
  try {
    await act(stage)
  } finally {
    stage.close()
  }
}

const isNear = (value: number, wanted: number, share = 0.1): boolean => Math.abs(value - wanted) <= wanted * share

test('two jobs of one source share its cap: the high one takes what it can use, the low one what is left', () =>
  withStage(async (stage) => {
    await stage.addJob('high', { sourcePeakBytesPerSecond: 1_000 * MB, priority: 'high' })
    await stage.addJob('low', { priority: 'low' })
    const high = stage.addWorker('p1', 'high')
    const low = stage.addWorker('p1', 'low')
    await stage.pass(30_000)
    assert.ok(isNear(high.rate, 100 * MB, 0.01), `high has ${high.rate}`)
    assert.ok(low.rate < MB, `low has ${low.rate}`)
    high.wants = 20 * MB
    await stage.pass(30_000)
    assert.ok(isNear(low.rate, 60 * MB), `low has ${low.rate}, high ${high.rate}: twice its use`)
    high.wants = Number.POSITIVE_INFINITY
    await stage.pass(30_000)
    assert.ok(isNear(high.rate, 100 * MB, 0.01), `high has ${high.rate} again`)
    high.wants = 0
    await stage.pass(20_000)
    assert.ok(isNear(low.rate, 100 * MB, 0.01), `low has ${low.rate}`)
  }))

test('jobs of the same priority get the same, however many workers they have', () =>
  withStage(async (stage) => {
    await stage.addJob('one', { sourcePeakBytesPerSecond: 1_000 * MB })
    await stage.addJob('three', {})
    const one = stage.addWorker('p1', 'one')
    for (const process of ['p1', 'p2', 'p3']) stage.addWorker(process, 'three')
    await stage.pass(30_000)
    assert.ok(isNear(one.rate, 50 * MB, 0.01))
    for (const { rate } of stage.workers.slice(1)) assert.ok(isNear(rate, (50 * MB) / 3, 0.01))
  }))

test('the limit of a job holds for that job, and the rest flows on', () =>
  withStage(async (stage) => {
    await stage.addJob('limited', {
      sourcePeakBytesPerSecond: 1_000 * MB,
      throughputBytesPerSecond: 10 * MB,
      priority: 'high',
    })
    await stage.addJob('free', { priority: 'low' })
    const [limited, free] = [stage.addWorker('p1', 'limited'), stage.addWorker('p2', 'free')]
    await stage.pass(30_000)
    assert.deepEqual([limited.rate, free.rate], [10 * MB, 90 * MB])
  }))

test('at most workersMax processes hold a grant, the same ones while they have work', () =>
  withStage(async (stage) => {
    await stage.addJob('job', { sourcePeakBytesPerSecond: 1_000 * MB, workersMax: 2 })
    for (let n = 1; n <= 5; n += 1) stage.addWorker(`p${n}`, 'job')
    const holders = (): readonly PaperWorker[] => stage.workers.filter(({ rate }) => rate > 0)
    const look = (): void => assert.ok(holders().length <= 2, `${holders().length} hold a grant`)
    await stage.pass(30_000, look)
    const first = holders()
    assert.equal(first.length, 2)
    await stage.pass(60_000, () => assert.deepEqual(holders(), first))
    // One runs out of work: another takes its place once its grant is over.
    const [done] = first
    if (done !== undefined) done.wants = 0
    await stage.pass(30_000, look)
    assert.equal(holders().length, 2)
    assert.ok(!holders().includes(done as PaperWorker))
  }))

test('a worker that dies leaves its share to the others within 15 s', () =>
  withStage(async (stage) => {
    await stage.addJob('job', { throughputBytesPerSecond: 50 * MB })
    const workers = ['p1', 'p2', 'p3'].map((process) => stage.addWorker(process, 'job'))
    await stage.pass(30_000)
    assert.ok(isNear(stage.granted(), 50 * MB, 0.01))
    if (workers[0] !== undefined) workers[0].isDead = true
    await stage.pass(15_000)
    assert.ok(stage.granted() >= 45 * MB, `${stage.granted()} are granted`)
  }))

/** Workers whose reports are so far apart, all with their shares; the last one has just reported. */
async function addApart(
  stage: RateStage,
  processes: readonly string[],
  apartMs: number,
): Promise<readonly PaperWorker[]> {
  const workers: PaperWorker[] = []
  for (const process of processes) {
    workers.push(stage.addWorker(process, 'job'))
    await stage.pass(apartMs)
  }
  await stage.pass(30_000 - apartMs + 50)
  return workers
}

test('what a dead worker held is given on as soon as its grant is over, whenever the others report', () =>
  withStage(async (stage) => {
    await stage.addJob('job', { throughputBytesPerSecond: 50 * MB })
    const workers = await addApart(stage, ['p1', 'p2', 'p3'], 200)
    assert.ok(isNear(stage.granted(), 50 * MB, 0.01))
    const last = workers.at(-1)
    if (last !== undefined) last.isDead = true
    await stage.pass(11_200)
    assert.ok(isNear(stage.granted(), 50 * MB, 0.01), `${stage.granted()} are granted`)
  }))

test('a worker that comes gets its share as soon as the others have confirmed lower ones', () =>
  withStage(async (stage) => {
    await stage.addJob('job', { throughputBytesPerSecond: 50 * MB })
    await addApart(stage, ['p1', 'p2'], 1_000)
    stage.addWorker('p3', 'job')
    let lowMs = 0
    await stage.pass(12_000, () => {
      if (stage.granted() < 45 * MB) lowMs += 50
    })
    assert.ok(lowMs <= 4_200, `${lowMs} ms below nine tenths`)
    assert.ok(isNear(stage.granted(), 50 * MB, 0.01), `${stage.granted()} are granted`)
  }))

test('a worker that died is forgotten after a minute, and takes no share as it goes', () =>
  withStage(async (stage) => {
    await stage.addJob('job', { throughputBytesPerSecond: 50 * MB })
    const workers = ['p1', 'p2', 'p3'].map((process) => stage.addWorker(process, 'job'))
    await stage.pass(30_000)
    if (workers[0] !== undefined) workers[0].isDead = true
    await stage.pass(15_000)
    let least = Number.POSITIVE_INFINITY
    await stage.pass(75_000, () => {
      least = Math.min(least, stage.granted())
    })
    assert.ok(least >= 45 * MB, `${least} are granted`)
  }))

test('after a takeover nothing is granted before the grants of the one before are over', () =>
  withStage(async (stage) => {
    await stage.addJob('job', { throughputBytesPerSecond: 50 * MB })
    const worker = stage.addWorker('p1', 'job')
    await stage.pass(20_000)
    await stage.takeOver('takeover')
    worker.isDead = true
    const other = stage.addWorker('p2', 'job')
    await stage.pass(9_900, () => assert.equal(other.rate, 0))
    await stage.pass(5_000)
    assert.ok(isNear(other.rate, 50 * MB, 0.01))
  }))

/** Workers die, come back under the same name, hear of their grants late; granters change; jobs want more and less. */
async function disturb(stage: RateStage, random: () => number): Promise<void> {
  const draw = random()
  const worker = stage.workers[integerBetween(random, 0, stage.workers.length - 1)]
  if (worker === undefined) return
  if (draw < 0.15) await stage.takeOver('takeover')
  else if (draw < 0.4) {
    worker.isDead = true
    stage.addWorker(worker.process, worker.job)
  } else if (draw < 0.6) worker.lagMs = integerBetween(random, 0, 6_000)
  else worker.wants = integerBetween(random, 0, 40) * MB
}

test('whatever workers and granters do, the grants that are valid never exceed the cap nor a job its limit', async () => {
  for (let round = 0; round < 4; round += 1) {
    const random = seededRandom(seed + round)
    await withStage(async (stage) => {
      await stage.addJob('a', {
        sourcePeakBytesPerSecond: 500 * MB,
        priority: 'high',
        throughputBytesPerSecond: 30 * MB,
      })
      await stage.addJob('b', { priority: 'normal', workersMax: 2 })
      await stage.addJob('c', { priority: 'low' })
      for (const job of ['a', 'b', 'c']) for (let n = 1; n <= 3; n += 1) stage.addWorker(`p${n}`, job)
      for (let turn = 0; turn < 30; turn += 1) {
        await stage.pass(integerBetween(random, 1, 10) * 1_000, () => {
          assert.ok(stage.granted() <= 50 * MB, `${stage.granted()} are granted, seed ${seed + round}`)
          assert.ok(stage.granted(({ job }) => job === 'a') <= 30 * MB, `seed ${seed + round}`)
          const holding = stage.workers.filter(({ job, rate }) => job === 'b' && rate > 0)
          assert.ok(new Set(holding.map((one) => one.process)).size <= 2, `seed ${seed + round}`)
        })
        await disturb(stage, random)
      }
    })
  }
})
