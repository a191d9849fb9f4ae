// From a share of partitions to claims that stand (rules 1 and 9): what the group assigns is claimed, what it takes away is
// let go of, what others claimed meanwhile is claimed again only while the group still counts this process as a member.
import { keyOf } from '#libs/domain/keys'
import { partitionId } from '#libs/log/event-log'
import type { Membership } from '#libs/log/membership'
import { type Claim, tryClaims, type WantedClaim } from '#libs/runtime/claims'
import type { Topic } from '#schemas/events'
import { roleContext, type ServeParts } from './parts.ts'

export interface Ownership {
  /** Claims on the partitions of a topic whose claims in all topics of this ownership stood when last looked. */
  claimsOf(topic: Topic): readonly Claim[]
  /** Called after each change. */
  onChange(listener: () => void): void
  /** Ends when the signal aborts; throws what ends the process. */
  run(signal: AbortSignal): Promise<void>
}

/** Looks at what stands at least this often. */
const lookEveryMs = 1_000
/**
 * After the group was out of reach, what it assigns is not claimed for so long: its members come back one after the other,
 * and the first would be given, and claim, what the others still hold.
 */
const settleMs = 10_000
/** Before a partition that somebody else claimed is claimed again: at most this long. */
const jitterMsMax = 1_000

interface Place {
  readonly topic: Topic
  readonly partition: number
}

class PartitionOwnership implements Ownership {
  readonly #parts: ServeParts
  readonly #membership: Membership
  readonly #topics: readonly Topic[]
  /** The latest own claim on each partition, also on those that are not assigned now. */
  readonly #claims = new Map<string, Claim>()
  readonly #listeners: (() => void)[] = []
  #held: ReadonlyMap<number, readonly Claim[]> = new Map()
  #claimed = 0
  /** The group counted this process when last looked; null: it never did. */
  #wasCurrent: boolean | null = null
  #settledAt = Number.NEGATIVE_INFINITY

  constructor(parts: ServeParts, membership: Membership, topics: readonly Topic[]) {
    this.#parts = parts
    this.#membership = membership
    this.#topics = topics
  }

  claimsOf(topic: Topic): readonly Claim[] {
    return [...this.#held.values()].flatMap((claims) => claims.filter((claim) => claim.topic === topic))
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  async run(signal: AbortSignal): Promise<void> {
    let isSecondTry = false
    while (!signal.aborted) {
      const generation = this.#membership.generation()
      const missing = await this.#look()
      const isSettled = this.#isSettled()
      if (missing.length > 0 && isSettled) {
        if (isSecondTry) await this.#sleep(this.#parts.random() * jitterMsMax, signal)
        await this.#claim(missing, signal)
        isSecondTry = (await this.#look()).length > 0
        continue
      }
      isSecondTry = false
      const waiting = new AbortController()
      const either = AbortSignal.any([signal, waiting.signal])
      await Promise.race([this.#membership.changed(generation, either), this.#parts.clock.sleep(lookEveryMs, either)])
        .catch((error: unknown) => {
          if (!either.aborted) throw error
        })
        .finally(() => waiting.abort())
    }
  }

  /** The group counts this process, and has for a while if it did not before. */
  #isSettled(): boolean {
    const isCurrent = this.#membership.isCurrent()
    const now = this.#parts.clock.monotonic()
    if (isCurrent && this.#wasCurrent === false) this.#settledAt = now + settleMs
    if (isCurrent || this.#wasCurrent !== null) this.#wasCurrent = isCurrent
    return isCurrent && now >= this.#settledAt
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }

  /** Sees which own claims stand, and returns the assigned places that have none. */
  async #look(): Promise<readonly Place[]> {
    const assigned = [...this.#membership.assigned()].sort((a, b) => a - b)
    const places = assigned.flatMap((partition) => this.#topics.map((topic) => ({ topic, partition })))
    const rows = await this.#parts.projection.rows.getMany(
      places.map(({ topic, partition }) => keyOf.partition(topic, partition)),
    )
    const held = new Map<number, readonly Claim[]>()
    const missing: Place[] = []
    for (const [index, place] of places.entries()) {
      const own = this.#claims.get(partitionId(place.topic, place.partition))
      if (own === undefined || rows[index]?.claim !== own.claim) missing.push(place)
      else held.set(place.partition, [...(held.get(place.partition) ?? []), own])
    }
    for (const [partition, claims] of held) if (claims.length < this.#topics.length) held.delete(partition)
    this.#set(held)
    // All topics of a number are claimed together: what one claim decided (grants that still live) ends with it.
    const incomplete = new Set(missing.map(({ partition }) => partition))
    return places.filter(({ partition }) => incomplete.has(partition))
  }

  #set(held: ReadonlyMap<number, readonly Claim[]>): void {
    const names = (all: ReadonlyMap<number, readonly Claim[]>): string =>
      [...all.values()].flatMap((claims) => claims.map(({ claim }) => claim)).join()
    const isSame = names(held) === names(this.#held)
    this.#held = held
    if (isSame) return
    this.#parts.logger.info({ topics: this.#topics, partitions: held.size }, 'partitions owned')
    for (const listener of this.#listeners) listener()
  }

  async #claim(places: readonly Place[], signal: AbortSignal): Promise<void> {
    const rows = await this.#parts.projection.rows.getMany(
      places.map(({ topic, partition }) => keyOf.partition(topic, partition)),
    )
    this.#claimed += 1
    const wanted = places.map(({ topic, partition }, index): WantedClaim => {
      const claim = `${this.#parts.process}.${this.#claimed}.${topic}.${partition}`
      return { topic, partition, claim, cause: rows[index] === undefined ? 'start' : 'takeover' }
    })
    try {
      const stood = await tryClaims(roleContext(this.#parts, signal), wanted)
      for (const claim of stood) this.#claims.set(partitionId(claim.topic, claim.partition), claim)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

export function ownPartitions(parts: ServeParts, membership: Membership, topics: readonly Topic[]): Ownership {
  return new PartitionOwnership(parts, membership, topics)
}
