// The table of status x command, every cell, over HTTP.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import { type ApiAnswer, type ApiWorld, startApiWorld } from '#test/support/api-world'

let world: ApiWorld
let made = 0
before(async () => {
  world = await startApiWorld()
})
after(() => world.close())

const statuses = ['pending', 'running', 'paused', 'complete', 'failed'] as const
type Status = (typeof statuses)[number]
type Command = 'pause' | 'resume' | 'cancel' | 'retry' | 'throttle'

async function post(job: string, command: Command): Promise<ApiAnswer> {
  if (command === 'throttle') {
    return world.call(`/migrations/${job}`, {
      method: 'PATCH',
      body: { throughput_limit_gb_per_hour: 7, reason: 'test' },
    })
  }
  return world.call(`/migrations/${job}/${command}`, { method: 'POST', body: { reason: 'because of the test' } })
}

/** A job in a state, made by the events that lead there. */
async function jobIn(status: Status): Promise<string> {
  made += 1
  const job = `job-${made}`
  const asked = { source_path: `@disk/${job}`, target_path: '@vault/there', job_id: job }
  assert.equal((await world.call('/migrations', { method: 'POST', body: asked })).status, 202)
  const { claim, epoch } = await world.accept(job)
  if (status === 'pending') return job
  const pass = { job, claim, epoch, pass: 1 }
  await world.say({ type: 'PassOpened', ...pass, actor: 'test', reason: '', sourceRoot: 'root', readView: 'live' })
  if (status === 'paused') await world.say({ type: 'JobPaused', job, actor: 'test', reason: 'lunch', code: null })
  if (status === 'failed') await world.say({ type: 'JobCancelled', job, actor: 'anna', reason: 'no longer needed' })
  if (status === 'complete' || status === 'failed') {
    await world.say({ type: 'PassCompleted', ...pass, positions: [], isCancelled: status === 'failed', codes: [] })
  }
  return job
}

/** What each command makes of each status; null: 409. */
const table: Readonly<Record<Status, Readonly<Record<Command, Status | null>>>> = {
  pending: { pause: 'paused', resume: null, cancel: 'failed', retry: null, throttle: 'pending' },
  running: { pause: 'paused', resume: null, cancel: 'failed', retry: null, throttle: 'running' },
  paused: { pause: null, resume: 'running', cancel: 'failed', retry: null, throttle: 'paused' },
  complete: { pause: null, resume: null, cancel: null, retry: 'running', throttle: 'complete' },
  failed: { pause: null, resume: null, cancel: null, retry: 'running', throttle: 'failed' },
}

for (const [status, cells] of Object.entries(table) as [Status, Record<Command, Status | null>][]) {
  for (const [command, then] of Object.entries(cells) as [Command, Status | null][]) {
    test(`${command} of a migration that is ${status}: ${then ?? '409 that names the state'}`, async () => {
      const job = await jobIn(status)
      assert.equal((await world.call(`/migrations/${job}`)).body.status, status)
      const end = (await world.log.ends()).get('jobs/0')
      const answer = await post(job, command)
      if (then === null) {
        assert.equal(answer.status, 409, answer.text)
        assert.equal(answer.body.code, 'STATE_CONFLICT')
        assert.equal(answer.body.state, status)
        assert.equal((await world.log.ends()).get('jobs/0'), end, 'nothing was appended')
        return
      }
      assert.equal(answer.status, command === 'throttle' ? 200 : 202, answer.text)
      assert.equal(answer.body.status, then)
      assert.equal((await world.log.ends()).get('jobs/0'), (end ?? 0) + 1, 'one event')
    })
  }
}

test('a retry asks for one further pass, and is under way until that has ended', async () => {
  const job = await jobIn('failed')
  await post(job, 'retry')
  assert.equal((await post(job, 'retry')).status, 409)
  assert.equal((await world.projection.rows.get(keyOf.job(job)))?.passAsked, 2)
})

test('a cancelled migration is failed and says by whom and why', async () => {
  const job = await jobIn('running')
  const { body } = await post(job, 'cancel')
  assert.equal(body.status, 'failed')
  assert.equal(body.last_failure_reason, 'cancelled by tester: because of the test')
  assert.equal(body.limited_by, 'nothing: it was cancelled')
  assert.equal((await post(job, 'retry')).body.code, 'STATE_CONFLICT', 'it is still stopping')
})

test('commands that race follow one another: one pause of many is taken', async () => {
  const job = await jobIn('running')
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(job, 'pause')))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [202, ...Array.from({ length: 19 }, () => 409)])
})

test('PATCH changes what it names and leaves the rest', async () => {
  const job = await jobIn('running')
  const patch = (body: object, headers: Record<string, string> = {}): Promise<ApiAnswer> =>
    world.call(`/migrations/${job}`, { method: 'PATCH', body, headers })
  const first = await patch({ throughput_limit_gb_per_hour: 100, max_parallel_workers: 4, priority: 'high' })
  const second = await patch({ throughput_limit_gb_per_hour: 'unlimited' })
  assert.equal(first.body.throughput_limit_gb_per_hour, 100)
  assert.equal(second.body.throughput_limit_gb_per_hour, null)
  assert.equal(second.body.max_parallel_workers, 4)
  assert.equal(second.body.priority, 'high')
  const table = '400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin'
  assert.equal((await patch({ throughput_timetable: table })).body.throughput_timetable, table)
  assert.equal((await patch({ throughput_limit_gb_per_hour: 1 })).body.throughput_timetable, null)
})

test('If-Match: a change that was made for other limits is refused with 412', async () => {
  const job = await jobIn('running')
  const tag = (await world.call(`/migrations/${job}`)).headers.get('etag') ?? ''
  const patch = (max: number): Promise<ApiAnswer> =>
    world.call(`/migrations/${job}`, {
      method: 'PATCH',
      body: { max_parallel_workers: max },
      headers: { 'if-match': tag },
    })
  const answers = await Promise.all([patch(1), patch(2), patch(3)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412])
})
