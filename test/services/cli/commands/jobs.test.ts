import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createJobPlace, objectOf, until, writeLargeFile, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)

const migrate = ['migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB', '-q'] as const
const state = (...segments: readonly string[]): string => place.path('state/waybill/jobs', ...segments)

before(async () => {
  assert.equal((await place.run('jobs', 'list')).output, `no jobs in ${state()}\n`)
  writeSmallTree(place)
  const end = await place.run(...migrate)
  assert.equal(end.code, 0, end.notices)
})

test('jobs are listed with where they are, and shown with all that is counted', async () => {
  const list = await place.run('jobs', 'list')
  assert.match(list.output, /^tides {2}completed {3}pass 1 {2}7 of 7 items proven, .*source -> .*target\n$/)
  const told = objectOf(await place.run('jobs', 'show', 'tides', '--json'))
  assert.deepEqual([told['state'], told['passes_completed'], told['as_of']], ['completed', 1, null])
  assert.deepEqual(told['listed'], { items: 7, bytes: 100_017 })
  assert.deepEqual(
    [told['limited_by'], told['priority'], told['max_workers']],
    ['nothing: it has ended', 'normal', null],
  )
  const shown = (await place.run('jobs', 'show', 'tides')).output
  assert.match(shown, /\n proven {8}100 % of the bytes\n/)
  assert.match(shown, /\n limit {9}unlimited\n limited by {4}nothing: it has ended\n/)
  assert.equal((await place.run('jobs', 'show', 'no-such')).code, 2)
})

test('a job that another process works on is shown from its log, and no second process works on it', async () => {
  writeLargeFile(place, 'source/large.bin')
  const running = place.start(...migrate, '--throughput', '300kB/s')
  const isRunning = async (): Promise<boolean> => {
    const { state: word } = objectOf(await place.run('jobs', 'show', 'tides', '--json'))
    return word === 'running'
  }
  await until(isRunning)
  const [shown, second, verify, report, explained] = await Promise.all([
    place.run('jobs', 'show', 'tides', '--json'),
    place.run(...migrate),
    place.run('verify', 'tides'),
    place.run('report', 'show', 'tides'),
    place.run('explain', 'tides', 'a.txt'),
  ])
  assert.match(String(objectOf(shown)['as_of']), /^position chunks\/0:\d+, jobs\/0:\d+/)
  assert.deepEqual([second.code, verify.code], [10, 10])
  assert.match(second.notices, /^waybill: JOB_HELD: Another process works on this job or from this state folder\./)
  assert.match(report.output, /"state":"(running|completed)"/)
  assert.match(explained.output, /\n as of {10}position /)
  running.signal('SIGTERM')
  const end = await running.end
  assert.equal(end.code, 143, end.notices)
})

test('a store is compared with its log, and replaced when it is damaged', async () => {
  const same = await place.run('rebuild', 'tides', '--json')
  const { exit_code: code, jobs } = objectOf(same)
  const [told] = jobs as { is_same: boolean; fresh_digest: string; live_digest: string; events: number }[]
  assert.deepEqual([same.code, code, told?.is_same], [0, 0, true], same.notices)
  assert.match(told?.fresh_digest ?? '', /^[0-9a-f]{64}$/)
  assert.ok((told?.events ?? 0) > 20)
  writeFileSync(state('tides/store/CURRENT'), 'nonsense')
  const damaged = await place.run('rebuild')
  assert.equal(damaged.code, 1)
  assert.match(
    damaged.output,
    /^DIFFERENT\. .*it was replaced\.\n fresh store {4}[0-9a-f]{64}\n live store {5}damaged\n/,
  )
  assert.ok(existsSync(state('tides/store.damaged')))
  assert.match((await place.run('rebuild')).output, /^SAME\./)
})

test('a damaged or missing store costs nothing but the time to fold the log again, and is told', async () => {
  writeFileSync(state('tides/store/CURRENT'), 'nonsense')
  const shown = await place.run('jobs', 'show', 'tides', '--json')
  assert.equal(objectOf(shown)['pass'], 2)
  assert.match(
    shown.notices,
    /^waybill: the state store was damaged: it is rebuilt from the log \(kept as .*store\.damaged\)\n$/,
  )
  rmSync(state('tides/store'), { recursive: true })
  const end = await place.run(...migrate)
  assert.equal(end.code, 0, end.notices)
  assert.ok(place.read('target/large.bin').equals(place.read('source/large.bin')))
})

test("those who only look do not get into each other's way, nor into that of a run", async () => {
  const look = (): ReturnType<typeof place.run> => place.run('jobs', 'show', 'tides', '--json')
  const [first, second, run] = await Promise.all([look(), look(), place.run(...migrate)])
  for (const end of [first, second]) assert.equal(end.code, 0, end.notices)
  assert.equal(run.code, 0, run.notices)
})
