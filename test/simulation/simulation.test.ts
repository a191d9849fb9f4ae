// A few seeds of the simulation in the quick suite; the campaign is `run.ts`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './simulation.ts'

const seeds = 25
const firstSeed = 1_000

test('whatever fails, dies, changes or comes twice, no seed of the simulation breaks a promise', async () => {
  let faults = 0
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    const { violations, strikes } = await simulate(seed, { isSmall: true })
    for (const times of strikes.values()) faults += times
    assert.deepEqual(violations, [], `seed ${seed}: run test/simulation/run.ts --seed ${seed} --small --trace`)
  }
  assert.ok(faults / seeds >= 20, `${faults} faults are too few to prove anything`)
})

test('one seed is one history', async () => {
  const [one, other] = [await simulate(firstSeed, { isSmall: true }), await simulate(firstSeed, { isSmall: true })]
  assert.equal(one.history, other.history)
})
