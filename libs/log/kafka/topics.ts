// Makes the topics of a log, and looks at those that are there. What is right is decided in topic-settings.ts.
import kafkajs, { type Admin } from 'kafkajs'
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import { type Topic, topics } from '#schemas/events'
import { createKafka, type KafkaAddress, topicName } from './kafka-client.ts'
import { kafkaError } from './kafka-error.ts'
import { openLink } from './kafka-link.ts'
import type { TopicState } from './protocol.ts'
import {
  planFaults,
  settingsOf,
  type TopicFacts,
  type TopicFinding,
  type TopicPlan,
  topicFindings,
} from './topic-settings.ts'

export interface TopicsOptions {
  readonly address: KafkaAddress
  readonly plan: TopicPlan
  readonly clock: Clock
}

/** Hundreds of partitions take a busy broker some seconds. */
const readyMsMax = 60_000
const lookEveryMs = 100

async function describeTopics(address: KafkaAddress): Promise<ReadonlyMap<Topic, TopicState>> {
  const link = await openLink(address)
  try {
    return await link.describe()
  } finally {
    await link.close()
  }
}

async function withAdmin<T>(address: KafkaAddress, action: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = createKafka(address).admin()
  await admin.connect()
  try {
    return await action(admin)
  } finally {
    await admin.disconnect()
  }
}

async function readFacts(address: KafkaAddress): Promise<ReadonlyMap<Topic, TopicFacts>> {
  const states = await describeTopics(address)
  const asked = [...states.values()].map(({ name }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name }))
  if (asked.length === 0) return new Map()
  const { resources } = await withAdmin(address, (admin) =>
    admin.describeConfigs({ includeSynonyms: false, resources: asked }),
  )
  const settings = new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  )
  return new Map(
    [...states].map(([topic, { name, leaders, replicas }]) => [
      topic,
      { partitions: leaders.length, replicas, settings: settings.get(name) ?? new Map<string, string>() },
    ]),
  )
}

async function createMissing({ address, plan, clock }: TopicsOptions): Promise<readonly Topic[]> {
  const there = await describeTopics(address)
  const missing = topics.filter((topic) => !there.has(topic))
  if (missing.length === 0) return missing
  await withAdmin(address, (admin) =>
    admin.createTopics({
      // Waiting throws although the topics were made.
      waitForLeaders: false,
      topics: missing.map((topic) => ({
        topic: topicName(address.topicPrefix, topic),
        numPartitions: plan.partitionCounts[topic],
        replicationFactor: plan.replicas,
        configEntries: [...settingsOf(topic, plan)].map(([name, value]) => ({ name, value })),
      })),
    }),
  )
  await untilServed(address, clock)
  return missing
}

/** Metadata names a leader before that broker serves the partition; it then answers with the partition's end. */
async function isServed(address: KafkaAddress): Promise<boolean> {
  const link = await openLink(address)
  try {
    const states = await link.describe()
    await link.offsets('latest')
    return topics.every((topic) => states.has(topic))
  } catch (thrown) {
    const error = kafkaError(thrown)
    if (error instanceof WaybillError && error.code === 'LOG_UNREACHABLE') return false
    throw error
  } finally {
    await link.close()
  }
}

async function untilServed(address: KafkaAddress, clock: Clock): Promise<void> {
  const untilMs = clock.monotonic() + readyMsMax
  while (!(await isServed(address))) {
    if (clock.monotonic() > untilMs) throw new WaybillError('LOG_UNREACHABLE', { reason: 'new topics are not served' })
    await clock.sleep(lookEveryMs)
  }
}

/** Findings of the topics that are there, none when all is as it must be. Throws LOG_UNREACHABLE, LOG_DENIED. */
export async function checkTopics({ address, plan }: TopicsOptions): Promise<readonly TopicFinding[]> {
  try {
    return topicFindings(await readFacts(address), plan)
  } catch (error) {
    throw kafkaError(error)
  }
}

/** A plan of which some numbers of partitions are not said: those that the topics have are right, then. */
export interface OpenTopicPlan extends Omit<TopicPlan, 'partitionCounts'> {
  /** Of jobs, and so of listings and rates. */
  readonly jobPartitions: number | null
  readonly chunkPartitions: number | null
}

/** As checkTopics, by a plan that leaves numbers open. Throws LOG_UNREACHABLE, LOG_DENIED. */
export async function checkFoundTopics(
  options: Omit<TopicsOptions, 'plan'> & { readonly plan: OpenTopicPlan },
): Promise<readonly TopicFinding[]> {
  const { jobPartitions, chunkPartitions, ...plan } = options.plan
  try {
    const found = await readFacts(options.address)
    const jobs = jobPartitions ?? found.get('jobs')?.partitions ?? 1
    const chunks = chunkPartitions ?? found.get('chunks')?.partitions ?? 1
    return topicFindings(found, { ...plan, partitionCounts: { jobs, listings: jobs, chunks, rates: jobs } })
  } catch (error) {
    throw kafkaError(error)
  }
}

/**
 * Makes those that are missing; what is there is never changed.
 * @returns what was made
 * @throws WaybillError CONFIG_INVALID (the plan contradicts itself), LOG_UNREACHABLE, LOG_DENIED
 */
export async function createTopics(options: TopicsOptions): Promise<readonly Topic[]> {
  const faults = planFaults(options.plan)
  if (faults.length > 0) throw new WaybillError('CONFIG_INVALID', { reason: faults.join('; ') })
  try {
    return await createMissing(options)
  } catch (error) {
    throw kafkaError(error)
  }
}
