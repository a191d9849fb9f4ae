// Commands to a job that runs (over its socket), that rests (into its log), and over the API of a process that serves.
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'
import { createToken, openTokenBook } from '#libs/runtime/tokens'
import { startApiWorld } from '#test/support/api-world'
import { createJobPlace, objectOf, until, writeLargeFile, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)
const migrate = ['migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB', '-q'] as const
const state = (...segments: readonly string[]): string => place.path('state/waybill/jobs/tides', ...segments)

before(() => {
  writeSmallTree(place)
  writeLargeFile(place, 'source/large.bin')
})

/** Waits until the process answers and so many passes were opened. */
async function passesOpened(count: number): Promise<void> {
  await until(() => Promise.resolve(existsSync(state('api.sock'))))
  await until(async () => {
    const { output } = await place.run('jobs', 'events', 'tides', '--types', 'PassOpened')
    return output.split('\n').filter((line) => line.includes('PassOpened')).length >= count
  })
}

test('a second terminal throttles, shows the events of, and pauses a migration that runs; then it goes on', async () => {
  const running = place.start(...migrate, '--throughput', '300kB/s')
  await passesOpened(1)
  const throttled = objectOf(await place.run('jobs', 'throttle', 'tides', '500kB/s', '--json'))
  assert.equal(throttled['throughput_limit_gb_per_hour'], 1.8)
  // With the new limit, once the source has been decided on.
  await until(async () =>
    / limited by {4}limit of the job \(alone: .*\)\n/.test((await place.run('jobs', 'show', 'tides')).output),
  )
  const events = await place.run('jobs', 'events', 'tides', '--types', 'JobAccepted,LimitsChanged')
  assert.match(
    events.output,
    /^\S+ {2}JobAccepted\n\S+ {2}LimitsChanged {6}actor=command line reason=waybill jobs throttle\n$/,
  )
  const paused = await place.run('jobs', 'pause', 'tides', '--reason', 'lunch')
  assert.deepEqual([paused.code, paused.output], [0, 'tides: paused (command line: lunch)\n'])
  const end = await running.end
  assert.equal(end.code, 8, end.notices)
  assert.ok(!existsSync(state('api.sock')), 'the socket went with the process')
})

test('a job at rest is told in its log, and refuses what its state does not allow', async () => {
  const again = await place.run('jobs', 'pause', 'tides')
  assert.equal(again.code, 2)
  assert.match(again.notices, /^waybill: JOB_STATE: .*paused takes no pause/)
  const resumed = await place.run('jobs', 'resume', 'tides', '--reason', 'back')
  assert.equal(resumed.output, 'tides: running\n')
  assert.match(resumed.notices, /takes effect with the next run/)
  assert.equal((await place.run('jobs', 'retry', 'tides')).code, 2)
  assert.equal((await place.run('jobs', 'pause', 'none')).code, 2)
  assert.match((await place.run('jobs', 'throttle', 'tides')).notices, /say what to change/)
  const kept = await place.run('jobs', 'forget', 'tides', '--yes')
  assert.match(kept.notices, /^waybill: JOB_STATE: .*finish it, or cancel it/)
  const end = await place.run(...migrate)
  assert.equal(end.code, 0, end.notices)
})

test('the socket of a process that was killed is in nobody’s way', async () => {
  writeFileSync(place.path('source/new.txt'), 'new\n')
  writeLargeFile(place, 'source/larger.bin')
  const running = place.start(...migrate, '--throughput', '300kB/s')
  await passesOpened(2)
  running.signal('SIGKILL')
  await running.end
  assert.ok(existsSync(state('api.sock')))
  const paused = await place.run('jobs', 'pause', 'tides')
  assert.deepEqual([paused.code, paused.output], [0, 'tides: paused (command line: waybill jobs pause)\n'])
  assert.equal((await place.run(...migrate)).code, 0)
})

