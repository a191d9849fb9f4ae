// What a share of the partitions promises, over a real broker: members are processes that are killed and stopped.
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { codeOf } from '#libs/domain/errors'
import { type GroupOptions, joinGroup } from '#libs/log/kafka/membership'
import type { Membership } from '#libs/log/membership'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { makeTopics, plainKafka } from './kafka-fixture.ts'
import { type MemberProcess, startMember, untilShared } from './member-processes.ts'

const partitions = 256
const partitionCounts = { jobs: 4, listings: 4, chunks: partitions, rates: 4 }
const few = 16
const fewCounts = { ...partitionCounts, chunks: few }

function assertOnlyGained(member: MemberProcess, before: readonly number[]): void {
  const now = new Set(member.assigned())
  assert.deepEqual(
    before.filter((partition) => !now.has(partition)),
    [],
    `${member.instance} lost partitions that nobody had to give up`,
  )
}

async function untilCurrent({ lines }: MemberProcess): Promise<void> {
  while (lines.findLast((line) => line.type === 'current')?.isCurrent !== true) await systemClock.sleep(20)
}

withKafka(() => {
  let cluster: KafkaCluster
  before(async () => {
    cluster = await startKafkaCluster()
  })
  after(() => cluster.stop())

  const join = async (
    t: TestContext,
    topicPrefix: string,
    changes: Partial<GroupOptions> = {},
  ): Promise<Membership> => {
    const own = { brokers: cluster.brokers, topicPrefix, clientId: 'test', group: 'worker', instance: 'one' } as const
    const membership = await joinGroup({ ...own, logger: silentLogger, clock: systemClock, ...changes })
    t.after(() => membership.leave())
    return membership
  }

  const startMembers = async (t: TestContext, topicPrefix: string): Promise<readonly MemberProcess[]> => {
    const members = ['a', 'b', 'c'].map((instance) =>
      startMember(t, { brokers: cluster.brokers, topicPrefix, instance }),
    )
    await untilShared(members, partitions)
    return members
  }

  // First, because a killed broker looks through the partitions of all tests before it.
  test('a broker that is away: members wait for it, keep their shares when it is back, and are not current meanwhile', async (t) => {
    const prefix = await makeTopics(cluster, { partitionCounts: fewCounts })
    const members = [await join(t, prefix), await join(t, prefix, { instance: 'two' })] as const
    const untilHalves = async (): Promise<void> => {
      while (members.some((member) => member.assigned().size !== 8)) await systemClock.sleep(20)
    }
    await untilHalves()
    const before = members.map((member) => [...member.assigned()])
    await cluster.kill()
    const late = await join(t, prefix, { instance: 'late', group: 'verifier' })
    const hasty = await join(t, prefix, { instance: 'hasty', group: 'verifier', patienceMs: 2000 })
    await assert.rejects(hasty.failed, (error) => codeOf(error) === 'LOG_UNREACHABLE')
    await systemClock.sleep(9000)
    assert.deepEqual(
      members.map((member) => member.isCurrent()),
      [false, false],
    )
    await cluster.start()
    while (members.some((member) => !member.isCurrent())) await systemClock.sleep(20)
    await untilHalves()
    assert.deepEqual(
      members.map((member) => [...member.assigned()]),
      before,
    )
    await late.changed(0, new AbortController().signal)
    assert.equal(late.assigned().size, few)
  })

  describe('members as processes', { concurrency: true }, () => {
    test('a killed member: others have its share within 13 s, and nothing else moves', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts })
      const [a, b, c] = await startMembers(t, prefix)
      assert(a !== undefined && b !== undefined && c !== undefined)
      const [shareOfA, shareOfB] = [a.assigned() ?? [], b.assigned() ?? []]
      c.kill('SIGKILL')
      const killedAtMs = systemClock.monotonic()
      await untilShared([a, b], partitions)
      const tookMs = systemClock.monotonic() - killedAtMs
      assert.ok(tookMs > 5000, `${tookMs} ms`)
      t.diagnostic(`taken over after ${Math.round(tookMs)} ms`)
      assert.ok(tookMs <= 13_000, `${tookMs} ms`)
      assertOnlyGained(a, shareOfA)
      assertOnlyGained(b, shareOfB)
    })

    test('a member that slept for 15 s knows that it is not current before it is told, and gets a share again', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts })
      const [a, b, c] = await startMembers(t, prefix)
      assert(a !== undefined && b !== undefined && c !== undefined)
      await untilCurrent(c)
      const saidBefore = c.lines.length
      c.kill('SIGSTOP')
      await systemClock.sleep(15_000)
      assert.equal((a.assigned()?.length ?? 0) + (b.assigned()?.length ?? 0), partitions)
      c.kill('SIGCONT')
      await untilShared([a, b, c], partitions)
      const said = c.lines.slice(saidBefore)
      assert.equal(said[0]?.type, 'current')
      assert.deepEqual(said[0], { type: 'current', isCurrent: false, generation: said[0].generation })
      assert.ok([85, 86].includes(c.assigned()?.length ?? 0))
      await untilCurrent(c)
    })

    test('a member that is killed and started again within the session has its share back, and no other sees a change', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts })
      const [a, b, c] = await startMembers(t, prefix)
      assert(a !== undefined && b !== undefined && c !== undefined)
      const saidBefore = [a, b].map(({ lines }) => lines.filter(({ type }) => type === 'assigned').length)
      c.kill('SIGKILL')
      await c.ended
      const again = startMember(t, { brokers: cluster.brokers, topicPrefix: prefix, instance: 'c' })
      await untilCurrent(again)
      assert.deepEqual(again.assigned(), c.assigned())
      await systemClock.sleep(12_000)
      const saidAfter = [a, b].map(({ lines }) => lines.filter(({ type }) => type === 'assigned').length)
      assert.deepEqual(saidAfter, saidBefore)
    })

    test('all members killed at once and started again have the shares that they had, without waiting for a session', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts })
      const members = await startMembers(t, prefix)
      for (const member of members) member.kill('SIGKILL')
      await Promise.all(members.map(({ ended }) => ended))
      const again = await startMembers(t, prefix)
      assert.deepEqual(
        again.map((member) => member.assigned()),
        members.map((member) => member.assigned()),
      )
    })
  })

  describe('members of this process', { concurrency: true }, () => {
    const never = new AbortController().signal

    test('a member that leaves: the other has its share within 3 s', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts: fewCounts })
      const first = await join(t, prefix)
      await first.changed(0, never)
      assert.equal(first.assigned().size, few)
      const second = await join(t, prefix, { instance: 'two' })
      await first.changed(1, never)
      await second.changed(0, never)
      assert.deepEqual([first.assigned().size, second.assigned().size], [8, 8])
      assert.deepEqual([first.isCurrent(), second.isCurrent()], [true, true])
      const atMs = systemClock.monotonic()
      await second.leave()
      const leftMs = systemClock.monotonic() - atMs
      assert.deepEqual([second.assigned().size, second.isCurrent()], [0, false])
      await first.changed(2, never)
      const tookMs = systemClock.monotonic() - atMs
      assert.equal(first.assigned().size, few)
      t.diagnostic(`left in ${Math.round(leftMs)} ms, taken over after ${Math.round(tookMs)} ms`)
      assert.ok(leftMs < 1000 && tookMs < 3000, `${leftMs} and ${tookMs} ms`)
    })

    test('a second process under one name takes the place of the first, which fails and says why', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts: fewCounts })
      const first = await join(t, prefix)
      await first.changed(0, never)
      const second = await join(t, prefix)
      await assert.rejects(first.failed, (error) => codeOf(error) === 'INSTANCE_TAKEN')
      await second.changed(0, never)
      assert.equal(second.assigned().size, few)
      await first.leave()
      await systemClock.sleep(3000)
      assert.deepEqual([first.isCurrent(), second.isCurrent(), second.generation()], [false, true, 1])
    })

    test('coordinators share jobs and verifiers chunks, each role by itself', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts: fewCounts })
      const coordinator = await join(t, prefix, { group: 'coordinator' })
      const verifier = await join(t, prefix, { group: 'verifier' })
      await Promise.all([coordinator.changed(0, never), verifier.changed(0, never)])
      assert.deepEqual([coordinator.assigned().size, verifier.assigned().size], [4, few])
    })

    test('a group that consumers of another kind use is refused as a matter of configuration', async (t) => {
      const prefix = await makeTopics(cluster, { partitionCounts: fewCounts })
      const consumer = plainKafka(cluster).consumer({ groupId: `${prefix}.worker` })
      t.after(() => consumer.disconnect())
      await consumer.subscribe({ topic: `${prefix}.chunks` })
      const hasJoined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
      await consumer.run({ eachBatch: async () => undefined })
      await hasJoined
      const membership = await join(t, prefix)
      await assert.rejects(membership.failed, (error) => codeOf(error) === 'CONFIG_INVALID')
    })

    test('without the topic a membership fails as a matter of configuration', async (t) => {
      const membership = await join(t, 'nowhere')
      await assert.rejects(membership.failed, (error) => codeOf(error) === 'CONFIG_INVALID')
    })
  })
})
