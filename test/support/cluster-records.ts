// The records of a cluster's topics as bytes, and a producer that knows nothing of waybill.
import kafkajs from 'kafkajs'
import type { LogRecord } from '#libs/log/event-log'
import { openKafkaLog } from '#libs/log/kafka/kafka-log'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'

export type ForeignRecord = Pick<LogRecord, 'topic' | 'partition' | 'key' | 'value'>

/** `TOPIC/PARTITION/POSITION` */
export function placeOf({ topic, partition, position }: Pick<LogRecord, 'topic' | 'partition' | 'position'>): string {
  return `${topic}/${partition}/${position}`
}

/** All that the log holds now, copied. */
export async function readRecords(brokers: readonly string[], topicPrefix: string): Promise<readonly LogRecord[]> {
  const address = { brokers, topicPrefix, clientId: 'copier', logger: silentLogger, clock: systemClock }
  const log = await openKafkaLog(address)
  const records: LogRecord[] = []
  const stop = new AbortController()
  const open = new Map([...(await log.ends())].filter(([, end]) => end > 0))
  try {
    for await (const batch of log.read(new Map(), stop.signal)) {
      for (const record of batch) {
        const { key, value, topic, partition, position } = record
        records.push({ ...record, key: Buffer.from(key), value: value === null ? null : Buffer.from(value) })
        const id = `${topic}/${partition}`
        if (position + 1 >= (open.get(id) ?? 0)) open.delete(id)
      }
      if (open.size === 0) stop.abort()
    }
    return records
  } finally {
    await log.close()
  }
}

/** Appends by plain kafkajs, each partition's records in the order given; returns their places. */
export async function appendForeign(
  brokers: readonly string[],
  topicPrefix: string,
  records: readonly ForeignRecord[],
): Promise<readonly string[]> {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'stranger', logLevel: kafkajs.logLevel.ERROR })
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  try {
    const groups = Map.groupBy(records, ({ topic, partition }) => `${topic}/${partition}`)
    const places: string[] = []
    for (const group of groups.values()) {
      const [{ topic, partition } = { topic: 'jobs', partition: 0 }] = group
      const messages = group.map(({ key, value }) => ({ key, value, partition }))
      const [answer] = await producer.send({ topic: `${topicPrefix}.${topic}`, messages, acks: -1 })
      places.push(
        ...group.map((_, index) =>
          placeOf({ topic, partition, position: Number(answer?.baseOffset) + index } as LogRecord),
        ),
      )
    }
    return places
  } finally {
    await producer.disconnect()
  }
}

/** Sets what is named and leaves the rest of the topic's own settings as they are. */
export async function changeTopics(
  brokers: readonly string[],
  topics: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const admin = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: 'stranger',
    logLevel: kafkajs.logLevel.ERROR,
  }).admin()
  await admin.connect()
  try {
    const type = kafkajs.ConfigResourceTypes.TOPIC
    const asked = topics.map((name) => ({ type, name }))
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: asked })
    await admin.alterConfigs({
      validateOnly: false,
      // The broker replaces all settings of a topic by those it is given.
      resources: resources.map(({ resourceName, configEntries }) => {
        const own = configEntries.filter(({ isDefault, readOnly }) => !isDefault && !readOnly)
        const entries = new Map(own.map(({ configName, configValue }) => [configName, configValue]))
        for (const [name, value] of Object.entries(settings)) entries.set(name, value)
        return { type, name: resourceName, configEntries: [...entries].map(([name, value]) => ({ name, value })) }
      }),
    })
  } finally {
    await admin.disconnect()
  }
}
