import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, test } from 'node:test'
import { openMemoryTarget } from '#libs/target/memory-target'
import { type Check, compareClocks } from '#services/cli/checks'
import { createJobPlace, objectOf, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)
writeSmallTree(place)

const resultsOf = (told: Record<string, unknown>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (told['checks'] as { name: string; result: string }[]).map(({ name, result }) => [
      name.replace(place.folder, '.'),
      result,
    ]),
  )

test('a sound place passes, and nothing is left behind', async () => {
  const end = await place.run('doctor', 'source', 'target', '--json')
  const told = objectOf(end)
  assert.equal(end.code, 0, end.output)
  const { 'source ./source': source, 'target ./target': target, node, clock } = resultsOf(told)
  assert.deepEqual([source, target === 'failure', node], ['ok', false, 'ok'])
  assert.equal(clock, undefined, 'no store whose clock ours could be compared with')
  assert.deepEqual([existsSync(place.path('target')), existsSync(place.path('state'))], [false, false])
})

test('our clock is compared with that of each store that was reached, and with nothing else', async () => {
  const probed = await openMemoryTarget().survey().probe(new AbortController().signal)
  const at = (name: string, kind: 's3' | 'files', clockOffsetMs: number): Check => {
    const abilities = { ...probed.abilities, kind, clockOffsetMs }
    return { name, result: 'ok', told: '', code: null, abilities }
  }
  const told = compareClocks([
    at('target s3://near', 's3', -300),
    at('target s3://late', 's3', 90_000),
    at('target s3://early', 's3', -5_000),
    at('target /folder', 'files', 0),
  ])
  assert.deepEqual(
    told.map(({ result, told: text }) => [result, text]),
    [
      ['ok', 'within a second of target s3://near'],
      ['warning', '90 s behind target s3://late'],
      ['ok', '5 s ahead of target s3://early'],
    ],
  )
})

test('what fails is named with its code, and the exit code is 3', async () => {
  const end = await place.run('doctor', 'nowhere', 'source/below', 'source/a.txt/x')
  assert.equal(end.code, 3)
  assert.match(end.output, /\n FAIL {2}source \S+nowhere +SOURCE_MISSING: The source does not exist\./)
  assert.match(end.output, /\n FAIL {2}target \S+a\.txt\/x +TARGET_NOT_WRITABLE: /)
  assert.match(end.output, /\n\d of \d+ checks failed\.\n$/)
  const within = await place.run('doctor', 'source', 'source/below')
  assert.match(within.output, /\n FAIL {2}places +TARGET_OVERLAPS: /)
  // A directory of the system that takes no others: the answer must come, and soon.
  assert.equal((await place.run('doctor', 'source', '/proc/nothing-so')).code, 3)
})