test('a finished job is forgotten only when that is confirmed, and what was moved stays', async () => {
  assert.equal((await place.run('jobs', 'forget', 'tides')).code, 2)
  const gone = await place.run('jobs', 'forget', 'tides', '--yes')
  assert.deepEqual([gone.code, gone.output], [0, 'tides: forgotten; what was moved stays where it is\n'])
  assert.ok(!existsSync(state()))
  assert.ok(existsSync(place.path('target/large.bin')))
})

test('tokens are made, listed without what they are, used against an API, and revoked', async () => {
  const made = objectOf(
    await place.run('tokens', 'create', 'anna', '--scope', 'read,write', '--json', '--expires', '1h'),
  )
  const file = String(made['file'])
  const listed = await place.run('tokens', 'list')
  assert.match(listed.output, /^[0-9a-f]{12} {2}anna {2}read,write {2}made .*, expires .*\n$/)
  assert.ok(!listed.output.includes(String(made['token'])))
  assert.equal((await place.run('tokens', 'create', 'ben')).code, 2, 'a scope must be said')
  await createToken(file, { name: 'other', scopes: ['read'], expiresAt: null, now: Date.now() })
  const world = await startApiWorld({ tokens: await openTokenBook(file, systemClock) })
  const environment = { WAYBILL_TOKEN: String(made['token']) }
  const far = createJobPlace(environment)
  try {
    const headers = { authorization: `Bearer ${environment.WAYBILL_TOKEN}` }
    const body = { source_path: '@disk/a', target_path: '@vault/a', job_id: 'far' }
    await world.call('/migrations', { method: 'POST', body, headers })
    await world.accept('far')
    const paused = await far.run('jobs', 'pause', 'far', '--api', world.address, '--reason', 'from afar')
    assert.deepEqual([paused.code, paused.output], [0, 'far: paused (anna: from afar)\n'], paused.notices)
    const twice = await far.run('jobs', 'pause', 'far', '--api', world.address)
    assert.match(twice.notices, /^waybill: JOB_STATE: /)
    const listed = await far.run('jobs', 'list', '--api', world.address)
    assert.equal(listed.output, 'far  paused    0 B of 0 B read back  @disk/a -> @vault/a\n')
    const shown = await far.run('jobs', 'show', 'far', '--api', world.address)
    assert.match(shown.output, /^far: paused\n.*\n limited by {4}paused: from afar\n$/s)
    const waited = await far.run('jobs', 'wait', 'far', '--api', world.address)
    assert.deepEqual([waited.code, waited.output.split('. ')[0]], [8, 'far: paused'], waited.notices)
    const events = await far.run('jobs', 'events', 'far', '--api', world.address, '--json')
    assert.deepEqual(
      events.output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type),
      ['JobAccepted', 'JobPaused'],
    )
    const near = ['@disk/b/', '@vault/b', '--api', world.address, '--throughput', '400GB/h', '--exclude', '*.tmp']
    const asked = await far.run('jobs', 'submit', ...near, '--job', 'near', '--max-errors', '1%', '--json')
    assert.equal(objectOf(asked)['status'], 'pending', asked.notices)
    const { body: shownNear } = await world.call('/migrations/near', { headers })
    assert.deepEqual([shownNear.source_path, shownNear.throughput_limit_gb_per_hour], ['@disk/b', 400])
    assert.match(
      (await far.run('jobs', 'submit', ...near, '--job', 'near')).notices,
      /^waybill: JOB_STATE: .* near exists/,
    )
    const astray = await far.run('jobs', 'submit', '/etc', '@vault/c', '--api', world.address)
    assert.match(astray.notices, /^waybill: API_REFUSED: .*\/source_path/)
    const nobody = await place.run('jobs', 'resume', 'far', '--api', world.address)
    assert.match(nobody.notices, /^waybill: API_DENIED: /)
    assert.equal((await place.run('tokens', 'revoke', String(made['id']))).code, 0)
    await systemClock.sleep(1_100)
    assert.match((await far.run('jobs', 'resume', 'far', '--api', world.address)).notices, /^waybill: API_DENIED: /)
  } finally {
    far.remove()
    await world.close()
  }
  assert.match((await place.run('jobs', 'pause', 'far', '--api', world.address)).notices, /^waybill: API_UNREACHABLE: /)
})
