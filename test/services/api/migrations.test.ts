import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ApiWorld, startApiWorld } from '#test/support/api-world'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
})
after(() => world.close())

const asked = { source_path: '@disk/photos', target_path: '@vault/photos' }

test('POST /migrations is answered once the request is in the log, with the three fields that were asked for', async () => {
  const body = {
    ...asked,
    throughput_limit_gb_per_hour: 400,
    max_parallel_workers: 8,
    priority: 'high',
    expected_bytes: 1e15,
  }
  const answer = await world.call('/migrations', { method: 'POST', body })
  assert.equal(answer.status, 202, answer.text)
  assert.deepEqual(Object.keys(answer.body), ['job_id', 'status', 'estimated_completion_at'])
  assert.equal(answer.body.status, 'pending')
  const days = (Date.parse(answer.body.estimated_completion_at) - Date.now()) / 86_400_000
  assert.equal(Math.round(days), 104, '1 PB at 400 GB/h')
  assert.equal(answer.headers.get('location'), `/migrations/${answer.body.job_id}`)
  assert.match(answer.headers.get('waybill-position') ?? '', /^j/)
  assert.equal((await world.log.ends()).get('jobs/0'), 1)
})

test('GET /migrations/{job_id} has the nine fields that were asked for, before and after it is accepted', async () => {
  const body = { ...asked, job_id: 'shown', throughput_limit_gb_per_hour: 400 }
  await world.call('/migrations', { method: 'POST', body })
  const pending = await world.call('/migrations/shown')
  assert.equal(pending.status, 200, pending.text)
  await world.accept('shown')
  const accepted = await world.call('/migrations/shown')
  for (const answer of [pending, accepted]) {
    assert.deepEqual(
      Object.keys(answer.body)
        .slice(0, 9)
        .sort((a, b) => a.localeCompare(b)),
      [
        'bytes_transferred',
        'bytes_verified',
        'chunks_complete',
        'chunks_total',
        'estimated_completion_at',
        'job_id',
        'last_failure_reason',
        'status',
        'total_bytes',
      ],
    )
    assert.equal(answer.body.status, 'pending')
    assert.equal(answer.body.throughput_limit_gb_per_hour, 400)
  }
})
