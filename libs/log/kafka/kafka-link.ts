// Connections to the brokers, with the requests that kafkajs does not offer or that its consumer keeps to itself.
//
// A reader here has positions of its own and reads every partition, which kafkajs can only do as the single member of a
// group: with a group's rights, heartbeats, rebalances, positions that a group forgets, and no way to read one record. So
// kafkajs gives connections, TLS, authentication and the list of brokers, and the requests are our own.
import Cluster, { type Broker, type Connection, type Protocol } from 'kafkajs/src/cluster/index.js'
import { WaybillError } from '#libs/domain/errors'
import { type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import type { Topic } from '#schemas/events'
import { coordinatorRequest } from './group-protocol.ts'
import { connectionSettings, createKafka, type KafkaAddress, topicName, topicsByName } from './kafka-client.ts'
import {
  apiVersions,
  assertOk,
  type FetchedPartition,
  type FetchOptions,
  fetchRequest,
  metadataRequest,
  offsetsRequest,
  type TopicState,
} from './protocol.ts'

const notLeader = 6

export interface Cursor {
  readonly topic: Topic
  readonly partition: number
  readonly id: PartitionId
  /** Next position to ask for. */
  position: number
}

export interface FetchLimits {
  readonly waitMsMax: number
  readonly bytesMax: number
  readonly partitionBytesMax: number
}

/** Throws what kafkajs throws; its users classify. */
export interface GroupLink {
  /** Ids, leaders and replicas of our topics, asked anew. Topics that are not there are absent. */
  describe(): Promise<ReadonlyMap<Topic, TopicState>>
  /** The node that keeps a group. */
  coordinatorOf(group: string): Promise<number>
  send<Answer>(node: number, protocol: Protocol<Answer>): Promise<Answer>
  /** Ends at once; requests under way fail. */
  close(): Promise<void>
}

/** Throws what kafkajs throws; its users classify. */
export interface KafkaLink {
  /** Ids, leaders and replicas of our topics, asked anew. Topics that are not there are absent. */
  describe(): Promise<ReadonlyMap<Topic, TopicState>>
  /** The node that leads a partition, by the last `describe`. */
  leaderOf(topic: Topic, partition: number): number
  /** First positions there are, or the next ones, of all partitions. */
  offsets(which: 'earliest' | 'latest'): Promise<Positions>
  /** From one node, in the order of the cursors. */
  fetch(node: number, cursors: readonly Cursor[], limits: FetchLimits): Promise<readonly FetchedPartition[]>
  /** Ends at once; requests under way fail. */
  close(): Promise<void>
}

/** Brokers before Kafka 2.8 have no topic ids. */
function assertSpeaks(broker: Broker): void {
  for (const { key, version } of Object.values(apiVersions)) {
    const { minVersion = 0, maxVersion = -1 } = broker.versions?.[key] ?? {}
    if (version < minVersion || version > maxVersion) {
      throw new WaybillError('CONFIG_INVALID', { reason: 'the brokers must be Kafka 2.8 or newer', api: key, version })
    }
  }
}

/** Cursors as requests name them: neighbours of one topic together, the order kept. */
function byTopic(prefix: string, cursors: readonly Cursor[]): FetchOptions['topics'] {
  const groups: { name: string; partitions: { partition: number; position: number }[] }[] = []
  for (const { topic, partition, position } of cursors) {
    const name = topicName(prefix, topic)
    const last = groups.at(-1)
    if (last?.name === name) last.partitions.push({ partition, position })
    else groups.push({ name, partitions: [{ partition, position }] })
  }
  return groups
}

class ClusterLink implements KafkaLink, GroupLink {
  readonly #cluster: Cluster
  readonly #prefix: string
  readonly #names: ReadonlyMap<string, Topic>
  readonly #openings = new Map<Connection, Promise<unknown>>()
  #topics: ReadonlyMap<Topic, TopicState> = new Map()

  constructor(cluster: Cluster, prefix: string) {
    this.#cluster = cluster
    this.#prefix = prefix
    this.#names = topicsByName(prefix)
  }

  async describe(): Promise<ReadonlyMap<Topic, TopicState>> {
    const broker = await this.#cluster.brokerPool.findConnectedBroker()
    assertSpeaks(broker)
    const states = await broker.connectionPool.send(metadataRequest([...this.#names.keys()]))
    this.#topics = new Map(
      states.flatMap((state) => {
        const topic = this.#names.get(state.name)
        return topic === undefined ? [] : [[topic, state] as const]
      }),
    )
    return this.#topics
  }

  leaderOf(topic: Topic, partition: number): number {
    const leader = this.#topics.get(topic)?.leaders[partition] ?? -1
    if (leader === -1) assertOk(notLeader)
    return leader
  }

  async offsets(which: 'earliest' | 'latest'): Promise<Positions> {
    const places = [...this.#topics].flatMap(([topic, { name, leaders }]) =>
      leaders.map((_, partition) => ({ name, partition, node: this.leaderOf(topic, partition) })),
    )
    const answers = await Promise.all(
      [...Map.groupBy(places, ({ node }) => node)].map(([node, led]) => {
        const byName = [...Map.groupBy(led, ({ name }) => name)]
        const asked = byName.map(([name, list]) => ({ name, partitions: list.map(({ partition }) => partition) }))
        return this.send(node, offsetsRequest(which, asked))
      }),
    )
    const found = new Map<PartitionId, number>()
    for (const { name, partitions } of answers.flat()) {
      const topic = this.#names.get(name)
      if (topic === undefined) continue
      for (const { partition, position } of partitions) found.set(partitionId(topic, partition), position)
    }
    return found
  }

  fetch(node: number, cursors: readonly Cursor[], limits: FetchLimits): Promise<readonly FetchedPartition[]> {
    return this.send(node, fetchRequest({ ...limits, topics: byTopic(this.#prefix, cursors) }))
  }

  async close(): Promise<void> {
    const { seedBroker, brokers } = this.#cluster.brokerPool
    // kafkajs waits for answers before it hangs up, and a waiting fetch takes its time.
    const closed = new WaybillError('LOG_UNREACHABLE', { reason: 'the connections were closed' })
    for (const { connectionPool } of [...(seedBroker ? [seedBroker] : []), ...Object.values(brokers)]) {
      for (const connection of connectionPool.pool) connection.rejectRequests(closed)
    }
    await this.#cluster.disconnect()
  }

  async coordinatorOf(group: string): Promise<number> {
    const broker = await this.#cluster.brokerPool.findConnectedBroker()
    return broker.connectionPool.send(coordinatorRequest(group))
  }

  async send<Answer>(node: number, protocol: Protocol<Answer>): Promise<Answer> {
    const { connectionPool } = await this.#cluster.findBroker({ nodeId: node })
    await this.#open(connectionPool.pool[protocol.request.apiKey === apiVersions.fetch.key ? 1 : 0])
    return connectionPool.send(protocol)
  }

  /**
   * kafkajs keeps fetches on a connection of their own. It opens one for each request that finds none, and forgets all but
   * the last: those that it forgot would stay, and keep the process.
   */
  async #open(connection: Connection | undefined): Promise<void> {
    if (connection === undefined || connection.isConnected()) return
    const opening =
      this.#openings.get(connection) ?? connection.connect().finally(() => this.#openings.delete(connection))
    this.#openings.set(connection, opening)
    await opening
  }
}

/** Connects and describes the topics. Throws what kafkajs throws, and CONFIG_INVALID for brokers that are too old. */
export async function openLink(address: KafkaAddress): Promise<KafkaLink & GroupLink> {
  const cluster = new Cluster({
    ...connectionSettings(address),
    logger: createKafka(address).logger(),
    ssl: address.ssl,
    sasl: address.sasl,
    metadataMaxAge: 300_000,
    // Whoever uses a link opens another when it fails.
    retry: { retries: 0 },
    allowAutoTopicCreation: false,
  })
  const link = new ClusterLink(cluster, address.topicPrefix)
  try {
    await cluster.connect()
    const found = await link.describe()
    // This tells kafkajs the addresses of all brokers; it throws for topics that are not there, which whoever looks at the
    // description says better.
    await cluster.addMultipleTargetTopics([...found.values()].map(({ name }) => name))
  } catch (error) {
    await link.close()
    throw error
  }
  return link
}
