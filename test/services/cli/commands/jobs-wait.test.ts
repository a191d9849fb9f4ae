// Waiting for a job of this machine: at rest, over the socket of the process that works on it, and past its end.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, test } from 'node:test'
import { createJobPlace, objectOf, until, writeLargeFile, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)
const migrate = ['migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB', '-q'] as const

test('who waits for a job of this machine learns how it ends, though the process ends with it', async () => {
  writeSmallTree(place)
  writeLargeFile(place, 'source/large.bin')
  assert.equal((await place.run('jobs', 'wait', 'tides')).code, 2, 'there is no such job yet')
  const slow = place.start(...migrate, '--throughput', '300kB/s')
  await until(() => existsSync(place.path('state/waybill/jobs/tides/api.sock')))
  const short = await place.run('jobs', 'wait', 'tides', '--timeout', '2s')
  assert.equal(short.code, 8)
  assert.match(short.notices, / stopped {7}the time of --timeout is over; the job goes on\n/)
  const pausing = place.start('jobs', 'wait', 'tides')
  assert.equal((await place.run('jobs', 'pause', 'tides', '--reason', 'lunch')).code, 0)
  const paused = await pausing.end
  assert.deepEqual([paused.code, paused.output.split('. ')[0]], [8, 'tides: paused'], paused.notices)
  assert.match(paused.notices, / stopped {7}paused: lunch\n/)
  assert.equal((await slow.end).code, 8)

  assert.equal((await place.run('jobs', 'resume', 'tides')).code, 0)
  const rest = await place.run('jobs', 'wait', 'tides', '--json')
  assert.deepEqual([rest.code, objectOf(rest)['stopped_because']], [8, 'no process works on it'], rest.notices)

  const running = place.start(...migrate, '--throughput', '3MB/s')
  await until(() => existsSync(place.path('state/waybill/jobs/tides/api.sock')))
  const waited = await place.run('jobs', 'wait', 'tides', '--timeout', '2min')
  assert.deepEqual([waited.code, waited.output.split('. ')[0]], [0, 'tides: complete'], waited.notices)
  assert.equal((await running.end).code, 0)
})
