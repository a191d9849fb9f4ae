import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TopicPlan } from '#libs/log/kafka/topic-settings'
import { checkTopics, createTopics, type TopicsOptions } from '#libs/log/kafka/topics'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { topics } from '#schemas/events'
import { recordOf } from '#test/contracts/log-fixture'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { makeTopics, openTestLog, plainKafka } from './kafka-fixture.ts'

const plan: TopicPlan = {
  partitionCounts: { jobs: 2, listings: 2, chunks: 6, rates: 2 },
  replicas: 1,
  minInsyncReplicas: 1,
}

withKafka(() => {
  let cluster: KafkaCluster
  before(async () => {
    cluster = await startKafkaCluster()
  })
  after(() => cluster.stop())

  const optionsOf = (topicPrefix: string): TopicsOptions => ({
    address: { brokers: cluster.brokers, topicPrefix, clientId: 'topics', logger: silentLogger },
    plan,
    clock: systemClock,
  })

  test('topics that are made pass their check, take a log, and are not made twice', async (t) => {
    const options = optionsOf('made')
    assert.deepEqual(
      (await checkTopics(options)).map(({ topic, setting }) => [topic, setting]),
      topics.map((topic) => [topic, 'topic']),
    )
    assert.deepEqual(await createTopics(options), topics)
    assert.deepEqual(await checkTopics(options), [])
    const log = await openTestLog(t, cluster, 'made')
    assert.deepEqual(await log.partitionCounts(), plan.partitionCounts)
    // A value of 1 MiB is the largest that any log takes.
    const [position] = await log.append([recordOf(1, { topic: 'chunks', bytes: 1024 * 1024 - 100 })])
    assert.equal((await log.readAt('chunks', 0, position ?? -1))?.key.toString(), 'key 1')
    assert.deepEqual(await createTopics(options), [])
  })

  test('topics of someone else are named with what is unsafe about them, and left as they are', async () => {
    const prefix = await makeTopics(cluster, { settings: { 'cleanup.policy': 'delete' } })
    const findings = await checkTopics(optionsOf(prefix))
    const refused = findings.filter(({ weight }) => weight === 'refused')
    assert.deepEqual(
      new Set(refused.map(({ topic, setting }) => `${topic} ${setting}`)),
      new Set([
        ...topics.map((topic) => `${topic} cleanup.policy`),
        ...['listings', 'chunks', 'rates'].map((topic) => `${topic} partitions`),
      ]),
    )
    assert.deepEqual(await createTopics(optionsOf(prefix)), [])
    assert.deepEqual(await checkTopics(optionsOf(prefix)), findings)
  })

  test('what a foreign producer packs the broker stores unpacked, so that no codec is missing to read it', async (t) => {
    await createTopics(optionsOf('packed'))
    const log = await openTestLog(t, cluster, 'packed')
    const producer = plainKafka(cluster).producer({ allowAutoTopicCreation: false })
    await producer.connect()
    const gzip = 1
    const messages = Array.from({ length: 20 }, (_, index) => ({
      key: `k${index}`,
      value: 'x'.repeat(500),
      partition: 0,
    }))
    await producer.send({ topic: 'packed.jobs', messages, compression: gzip })
    await producer.disconnect()
    assert.equal((await log.readAt('jobs', 0, 19))?.value?.toString(), 'x'.repeat(500))
    const folder = join(cluster.logFolder, 'packed.jobs-0')
    const segment = readdirSync(folder).find((name) => name.endsWith('.log')) ?? assert.fail(`no segment in ${folder}`)
    assert.ok(readFileSync(join(folder, segment)).includes('x'.repeat(500)))
  })
})
