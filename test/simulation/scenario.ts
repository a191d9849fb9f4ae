// What one seed's world is like before anything happens in it.
import type { JobRequest, TargetAbilities } from '#schemas/records'
import { KiB, smallRequest } from '#test/support/memory-migration'
import type { Chance } from './chance.ts'

export const job = 'job'

export interface Scenario {
  readonly seed: number
  readonly chunkPartitions: number
  readonly items: number
  /** Parts of the largest items. */
  readonly partsMax: number
  readonly chunkBytes: number
  readonly request: JobRequest
  readonly abilities: Partial<TargetAbilities>
  /** Objects of strangers that stand at the target before the first pass. */
  readonly strangers: number
  /** Virtual time at which the last fault happens. */
  readonly faultMsMax: number
  /** Chance of a fault of the surroundings, at each call of a port. */
  readonly aroundChance: number
  /** Chance that a call itself fails. */
  readonly callChance: number
  /** Chance that a process meets an end (crash, stop, a second one beside it). */
  readonly fateChance: number
  readonly processCallsMax: number
}

function abilitiesOf(chance: Chance): Partial<TargetAbilities> {
  if (chance.happens(0.6)) return {}
  return {
    createsOnlyIfAbsent: chance.happens(0.5),
    replacesOnlyIfMatch: chance.happens(0.5),
    checksUploads: chance.happens(0.5),
    copiesParts: chance.happens(0.5),
    keepsMarks: chance.happens(0.8),
    bypassesCache: chance.happens(0.5),
  }
}

function requestOf(chance: Chance, chunkBytes: number): JobRequest {
  return {
    ...smallRequest,
    chunkBytes,
    overwrite: chance.weighted({ never: 4, different: 3, always: 1 }),
    reconcile: chance.weighted({ listing: 5, full: 3, none: 2 }),
    verify: chance.weighted({ full: 10, sample: 1, none: 1 }),
    samplePercent: 50,
    throughputBytesPerSecond: chance.happens(0.2) ? chance.between(64, 512) * KiB : null,
  }
}

/** `isSmall`: fewer items and parts, for the quick suite. */
export function drawScenario(seed: number, chance: Chance, isSmall: boolean): Scenario {
  const chunkBytes = chance.pick([4, 8, 16, 64]) * KiB
  const isCalm = chance.happens(0.05)
  return {
    seed,
    chunkPartitions: chance.pick([1, 2, 4, 4, 4, 7]),
    items: isSmall ? chance.between(12, 24) : chance.between(20, 60),
    partsMax: isSmall ? 5 : 12,
    chunkBytes,
    request: requestOf(chance, chunkBytes),
    abilities: abilitiesOf(chance),
    strangers: chance.happens(0.3) ? chance.between(1, 8) : 0,
    faultMsMax: chance.between(5, 90) * 1_000,
    aroundChance: isCalm ? 0 : 0.004 + chance.random() * 0.036,
    callChance: isCalm ? 0 : 0.002 + chance.random() * 0.038,
    fateChance: isCalm ? 0 : chance.random(),
    processCallsMax: chance.pick([60, 300, 1_000]),
  }
}
