// What a member makes of a group that behaves in ways a real broker is hard to bring to, on a clock of the test.
import assert from 'node:assert/strict'
import test from 'node:test'
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js'
import { codeOf } from '#libs/domain/errors'
import type { Joined } from '#libs/log/kafka/group-protocol'
import type { GroupLink } from '#libs/log/kafka/kafka-link'
import { joinGroup } from '#libs/log/kafka/membership'
import type { TopicState } from '#libs/log/kafka/protocol'
import type { Membership } from '#libs/log/membership'
import { type Logger, silentLogger } from '#libs/runtime/logger'
import { createVirtualClock, type VirtualClock } from '#test/support/virtual-clock'

/** Numbers of Kafka's errors. */
const code = { loading: 14, notAvailable: 15, moved: 16, illegalGeneration: 22, unknownMember: 25, rebalance: 27 }

type Word = 'coordinator' | 'join' | 'sync' | 'heartbeat' | 'leave'

/** A group of one broker that says what a test wants; what was asked is kept in order. */
class ScriptedGroup {
  readonly asked: Word[] = []
  readonly clock: VirtualClock
  /** What goes wrong next, by request. */
  readonly faults = new Map<Word, Error[]>()
  partitions: readonly number[] = [0, 1]
  generation = 0
  /** How long the next request to join is answered. */
  joinMs = 0
  isSilent = false
  opened = 0
  closed = 0

  constructor(clock: VirtualClock) {
    this.clock = clock
  }

  fails(word: Word, ...codes: readonly number[]): void {
    this.faults.set(word, codes.map(createErrorFromCode))
  }

  async answer(word: Word): Promise<unknown> {
    this.asked.push(word)
    const fault = this.faults.get(word)?.shift()
    if (fault !== undefined) throw fault
    if (word === 'sync') return this.partitions
    if (word !== 'join') return true
    await this.clock.sleep(this.joinMs)
    this.generation += 1
    const joined: Joined = { generation: this.generation, memberId: 'me', leaderId: 'other', members: [] }
    return joined
  }

  readonly connect = async (): Promise<GroupLink> => {
    if (this.isSilent) await new Promise(() => undefined)
    this.opened += 1
    return {
      describe: async () => new Map<'chunks', TopicState>(),
      coordinatorOf: async () => {
        await this.answer('coordinator')
        return 1
      },
      send: async (_, { request }) => (await this.answer(wordOf(request.apiName))) as never,
      close: async () => {
        this.closed += 1
      },
    }
  }
}

function wordOf(name: string): Word {
  const word = (['coordinator', 'join', 'sync', 'heartbeat', 'leave'] as const).find((one) => one === name)
  return word ?? assert.fail(`${name} is no request of a group`)
}

interface Scene {
  readonly clock: VirtualClock
  readonly group: ScriptedGroup
  readonly membership: Membership
}

interface SceneOptions {
  readonly logger?: Logger
  /** Faults of the first request to find the group's keeper. */
  readonly coordinatorFaults?: readonly number[]
}

async function openScene({ logger = silentLogger, coordinatorFaults = [] }: SceneOptions = {}): Promise<Scene> {
  const clock = createVirtualClock()
  const group = new ScriptedGroup(clock)
  group.fails('coordinator', ...coordinatorFaults)
  const address = { brokers: ['scripted:1'], topicPrefix: 'test', clientId: 'test', logger }
  const options = {
    ...address,
    clock,
    group: 'worker',
    instance: 'one',
    patienceMs: 60_000,
    connect: group.connect,
  } as const
  return { clock, group, membership: await joinGroup(options) }
}

test('heartbeats go on every 2.5 s over one connection, and the member stays current', async () => {
  const { clock, group, membership } = await openScene()
  await clock.advance(20_000)
  assert.deepEqual(group.asked.slice(0, 4), ['coordinator', 'join', 'sync', 'heartbeat'])
  assert.equal(group.asked.filter((word) => word === 'heartbeat').length, 8)
  assert.deepEqual([group.opened, membership.generation(), membership.isCurrent()], [1, 1, true])
  assert.deepEqual([...membership.assigned()], [0, 1])
})

test('a group whose keeper is not there yet is asked again, over new connections', async () => {
  const coordinatorFaults = [code.notAvailable, code.loading, code.notAvailable]
  const { clock, group, membership } = await openScene({ coordinatorFaults })
  await clock.run(membership.changed(0, new AbortController().signal), 10_000)
  assert.deepEqual(group.asked, ['coordinator', 'coordinator', 'coordinator', 'coordinator', 'join', 'sync'])
  assert.equal(group.opened - group.closed, 1)
})

test('a keeper that moves costs a connection and no assignment', async () => {
  const { clock, group, membership } = await openScene()
  await clock.advance(3000)
  group.fails('heartbeat', code.moved, code.loading)
  await clock.advance(6000)
  assert.deepEqual([group.opened, group.generation, membership.generation(), membership.isCurrent()], [3, 1, 1, true])
})

