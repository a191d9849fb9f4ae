// Rules 1 and 9: the group only says who may claim; what stands in the log says who owns.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '#libs/domain/keys'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter, type EventWriter } from '#libs/log/event-writer'
import type { Membership } from '#libs/log/membership'
import { openMemoryLog } from '#libs/log/memory-log'
import { openProjection, type Projection } from '#libs/projection/projection'
import { silentLogger } from '#libs/runtime/logger'
import { openMemoryStore } from '#libs/store/memory-store'
import type { Topic } from '#schemas/events'
import { createFence, type Fence } from '#services/serve/fence'
import { type Ownership, ownPartitions } from '#services/serve/ownership'
import type { ServeParts } from '#services/serve/parts'
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts'

const counts = { jobs: 2, listings: 2, rates: 2, chunks: 2 }
const ofCoordinator: readonly Topic[] = ['jobs', 'listings', 'rates']

/** A group that says what the test wants. */
class SaidMembership implements Membership {
  readonly failed = new Promise<never>(() => undefined)
  isMember = true
  #assigned: ReadonlySet<number> = new Set()
  #generation = 0
  #wake: () => void = () => undefined

  assigned = (): ReadonlySet<number> => this.#assigned
  generation = (): number => this.#generation
  isCurrent = (): boolean => this.isMember
  leave = (): Promise<void> => Promise.resolve()

  assign(...partitions: readonly number[]): void {
    this.#assigned = new Set(partitions)
    this.#generation += 1
    this.#wake()
  }

