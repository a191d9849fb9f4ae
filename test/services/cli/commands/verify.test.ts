import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { renameSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createJobPlace, largeBytes, MiB, objectOf, rot, writeLargeFile, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)

const migrate = ['migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB'] as const
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

before(async () => {
  writeSmallTree(place)
  writeLargeFile(place, 'source/large.bin')
  const end = await place.run(...migrate, '-q')
  assert.equal(end.code, 0, end.notices)
})

test('what is sound at the target is found so, from the job alone, also when the source is gone', async () => {
  renameSync(place.path('source'), place.path('elsewhere'))
  const end = await place.run('verify', 'tides', '--json', '-q')
  renameSync(place.path('elsewhere'), place.path('source'))
  const told = objectOf(end)
  assert.deepEqual([end.code, told['verdict'], told['source_bytes_read']], [0, 'pass', 0], end.notices)
  assert.equal(told['target_bytes_written'], 0)
  assert.ok(Number(told['target_bytes_read']) >= largeBytes)
})

test('rotten bytes are named with item, range and both digests, and migrate repairs them', async () => {
  const offset = 7 * MiB
  rot(place.path('target/large.bin'), offset)
  rot(place.path('target/folder/b.txt'), 0)
  const chunk = (name: string): string => sha256(place.read(name).subarray(5 * MiB, 10 * MiB))
  const bad = await place.run('verify', 'tides')
  assert.equal(bad.code, 5)
  for (const text of [
    'large.bin',
    'bytes 5,242,880 to 10,485,759',
    chunk('source/large.bin'),
    chunk('target/large.bin'),
  ])
    assert.ok(bad.notices.includes(text), `${text} is not in ${bad.notices}`)
  assert.match(bad.notices, /folder\/b\.txt\n {8}bytes 0 to 5 /)
  assert.match(bad.notices, /exit code {5}5: .*\n next {10}waybill migrate \S+source \S+target .*--job tides/)
  const repaired = await place.run(...migrate, '--json')
  const told = objectOf(repaired)
  assert.equal(repaired.code, 0, repaired.notices)
  // Ranges that were sound are copied inside the target where the file system can, or read again.
  assert.ok(Number(told['source_bytes_read']) <= largeBytes + 6)
  for (const name of ['large.bin', 'folder/b.txt'])
    assert.ok(place.read(`source/${name}`).equals(place.read(`target/${name}`)), name)
  const again = await place.run('verify', 'source', 'target', '--job', 'tides', '-q')
  assert.equal(again.code, 0, again.notices)
})

test('without a job there is nothing to compare with: exit 2 names migrate', async () => {
  const end = await place.run('verify', 'source', 'other')
  assert.equal(end.code, 2)
  assert.match(end.notices, /^waybill: JOB_UNKNOWN: .*first: waybill migrate source other\n$/)
  assert.equal((await place.run('verify', 'nothing-so')).code, 2)
})
