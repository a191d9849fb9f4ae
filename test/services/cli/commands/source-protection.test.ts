import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { createJobPlace, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)
writeSmallTree(place)

const peaks = place.path('state/.source-peaks.json')
const state = ['--state-dir', place.path('state')]

test('a source is measured only after a yes, and what was measured is the peak of jobs that declare none', async () => {
  const refused = await place.run('doctor', 'source', '--measure-source', ...state)
  assert.equal(refused.code, 2)
  assert.match(refused.notices, /say yes with -y/)
  assert.ok(!existsSync(peaks))
  const measured = await place.run(
    'doctor',
    'source',
    '--measure-source',
    '--for',
    '1s',
    '--max-bytes',
    '1MiB',
    '-y',
    ...state,
  )
  assert.equal(measured.code, 0, measured.output)
  // A file system without direct reads gives a figure that is shown and not kept.
  if (!existsSync(peaks)) assert.match(measured.output, /the page cache may have helped/)
  else assert.ok(JSON.parse(readFileSync(peaks, 'utf8'))[place.path('source')].bytesPerSecond > 0)
})

test('a timetable is taken as a limit, and a plan says what it comes to', async () => {
  const words = ['--throughput', '10MB/s Mon-Sun 5MB/s UTC', ...state]
  const plan = await place.run('plan', 'source', 'target', ...words)
  assert.match(plan.output, /at 4\.7[67] MiB\/s \(mean of the timetable of --throughput, begun now\)/)
  const wrong = await place.run('plan', 'source', 'target', '--throughput', '10MB/s at night UTC', ...state)
  assert.equal(wrong.code, 2)
  assert.match(wrong.notices, /"at" is no day and no time/)
})

test('a job with a limit and no known peak says that only the limit protects the source', async () => {
  const fresh = ['--state-dir', place.path('fresh')]
  const run = await place.run('migrate', 'source', 'target', '--throughput', '1GB/s', ...fresh)
  assert.equal(run.code, 0, run.notices)
  assert.match(run.notices, /only --throughput protects the source: its peak is not known/)
  const told = await place.run(
    'migrate',
    'source',
    'target',
    '--throughput',
    '1GB/s',
    '--source-peak',
    '9GB/s',
    ...fresh,
  )
  assert.doesNotMatch(told.notices, /only --throughput/)
})
