import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createJobPlace, largeBytes, objectOf, writeLargeFile, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)

before(() => {
  writeSmallTree(place)
  writeLargeFile(place, 'source/large.bin')
})

const plan = (...words: readonly string[]): ReturnType<typeof place.run> =>
  place.run('plan', 'source', 'target', '--chunk-size', '5MiB', ...words)

test('a plan counts all that would be moved, and leaves neither state nor anything at the target', async () => {
  const end = await plan('--json', '--throughput', '1MB/s')
  const told = objectOf(end)
  assert.equal(end.code, 0, end.notices)
  assert.deepEqual(told['items'], { files: 5, directories: 2, links: 1, other: 0 })
  const bytes = largeBytes + 100_017
  assert.deepEqual([told['bytes'], told['source_bytes_to_read'], told['target_bytes_to_read']], [bytes, bytes, bytes])
  assert.deepEqual([told['chunks'], told['uploads'], told['target_requests']], [4, 1, null])
  assert.equal(told['duration_ms_min'], Math.round(bytes / 1000))
  assert.ok(Number(told['duration_ms_max']) > Number(told['duration_ms_min']))
  assert.ok(Number(told['state_bytes']) > 0 && Number(told['memory_bytes']) > 0)
  assert.deepEqual([existsSync(place.path('target')), existsSync(place.path('state'))], [false, false])
})

test('migrate --dry-run is the same', async () => {
  const dry = await place.run('migrate', 'source', 'target', '--chunk-size', '5MiB', '--dry-run')
  assert.equal(dry.code, 0, dry.notices)
  assert.match(dry.output, /^PLAN\. Nothing was moved, and nothing was left at the target\.\n/)
  assert.match(dry.output, /\n next {10}waybill migrate source target --chunk-size 5MiB\n$/)
  assert.equal(dry.output, (await plan()).output)
  assert.equal(existsSync(place.path('target')), false)
})

test('what would not be moved is grouped by code with samples', async () => {
  spawnSync('mkfifo', [place.path('source/pipe-1'), place.path('source/pipe-2')])
  place.write('source/.waybill/mine', 'x')
  const end = await plan()
  assert.equal(end.code, 4)
  assert.match(end.output, /not copied RESERVED_NAME, \d items?: .*\n {4}\.waybill\n/)
  assert.match(end.output, /skipped SPECIAL_FILE, 2 items: .*\n {4}pipe-1\n {4}pipe-2\n/)
  const { problems } = objectOf(await plan('--json', '--exclude', '.waybill/'))
  assert.deepEqual(problems, [
    { outcome: 'skipped', code: 'SPECIAL_FILE', count: 2, samples: ['pipe-1', 'pipe-2'], differences: [] },
  ])
})

test('a selection that nothing matches ends with 12', async () => {
  const end = await plan('--include', '*.none')
  assert.equal(end.code, 12, end.notices)
})