test('when others come or go the member joins again at once, and keeps what it has until it is told', async () => {
  const { clock, group, membership } = await openScene()
  await clock.advance(3000)
  group.fails('heartbeat', code.rebalance)
  group.joinMs = 4000
  group.partitions = [1, 2]
  await clock.advance(2000)
  assert.equal(group.asked.at(-1), 'join')
  assert.deepEqual([[...membership.assigned()], membership.isCurrent()], [[0, 1], true])
  await clock.advance(4000)
  assert.deepEqual([[...membership.assigned()], membership.generation()], [[1, 2], 2])
})

test('a member that was given up is not current, joins again, and ends nothing', async () => {
  const { clock, group, membership } = await openScene()
  await clock.advance(3000)
  group.fails('heartbeat', code.unknownMember)
  group.joinMs = 1000
  await clock.advance(2500)
  assert.equal(membership.isCurrent(), false)
  await clock.advance(1000)
  assert.deepEqual([membership.isCurrent(), membership.generation()], [true, 2])
})

test('a group that changes again and again while it gathers is followed with pauses', async () => {
  const { clock, group, membership } = await openScene()
  group.fails('sync', ...Array.from({ length: 30 }, () => code.rebalance))
  await clock.advance(5000)
  const joins = group.asked.filter((word) => word === 'join').length
  assert.ok(joins >= 5 && joins <= 15, `${joins} requests to join in 5 s`)
  await clock.advance(30_000)
  assert.deepEqual([membership.isCurrent(), membership.generation()], [true, 1])
})

test('a group that is away: not current after the session, said once, and the end after the patience', async () => {
  const said: string[] = []
  const { clock, group, membership } = await openScene({
    logger: { ...silentLogger, warn: (_, text) => said.push(text) },
  })
  await clock.advance(3000)
  group.fails('heartbeat', code.moved)
  group.fails('coordinator', ...Array.from({ length: 500 }, () => code.notAvailable))
  await clock.advance(9000)
  assert.equal(membership.isCurrent(), true)
  await clock.advance(1000)
  assert.deepEqual([membership.isCurrent(), [...membership.assigned()]], [false, [0, 1]])
  const failing = assert.rejects(membership.failed, (error) => codeOf(error) === 'LOG_UNREACHABLE')
  await clock.run(failing, 60_000)
  assert.ok(clock.monotonic() > 60_000 && clock.monotonic() < 70_000, `${clock.monotonic()} ms`)
  assert.deepEqual(said, ['the group is not reachable, trying again'])
  assert.equal(group.opened, group.closed)
})

test('rights that are refused and mistakes of the program end the membership at once', async () => {
  for (const [fault, isExpected] of [
    [createErrorFromCode(30), (error: unknown) => codeOf(error) === 'LOG_DENIED'],
    [createErrorFromCode(23), (error: unknown) => codeOf(error) === 'CONFIG_INVALID'],
    [createErrorFromCode(82), (error: unknown) => codeOf(error) === 'INSTANCE_TAKEN'],
    [new TypeError('a mistake'), (error: unknown) => error instanceof TypeError],
  ] as const) {
    const { clock, group, membership } = await openScene()
    await clock.advance(1000)
    group.faults.set('heartbeat', [fault])
    const failing = assert.rejects(membership.failed, isExpected)
    await clock.run(failing, 3000)
    assert.deepEqual([membership.isCurrent(), group.opened - group.closed], [false, 0])
  }
})

test('a member leaves also while it waits for the group to gather, and is told nothing after that', async () => {
  const { clock, group, membership } = await openScene()
  group.joinMs = 15_000
  await clock.advance(1000)
  assert.equal(group.asked.at(-1), 'join')
  const leaving = membership.leave()
  assert.equal(membership.leave(), leaving)
  await clock.run(leaving, 3000)
  assert.equal(group.asked.at(-1), 'leave')
  const { length } = group.asked
  await clock.advance(60_000)
  assert.equal(group.asked.slice(length).filter((word) => word !== 'sync').length, 0)
  assert.deepEqual([[...membership.assigned()], membership.isCurrent()], [[], false])
})

test('a member that never asked to join says nothing to the group when it leaves: its name may be that of another', async () => {
  const { clock, group, membership } = await openScene({ coordinatorFaults: Array(5).fill(code.notAvailable) })
  await clock.advance(500)
  await clock.run(membership.leave(), 3000)
  assert.deepEqual(new Set(group.asked), new Set(['coordinator']))
})

test('a group that does not answer a leaving member holds it up for 2.5 s at most', async () => {
  const { clock, group, membership } = await openScene()
  await clock.advance(1000)
  group.isSilent = true
  const sinceMs = clock.monotonic()
  await clock.run(membership.leave(), 10_000)
  assert.ok(clock.monotonic() - sinceMs <= 2500)
})