  changed(since: number, signal: AbortSignal): Promise<void> {
    if (this.#generation > since) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#wake = resolve
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
}

interface Stage {
  readonly clock: VirtualClock
  readonly group: SaidMembership
  readonly ownership: Ownership
  readonly fence: Fence
  readonly projection: Projection
  /** Claims that were appended so far, by anybody. */
  claimsAppended(): Promise<number>
  /** Somebody else claims, with the next epoch. */
  takeAway(topic: Topic, partition: number): Promise<void>
  /** The log answers no question until the returned function is called. */
  silence(): () => void
}

function silenceable(log: EventLog): { readonly log: EventLog; silence(): () => void } {
  let gate = Promise.resolve()
  return {
    log: { ...log, append: (records) => log.append(records), ends: () => gate.then(() => log.ends()) },
    silence() {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
  }
}

async function withStage(topics: readonly Topic[], body: (stage: Stage) => Promise<void>): Promise<void> {
  const clock = createVirtualClock()
  const inner = openMemoryLog({ partitionCounts: counts })
  const { log, silence } = silenceable(inner)
  const projection = await openProjection(inner, openMemoryStore())
  const stop = new AbortController()
  const writerOf = (name: string): EventWriter =>
    createEventWriter({ log: inner, clock, writer: name, software: 'test' })
  const base = { projection, log, clock, logger: silentLogger, random: () => 0.5, process: 'p', signal: stop.signal }
  const parts = { ...base, writer: writerOf('p'), counts } as unknown as ServeParts
  const group = new SaidMembership()
  const ownership = ownPartitions(parts, group, topics)
  const fence = createFence(parts, () => topics.flatMap((topic) => ownership.claimsOf(topic)))
  const running = Promise.all([projection.run(stop.signal), ownership.run(stop.signal)])
  const other = writerOf('other')
  const stage: Stage = {
    clock,
    group,
    ownership,
    fence,
    projection,
    silence,
    claimsAppended: async () => [...(await inner.ends()).values()].reduce((sum, next) => sum + next, 0),
    takeAway: async (topic, partition) => {
      const row = await projection.rows.get(keyOf.partition(topic, partition))
      const epoch = (row?.epoch ?? 0) + 1
      const event = { type: 'PartitionClaimed', job: '', claim: `other.${epoch}`, epoch, cause: 'takeover' } as const
      await other.append([{ topic, partition, event }])
    },
  }
  await clock.run(
    body(stage).finally(() => stop.abort()),
    600_000,
  )
  await running
}

const partitionsOf = (ownership: Ownership, topic: Topic): readonly number[] =>
  ownership.claimsOf(topic).map(({ partition }) => partition)

test('a number is owned once the claims in all its topics stand, and not any more when one of them is lost', () =>
  withStage(ofCoordinator, async ({ clock, group, ownership, claimsAppended, takeAway }) => {
    group.assign(0, 1)
    await clock.sleep(2_000)
    for (const topic of ofCoordinator) assert.deepEqual(partitionsOf(ownership, topic), [0, 1])
    assert.equal(await claimsAppended(), 6)
    group.isMember = false
    await takeAway('listings', 1)
    await clock.sleep(2_000)
    for (const topic of ofCoordinator) assert.deepEqual(partitionsOf(ownership, topic), [0])
    // Nobody whom the group does not count claims anything.
    assert.equal(await claimsAppended(), 7)
  }))

test('what a member that is current lost is claimed again in all topics', () =>
  withStage(ofCoordinator, async ({ clock, group, ownership, claimsAppended, takeAway }) => {
    group.assign(0)
    await clock.sleep(2_000)
    await takeAway('jobs', 0)
    await clock.sleep(3_000)
    assert.equal(await claimsAppended(), 3 + 1 + 3)
    assert.deepEqual(partitionsOf(ownership, 'rates'), [0])
  }))

test('a partition that comes back to its latest claimant needs no new claim', () =>
  withStage(['chunks'], async ({ clock, group, ownership, claimsAppended }) => {
    group.assign(0, 1)
    await clock.sleep(2_000)
    const before = ownership.claimsOf('chunks')
    group.assign(0)
    await clock.sleep(2_000)
    assert.deepEqual(partitionsOf(ownership, 'chunks'), [0])
    group.assign(0, 1)
    await clock.sleep(2_000)
    assert.deepEqual(ownership.claimsOf('chunks'), before)
    assert.equal(await claimsAppended(), 2)
  }))

test('after an outage of the group its word is not acted on until its members are back', () =>
  withStage(['chunks'], async ({ clock, group, ownership, claimsAppended }) => {
    group.assign(0)
    await clock.sleep(2_000)
    group.isMember = false
    await clock.sleep(2_000)
    group.isMember = true
    group.assign(0, 1)
    await clock.sleep(9_000)
    assert.equal(await claimsAppended(), 1)
    await clock.sleep(4_000)
    assert.equal(await claimsAppended(), 2)
    assert.deepEqual(partitionsOf(ownership, 'chunks'), [0, 1])
  }))

test('the fence lets through whose claim is the latest, and nobody else', () =>
  withStage(['chunks'], async ({ clock, group, ownership, fence, takeAway }) => {
    group.assign(0, 1)
    await clock.sleep(2_000)
    const [first, second] = ownership.claimsOf('chunks')
    assert.ok(first !== undefined && second !== undefined)
    await fence.mustStillHold(first)
    group.isMember = false
    await takeAway('chunks', 0)
    await clock.sleep(6_000)
    await assert.rejects(fence.mustStillHold(first), { code: 'CLAIM_LOST' })
    await fence.mustStillHold(second)
  }))

test('an answer of the log holds for 5 s from the question; then nothing passes until it answers again', () =>
  withStage(['chunks'], async ({ clock, group, ownership, fence, silence }) => {
    group.assign(0)
    await clock.sleep(2_000)
    const [claim] = ownership.claimsOf('chunks')
    assert.ok(claim !== undefined)
    await fence.mustStillHold(claim)
    const speak = silence()
    await clock.sleep(4_900)
    await fence.mustStillHold(claim)
    await clock.sleep(200)
    let hasPassed = false
    const passing = fence.mustStillHold(claim).then(() => {
      hasPassed = true
    })
    await clock.sleep(20_000)
    assert.equal(hasPassed, false)
    speak()
    await clock.sleep(1)
    // The question was sent long ago: only a new one opens the fence.
    await passing
    assert.equal(hasPassed, true)
  }))
