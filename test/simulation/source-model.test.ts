import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reportEveryMs } from '#libs/domain/rate'
import { controlRules } from '#libs/domain/rate-control'
import { type RateSample, runSource, type SourceScenario, sourceScenarios } from './source-model.ts'

const seeds = Array.from({ length: 25 }, (_, index) => index + 1)
const intervalMinutes = reportEveryMs / 60_000
const quietMinutes = controlRules.quietMs / 60_000

function scenarioOf(name: string): SourceScenario {
  const found = sourceScenarios.find((one) => one.name === name)
  if (found === undefined) throw new Error(name)
  return found
}

const halvings = (samples: readonly RateSample[]): readonly RateSample[] =>
  samples.filter(({ action }) => action === 'halved')

function eachSeed(name: string, check: (samples: readonly RateSample[], seed: number) => void): void {
  for (const seed of seeds) check(runSource(scenarioOf(name), seed), seed)
}

/** The mean over the minutes from one to another. */
function meanRate(samples: readonly RateSample[], from: number, to: number): number {
  const inside = samples.filter(({ minute }) => minute >= from && minute < to)
  return inside.reduce((sum, { rate }) => sum + rate, 0) / inside.length
}

for (const { name, cap } of sourceScenarios) {
  test(`${name}: the rate is never above the cap, nor below the floor while the signals answer`, () => {
    eachSeed(name, (samples, seed) => {
      for (const { minute, rate } of samples) {
        assert.ok(rate <= cap(minute), `minute ${minute}, seed ${seed}`)
        assert.ok(rate >= cap(minute) * controlRules.floorShare * 0.99, `minute ${minute}, seed ${seed}`)
      }
    })
  })

  test(`${name}: whenever the source is loud, the rate was halved within the cooldown, or is at the floor`, () => {
    eachSeed(name, (samples, seed) => {
      for (const [index, { isLoud, minute, rate, cap: limit }] of samples.entries()) {
        const recent = samples.slice(Math.max(0, index - 2), index + 1)
        const isAnswered = recent.some(({ action }) => action === 'halved')
        assert.ok(!isLoud || isAnswered || rate <= limit * controlRules.floorShare * 1.01, `${minute}, seed ${seed}`)
      }
    })
  })

  test(`${name}: no step up before five quiet minutes, and no step above a tenth of the cap`, () => {
    eachSeed(name, (samples) => {
      for (const [index, sample] of samples.entries()) {
        if (sample.action !== 'raised') continue
        const before = samples.slice(Math.max(0, index - (Math.round(quietMinutes / intervalMinutes) - 1)), index)
        assert.ok(before.every(({ action, isLoud }) => action !== 'halved' && action !== 'raised' && !isLoud))
        assert.ok(sample.rate - (before.at(-1)?.rate ?? 0) <= sample.cap * controlRules.stepShare + 1)
      }
    })
  })
}

test('quiet: nothing is held back, in no seed', () => {
  eachSeed('quiet', (samples) => {
    assert.equal(halvings(samples).length, 0)
    assert.ok(samples.every(({ rate, cap }) => rate === cap))
  })
})

test('busy-hour: halved in the interval after the load came, and the whole cap again as soon as steps allow', () => {
  eachSeed('busy-hour', (samples) => {
    const [first] = halvings(samples)
    assert.ok(first !== undefined && first.minute <= 10 + intervalMinutes, `${first?.minute}`)
    assert.equal(first.rate, first.cap / 2)
    assert.match(first.reason, /^source: .*reads take .* halved from .* to /)
    // From the floor: ten steps of a tenth, five minutes each.
    const steps = Math.ceil((1 - controlRules.floorShare) / controlRules.stepShare)
    const whole = samples.find(({ minute, rate, cap }) => minute > 20 && rate === cap)
    assert.ok(whole !== undefined && whole.minute <= 20 + steps * quietMinutes + 1, `${whole?.minute}`)
  })
})

test('bursts: each is answered at once, and what was held back does not pile up', () => {
  eachSeed('bursts', (samples) => {
    for (let burst = 7.5; burst < 90; burst += 8) {
      const inside = samples.filter(({ minute }) => minute >= burst && minute < burst + 0.5)
      assert.ok(Math.max(...inside.map(({ rate }) => rate)) <= 100_000_000)
      assert.ok((inside.at(-1)?.rate ?? 0) <= 25_000_000, `minute ${burst}: ${inside.at(-1)?.rate}`)
    }
  })
})

test('nearly-full: it settles around what there is room for, and turns down at most once in five minutes', () => {
  eachSeed('nearly-full', (samples, seed) => {
    const changes = samples.filter(({ action }) => action === 'halved' || action === 'raised')
    const turns = changes.filter(({ action }, index) => action === 'halved' && changes[index - 1]?.action === 'raised')
    const minutes = turns.map(({ minute }) => minute)
    for (const [index, minute] of minutes.entries()) {
      const before = minutes[index - 1]
      assert.ok(before === undefined || minute - before >= quietMinutes, `seed ${seed}: ${minutes.join(' ')}`)
    }
    assert.ok(turns.length <= 12, `seed ${seed}: ${turns.length} turns in two hours`)
    const mean = meanRate(samples, 30, 120)
    assert.ok(mean >= 7_000_000 && mean <= 30_000_000, `seed ${seed}: ${mean}`)
  })
})

test('overloaded: down to the floor within half a minute, and there it stays', () => {
  eachSeed('overloaded', (samples) => {
    const later = samples.filter(({ minute }) => minute >= 5.6)
    assert.ok(later.every(({ rate, cap }) => rate <= cap * controlRules.floorShare * 1.01))
  })
})

test('timetable: a lower cap holds from its first interval on, and a rate halved under it climbs back under the next', () => {
  eachSeed('timetable', (samples) => {
    assert.ok(samples.every(({ minute, rate }) => minute < 20 || minute >= 40 || rate <= 25_000_000))
    assert.ok((samples.at(-1)?.rate ?? 0) >= 75_000_000, `${samples.at(-1)?.rate}`)
  })
})

test('signal: our own part of the load does not count, and a silent signal means the floor until it is heard again', () => {
  eachSeed('signal', (samples) => {
    const floored = samples.filter(({ minute }) => minute >= 50.3 && minute < 55)
    assert.ok(floored.every(({ rate, cap }) => rate <= cap * controlRules.floorShare))
    assert.ok(floored.every(({ reason }) => reason.includes('has not answered for more than')))
    const before = samples.find(({ minute }) => minute >= 49.9)
    const after = samples.find(({ minute }) => minute >= 55.1)
    const step = controlRules.stepShare * 100_000_000
    assert.ok(Math.abs((after?.rate ?? 0) - (before?.rate ?? 0)) <= step + 1, `${before?.rate}, ${after?.rate}`)
    assert.ok(samples.filter(({ minute }) => minute < 10).every(({ rate, cap }) => rate === cap))
  })
})

test('one seed is one history', () => {
  assert.deepEqual(runSource(scenarioOf('bursts'), 7), runSource(scenarioOf('bursts'), 7))
})
