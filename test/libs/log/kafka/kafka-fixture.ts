// A log over topics of its own on a broker that several tests share.
import type { TestContext } from 'node:test'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { correctIdleTimer } from '#libs/log/kafka/idle-timer'
import { type KafkaLog, type KafkaLogOptions, openKafkaLog } from '#libs/log/kafka/kafka-log'
import type { PartitionCounts } from '#libs/log/record-rules'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { topics } from '#schemas/events'
import { counts } from '#test/contracts/log-fixture'
import type { KafkaCluster } from '#test/support/kafka-cluster'

let nextTopics = 0

/** A client past the adapter: what a foreign program or an operator would use. */
export function plainKafka(cluster: Pick<KafkaCluster, 'brokers'>): Kafka {
  // Its timer would keep this process awake, too.
  correctIdleTimer()
  return new Kafka({ brokers: [...cluster.brokers], clientId: 'outside', logLevel: logLevel.NOTHING })
}

export interface TopicsOptions {
  readonly partitionCounts?: PartitionCounts
  readonly settings?: Readonly<Record<string, string>>
}

/** Makes the four topics under a new prefix, which it returns, or under the given one. */
export async function makeTopics(cluster: KafkaCluster, options: TopicsOptions = {}, prefix?: string): Promise<string> {
  const { partitionCounts = counts, settings = {} } = options
  nextTopics += 1
  const name = prefix ?? `test${nextTopics}`
  const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
  const admin = plainKafka(cluster).admin()
  await admin.connect()
  await admin.createTopics({
    waitForLeaders: false,
    topics: topics.map((topic) => ({
      topic: `${name}.${topic}`,
      numPartitions: partitionCounts[topic],
      replicationFactor: 1,
      configEntries,
    })),
  })
  await untilServed(admin, name)
  await admin.disconnect()
  return name
}

/** Partitions of a new topic are served a moment after metadata says so. */
async function untilServed(admin: Admin, prefix: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const topic of topics) await admin.fetchTopicOffsets(`${prefix}.${topic}`)
      return
    } catch (error) {
      if (attempt === 600) throw error
      await systemClock.sleep(50)
    }
  }
}

/** Opens a log, which is closed after the test. */
export async function openTestLog(
  t: TestContext,
  cluster: KafkaCluster,
  topicPrefix: string,
  options: Partial<KafkaLogOptions> = {},
): Promise<KafkaLog> {
  const address = { brokers: cluster.brokers, topicPrefix, clientId: 'test', logger: silentLogger, clock: systemClock }
  const log = await openKafkaLog({ ...address, ...options })
  t.after(() => log.close())
  return log
}
