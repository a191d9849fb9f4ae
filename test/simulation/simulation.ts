// Runs one seed: processes come and go while faults happen, then everything is calm and the job must end, pass after pass.
import { codeOf } from '#libs/domain/errors'
import { openMemoryStore } from '#libs/store/memory-store'
import type { StateStore } from '#libs/store/state-store'
import { checkEnd, checkPass } from './final-check.ts'
import { type Fate, type ProcessEnd, SimulatedProcess } from './process.ts'
import type { Violation } from './violation.ts'
import { copyStore, World, type WorldOptions } from './world.ts'

export interface SeedResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly strikes: ReadonlyMap<string, number>
  readonly events: number
  readonly passes: number
  readonly processes: number
  readonly virtualMs: number
  readonly history: string
  readonly trace: readonly string[]
}

/** Virtual time in which a job must end once faults stopped (L1). */
export const endMsMax = 30 * 60 * 1_000
const processesMax = 60
/** What is under way when a job is paused may still end. */
const pauseMsMax = 5_000
const stallMsMax = 75_000

function drawFate(world: World): Fate {
  const { chance, scenario } = world
  if (!world.isFaulty() || !chance.happens(scenario.fateChance)) return { kind: 'none' }
  const afterCalls = chance.between(1, scenario.processCallsMax)
  switch (chance.weighted({ crash: 5, stop: 2, zombie: 4 })) {
    case 'crash':
      return { kind: 'crash', afterCalls }
    case 'stop':
      return { kind: 'stop', afterCalls }
    case 'zombie':
      return {
        kind: 'zombie',
        afterCalls,
        lagMs: chance.pick([0, 50, 500, 3_000]),
        lifeMs: chance.between(10, 20_000),
      }
  }
}

/** The store that the next process finds: as it was left, gone, or an older copy. */
async function nextStore(world: World, last: SimulatedProcess): Promise<StateStore> {
  const { chance } = world
  switch (chance.weighted({ kept: 3, lost: 1, older: 1 })) {
    case 'kept':
      return last.isReplaced ? copyStore(last.store) : last.store
    case 'lost':
      world.strike('store lost')
      return openMemoryStore()
    case 'older':
      if (world.olderStore === null) return openMemoryStore()
      world.strike('older store')
      return copyStore(world.olderStore)
  }
}

class Director {
  readonly #world: World
  #last: SimulatedProcess | null = null
  processes = 0

  constructor(world: World) {
    this.#world = world
  }

  async #start(): Promise<SimulatedProcess> {
    const world = this.#world
    this.processes += 1
    const store = this.#last === null ? openMemoryStore() : await nextStore(world, this.#last)
    if (world.chance.happens(0.5)) await world.keepCopy(store)
    const process = new SimulatedProcess(world, { name: `process-${this.processes}`, store, fate: drawFate(world) })
    this.#last = process
    return process
  }

  /** One process from start to end; its store is checked when it ended by itself. */
  async runOnce(aim: 'migrate' | 'verify'): Promise<ProcessEnd> {
    const world = this.#world
    const process = await this.#start()
    world.say(`${process.name} starts: ${aim}`)
    const end = await Promise.race([process.live(aim), this.#patience()])
    world.say(`${process.name}: ${end.kind} ${end.kind === 'failed' ? codeOf(end.error) : ''}`)
    if (end.kind === 'failed' && codeOf(end.error) === 'INTERNAL') {
      const text = end.error instanceof Error ? (end.error.stack ?? end.error.message) : String(end.error)
      world.violate({ invariant: 'END', text })
    }
    if (end.kind === 'stuck') {
      process.die()
      throw new StuckError(`${process.name} did not end: ${diagnose(world)}`)
    }
    if (end.kind === 'ended') {
      process.die()
      if (end.end.isComplete) {
        this.#checkPause()
        await checkPass(world, process.store)
      }
    }
    return end
  }

  /** A job that a person paused does not go on to its end. */
  #checkPause(): void {
    const { pausedAtMs, stalledAtMs, clock } = this.#world
    const isSlow = pausedAtMs !== null && stalledAtMs > pausedAtMs - stallMsMax
    if (pausedAtMs === null || isSlow || clock.monotonic() - pausedAtMs < pauseMsMax) return
    this.#world.violate({ invariant: 'END', text: `the job went on to its end, paused since ${pausedAtMs}` })
  }

  /** L1: a run ends within the bound, counted from the last fault. */
  async #patience(): Promise<ProcessEnd> {
    const world = this.#world
    const left = Math.max(0, world.scenario.faultMsMax - world.clock.monotonic())
    await world.clock.sleep(left + endMsMax)
    return { kind: 'stuck' }
  }

  /** While faults happen: processes one after the other, and passes too if time allows. */
  async runFaulty(): Promise<void> {
    const world = this.#world
    while (world.isFaulty() && this.processes < processesMax) {
      const aim = world.check.model.pass > 0 && world.chance.happens(0.15) ? 'verify' : 'migrate'
      await this.runOnce(aim)
      if (world.chance.happens(0.3)) await world.clock.sleep(world.chance.between(1, 3_000))
    }
  }

  /** Without faults every process ends with its aim reached. A process that was hit before may end for that. */
  async runCalm(aim: 'migrate' | 'verify'): Promise<void> {
    const world = this.#world
    const end = await this.runOnce(aim)
    if (end.kind === 'ended' && end.end.isComplete) return
    const why = end.kind === 'failed' ? `${codeOf(end.error)} ${String(end.error)}` : end.kind
    world.violate({ invariant: 'L1', text: `a process without faults ended: ${why}` })
  }
}

class StuckError extends Error {}

/** What the state says is still to be done. */
function diagnose(world: World): string {
  const waiting = [...world.check.rows.all].filter(([key]) =>
    /^(unplanned|leasable|sealable|verifiable|owed)\//.test(key),
  )
  const rows = waiting.slice(0, 6).map(([key, row]) => `${key} ${JSON.stringify(row)}`)
  const listings = [...world.check.rows.all].filter(([key]) => key.startsWith('listing/')).map(([, row]) => row)
  return [JSON.stringify(world.check.tally), JSON.stringify(listings.at(-1)), ...rows].join('\n  ')
}

async function runWorld(world: World, director: Director): Promise<void> {
  await director.runFaulty()
  world.isCalm = true
  world.say('calm')
  // What zombies sent goes on arriving for a while.
  await world.clock.sleep(30_000)
  await director.runCalm('migrate')
  world.source.allowAll()
  await director.runCalm('migrate')
  for (const name of world.target.rot()) world.strike('rot between passes', name)
  await director.runCalm('verify')
  world.check.isRepairing = true
  await director.runCalm('migrate')
  await checkEnd(world)
}

/** Runs one seed. Never throws for what the program under test does. */
export async function simulate(seed: number, options: WorldOptions = {}): Promise<SeedResult> {
  const world = new World(seed, options)
  const director = new Director(world)
  try {
    await world.clock.run(runWorld(world, director), world.scenario.faultMsMax + 5 * endMsMax)
  } catch (error) {
    world.violate({
      invariant: 'L1',
      text: error instanceof StuckError ? error.message : String(error instanceof Error ? error.stack : error),
    })
  }
  return {
    seed,
    violations: world.violations,
    strikes: world.strikes,
    events: world.records.length,
    passes: world.check.model.pass,
    processes: director.processes,
    virtualMs: world.clock.monotonic(),
    history: world.historyDigest(),
    trace: world.trace,
  }
}
