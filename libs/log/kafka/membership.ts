// A process's share of the partitions, by a consumer group that consumes nothing.
//
// The consumer of kafkajs is not used: it only sends heartbeats between fetches, ends silently or starts anew under
// another name when a broker restarts, and does not know static members. Here a member asks for nothing but its share: it
// keeps its place while brokers are away, and whether it still has it is told by the monotonic clock, so that a process
// that slept knows before anyone tells it.
import { strict as assert } from 'node:assert'
import { assignPartitions } from '#libs/domain/assignment'
import { WaybillError } from '#libs/domain/errors'
import { Arrivals } from '#libs/log/arrivals'
import type { GroupRole, Membership } from '#libs/log/membership'
import type { Clock } from '#libs/runtime/clock'
import type { Topic } from '#schemas/events'
import {
  type GroupPlace,
  heartbeatRequest,
  type Joined,
  joinRequest,
  leaveRequest,
  type Standing,
  syncRequest,
} from './group-protocol.ts'
import { type KafkaAddress, topicName } from './kafka-client.ts'
import { kafkaError, reasonOf } from './kafka-error.ts'
import { type GroupLink, openLink } from './kafka-link.ts'

/** A lost process is missed after so long. */
const sessionMs = 10_000
/** Members learn by a heartbeat that others came or went: session and heartbeat together stay below 13 s. */
const heartbeatMs = 2500
/** How long a group waits for its members to come together. */
const rebalanceMs = 20_000
/** Both wait for other members. */
const gatheringMsMax = rebalanceMs + 5000
const answerMsMax = 4000
const leaveMsMax = 2500
const pauseMsMax = 1000
const patienceMsDefault = 120_000

export interface GroupOptions extends KafkaAddress {
  readonly clock: Clock
  readonly group: GroupRole
  /** Name of this process, unique in the group and the same after a restart. */
  readonly instance: string
  /** How long brokers may be away before the membership fails with LOG_UNREACHABLE; default 120 s. */
  readonly patienceMs?: number
  /** Opens connections; absent: by the address. */
  readonly connect?: () => Promise<GroupLink>
}

interface Seat {
  readonly link: GroupLink
  /** The node that keeps the group. */
  readonly node: number
}

const sharedTopic: Readonly<Record<GroupRole, Topic>> = { coordinator: 'jobs', worker: 'chunks', verifier: 'chunks' }
const stranger: Standing = { memberId: '', generation: -1, partitions: [] }

class GroupMember implements Membership {
  readonly failed: Promise<never>
  readonly #fail: (error: unknown) => void
  readonly #options: GroupOptions
  readonly #place: GroupPlace
  readonly #topic: string
  readonly #arrivals = new Arrivals()
  readonly #leaving = new AbortController()
  #seat: Seat | null = null
  #standing = stranger
  /** The standing is that of the group's present generation, as far as this member was told. */
  #isSettled = false
  #assigned: ReadonlySet<number> = new Set()
  #assignments = 0
  #hasAsked = false
  #sentAtMs = 0
  /** When the last request that the group answered was sent; null: it is not a member. */
  #answeredAtMs: number | null = null
  #failingAtMs: number | null = null
  #pauseMs = 0
  #left: Promise<void> | null = null
  readonly #running: Promise<void>

  constructor(options: GroupOptions) {
    this.#options = options
    this.#place = { group: `${options.topicPrefix}.${options.group}`, instance: options.instance }
    this.#topic = topicName(options.topicPrefix, sharedTopic[options.group])
    const { promise, reject } = Promise.withResolvers<never>()
    // Whoever does not watch it yet finds it later.
    promise.catch(() => undefined)
    this.failed = promise
    this.#fail = reject
    this.#running = this.#run().catch((error: unknown) => this.#fail(error))
  }

  assigned(): ReadonlySet<number> {
    return this.#assigned
  }

  generation(): number {
    return this.#assignments
  }

