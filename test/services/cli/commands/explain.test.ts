import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createJobPlace, MiB, objectOf, rot, writeLargeFile, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)

const migrate = ['migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB', '-q'] as const

before(async () => {
  writeSmallTree(place)
  writeLargeFile(place, 'source/large.bin')
  place.write('source/50% of it', 'odd\n')
  await place.run(...migrate)
  rot(place.path('target/large.bin'), 7 * MiB)
  await place.run('verify', 'tides', '-q')
  const end = await place.run(...migrate)
  assert.equal(end.code, 0, end.notices)
})

const explain = (...words: readonly string[]): ReturnType<typeof place.run> => place.run('explain', 'tides', ...words)

interface Told {
  readonly outcome: string
  readonly passes: readonly { readonly pass: number; readonly is_unchanged: boolean }[]
  readonly generations: readonly {
    readonly reason: string
    readonly chunks: number
    readonly is_superseded: boolean
    readonly steps: readonly { readonly step: string; readonly is_trouble: boolean; readonly outcome?: string }[]
  }[]
}

test('an item that was repaired tells both generations, and what was wrong with the first', async () => {
  const end = await explain('large.bin')
  assert.equal(end.code, 0, end.notices)
  assert.match(end.output, /^large\.bin: verified\n/)
  assert.match(end.output, /generation 1: first listing; 3 chunks of its own.*; superseded by generation 2\n/)
  assert.match(
    end.output,
    /! .* read back {3}chunk \d+\.\d+\.\d+: round 2, .*mismatch, code DIGEST_MISMATCH, target sha256/,
  )
  assert.match(
    end.output,
    /generation 2: repair, since generation 1 was read back in round 2: mismatch DIGEST_MISMATCH/,
  )
  const { outcome, generations } = objectOf(await explain('large.bin', '--json')) as unknown as Told
  assert.equal(outcome, 'verified')
  assert.deepEqual(
    generations.map(({ chunks, is_superseded }) => [chunks, is_superseded]),
    [
      [3, true],
      [3, false],
    ],
  )
  const steps = generations[1]?.steps.map(({ step }) => step) ?? []
  const one = ['planned', 'leased', 'transferred', 'read back']
  assert.deepEqual(steps, ['listed', 'opened', ...one, ...one, ...one, 'sealed'])
})

test('an item that did not change tells its one generation and the passes that carried it', async () => {
  const told = objectOf(await explain('./folder/b.txt', '--json')) as unknown as Told
  assert.deepEqual(
    told.passes.map(({ pass, is_unchanged }) => [pass, is_unchanged]),
    [
      [1, false],
      [2, true],
    ],
  )
  assert.equal(told.generations.length, 1)
  assert.deepEqual(
    told.generations[0]?.steps.map(({ step }) => step),
    ['listed', 'planned', 'leased', 'transferred', 'read back', 'read back'],
  )
})

test('names are understood as they are and as reports show them; what is not there is said', async () => {
  for (const name of ['50% of it', '50%25 of it', 'nothing/']) assert.equal((await explain(name)).code, 0, name)
  const end = await explain('no/such')
  assert.equal(end.code, 2)
  assert.match(end.notices, /^waybill: ITEM_UNKNOWN: .*path=no\/such/)
})