  async changed(since: number, signal: AbortSignal): Promise<void> {
    while (this.#assignments <= since) {
      signal.throwIfAborted()
      await this.#arrivals.next(signal)
    }
  }

  isCurrent(): boolean {
    return this.#answeredAtMs !== null && this.#options.clock.monotonic() - this.#answeredAtMs < sessionMs
  }

  leave(): Promise<void> {
    this.#left ??= this.#leave()
    return this.#left
  }

  async #leave(): Promise<void> {
    const { clock, logger } = this.#options
    this.#leaving.abort(new Error('the member leaves its group'))
    this.#answeredAtMs = null
    this.#take([])
    const late = new AbortController()
    const lateness = clock.sleep(leaveMsMax, late.signal).then(
      () =>
        logger.warn(
          { ...this.#place },
          'the group did not hear that this member left, its share waits for the session',
        ),
      () => undefined,
    )
    await Promise.race([this.#sayGoodbye().finally(() => late.abort()), lateness])
  }

  async #sayGoodbye(): Promise<void> {
    try {
      // A request to join may be under way on these connections, and others wait behind it.
      await this.#hangUp()
      // Whoever has this name otherwise is another process.
      if (!this.#hasAsked) return
      const { link, node } = await this.#connect()
      try {
        await link.send(node, leaveRequest(this.#place, this.#standing.memberId, answerMsMax))
      } finally {
        await link.close()
      }
      await this.#running
    } catch (error) {
      this.#options.logger.debug(
        { ...this.#place, reason: reasonOf(error) },
        'the group did not answer a leaving member',
      )
    }
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    const stop = this.#leaving.signal
    while (!stop.aborted) {
      try {
        await this.#step()
        this.#recovered()
        await clock.sleep(heartbeatMs, stop)
      } catch (thrown) {
        if (stop.aborted) break
        const error = this.#classify(thrown)
        if (error !== null) {
          this.#answeredAtMs = null
          await this.#hangUp()
          this.#fail(error)
          return
        }
        await this.#pause(stop)
      }
    }
    await this.#hangUp()
  }

  /** One heartbeat, and what has to come before it. */
  async #step(): Promise<void> {
    this.#seat ??= await this.#connect()
    if (!this.#isSettled) {
      await this.#join(this.#seat)
      return
    }
    this.#sentAtMs = this.#options.clock.monotonic()
    await this.#seat.link.send(this.#seat.node, heartbeatRequest(this.#place, this.#standing, answerMsMax))
    this.#answeredAtMs = this.#sentAtMs
  }

  async #connect(): Promise<Seat> {
    const link = await (this.#options.connect ?? (() => openLink(this.#options)))()
    try {
      return { link, node: await link.coordinatorOf(this.#place.group) }
    } catch (error) {
      await link.close()
      throw error
    }
  }

  async #join({ link, node }: Seat): Promise<void> {
    const place = { ...this.#place, topic: this.#topic, answerMsMax: gatheringMsMax }
    this.#hasAsked = true
    const joined = await link.send(node, joinRequest({ ...place, standing: this.#standing, sessionMs, rebalanceMs }))
    const { memberId, generation } = joined
    // Known from here on, so that it can leave; what it has is still what it was assigned before.
    this.#standing = { ...this.#standing, memberId }
    const assignment = memberId === joined.leaderId ? await this.#decide(link, joined) : new Map<string, number[]>()
    this.#sentAtMs = this.#options.clock.monotonic()
    const partitions = await link.send(node, syncRequest({ ...place, memberId, generation, assignment }))
    if (this.#leaving.signal.aborted) return
    this.#answeredAtMs = this.#sentAtMs
    this.#standing = { memberId, generation, partitions }
    this.#isSettled = true
    this.#take(partitions)
  }

  async #decide(link: GroupLink, { members }: Joined): Promise<ReadonlyMap<string, readonly number[]>> {
    const topic = sharedTopic[this.#options.group]
    const count = (await link.describe()).get(topic)?.leaders.length
    if (count === undefined) {
      throw new WaybillError('CONFIG_INVALID', { reason: 'the topic is not there', topic: this.#topic })
    }
    const names = new Map(members.map(({ memberId, subscription }) => [subscription.instance, memberId]))
    assert(names.size === members.length, 'the group knows each instance once')
    const assignment = assignPartitions(
      count,
      members.map(({ subscription }) => {
        const { instance, partitions, generation } = subscription
        return { name: instance, owned: partitions, generation }
      }),
    )
    return new Map([...assignment].map(([name, partitions]) => [names.get(name) ?? '', partitions]))
  }

  #take(partitions: readonly number[]): void {
    const before = this.#assigned
    this.#assigned = new Set(partitions)
    this.#assignments += 1
    const gained = partitions.filter((partition) => !before.has(partition)).length
    const lost = [...before].filter((partition) => !this.#assigned.has(partition)).length
    this.#options.logger.info(
      { ...this.#place, assigned: partitions.length, gained, lost },
      'partitions of the group were assigned',
    )
    this.#arrivals.announce()
  }

  /** null: the member goes on, after it has taken down what it was told. */
  #classify(thrown: unknown): unknown {
    switch (reasonOf(thrown)) {
      case 'REBALANCE_IN_PROGRESS':
        // An answer all the same: it is a member still, and others came or went.
        if (this.#isSettled) this.#answeredAtMs = this.#sentAtMs
        this.#isSettled = false
        return null
      case 'ILLEGAL_GENERATION':
        this.#isSettled = false
        return null
      case 'UNKNOWN_MEMBER_ID':
        this.#options.logger.warn({ ...this.#place }, 'the group has given up this member, it joins again')
        this.#answeredAtMs = null
        this.#isSettled = false
        this.#standing = { ...this.#standing, memberId: '' }
        return null
    }
    const error = kafkaError(thrown)
    return error instanceof WaybillError && error.code === 'LOG_UNREACHABLE' ? this.#missed(error) : error
  }

  /** Brokers are away, or the group moves to another: this member keeps its place and tries again. */
  #missed(error: WaybillError): unknown {
    const { clock, logger, patienceMs = patienceMsDefault } = this.#options
    const nowMs = clock.monotonic()
    if (this.#failingAtMs === null) {
      logger.warn({ ...this.#place, ...error.facts }, 'the group is not reachable, trying again')
    }
    this.#failingAtMs ??= nowMs
    return nowMs - this.#failingAtMs > patienceMs ? error : null
  }

  #recovered(): void {
    if (this.#failingAtMs !== null) this.#options.logger.info({ ...this.#place }, 'the group is reachable again')
    this.#failingAtMs = null
    this.#pauseMs = 0
  }

  async #pause(stop: AbortSignal): Promise<void> {
    // Leaders may have moved; the group's word needs no other connection.
    if (this.#failingAtMs !== null) await this.#hangUp()
    const pauseMs = this.#pauseMs
    this.#pauseMs = Math.min(pauseMsMax, pauseMs * 2 + 50)
    try {
      await this.#options.clock.sleep(pauseMs, stop)
    } catch (error) {
      if (!stop.aborted) throw error
    }
  }

  async #hangUp(): Promise<void> {
    const seat = this.#seat
    this.#seat = null
    await seat?.link.close()
  }
}

/**
 * Joins the group of a role; the first assignment comes later, see `changed`. Coordinators share the partitions of jobs,
 * workers and verifiers those of chunks. `failed` rejects with LOG_UNREACHABLE when brokers were away for longer than the
 * patience, with LOG_DENIED, CONFIG_INVALID (the topic is missing, or others use the group in another way), and
 * INSTANCE_TAKEN when another process joined under this one's name.
 */
export async function joinGroup(options: GroupOptions): Promise<Membership> {
  assert(options.instance !== '' && options.brokers.length > 0, 'a member needs a name and a broker')
  return new GroupMember(options)
}
