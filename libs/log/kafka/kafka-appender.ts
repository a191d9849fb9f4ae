// Appends: whatever waits while a send is under way goes out together with the next one. One send at a time keeps the
// order and makes a producer's sequence numbers simple; one send makes one batch a partition, which is never split, so
// its bytes are capped here.
import type { Kafka, Producer, TopicMessages } from 'kafkajs'
import { WaybillError } from '#libs/domain/errors'
import type { NewRecord } from '#libs/log/event-log'
import { idOf } from '#libs/log/record-rules'
import type { Logger } from '#libs/runtime/logger'
import { topics } from '#schemas/events'
import { topicName } from './kafka-client.ts'
import { isFatalForProducer, kafkaError, reasonOf } from './kafka-error.ts'

/** Brokers take 1,048,588 unless told otherwise; a single record may be larger and is then sent alone. */
const batchBytesMax = 1_000_000
/** kafkajs copies a batch's list once a record. */
const batchRecordsMax = 2000
/** Of one send to all partitions. */
const sendBytesMax = 16 * 1024 * 1024
/** What a record takes beside key and value, rounded up. */
const recordBytes = 64
const sendMsMax = 10_000

interface Entry {
  readonly record: NewRecord
  position: number
}

interface Call {
  readonly entries: readonly Entry[]
  readonly resolve: (positions: readonly number[]) => void
  readonly reject: (error: unknown) => void
}

function bytesOf({ record }: Entry): number {
  return record.key.length + (record.value?.length ?? 0) + recordBytes
}

/** Batches by partition, the order kept in each, each within the limits. */
function batchesOf(entries: readonly Entry[]): readonly (readonly (readonly Entry[])[])[] {
  return [...Map.groupBy(entries, ({ record }) => idOf(record)).values()].map((list) => {
    const batches: Entry[][] = []
    let batch: Entry[] = []
    let bytes = 0
    for (const entry of list) {
      if (batch.length > 0 && (bytes + bytesOf(entry) > batchBytesMax || batch.length === batchRecordsMax)) {
        batches.push(batch)
        batch = []
        bytes = 0
      }
      batch.push(entry)
      bytes += bytesOf(entry)
    }
    return [...batches, batch]
  })
}

/** What goes out in one send after another: at most one batch a partition, and so many bytes that a request stays small. */
function roundsOf(entries: readonly Entry[]): readonly (readonly (readonly Entry[])[])[] {
  const rounds: (readonly Entry[])[][] = []
  const byPartition = batchesOf(entries)
  const longest = Math.max(0, ...byPartition.map((batches) => batches.length))
  for (let index = 0; index < longest; index += 1) {
    let round: (readonly Entry[])[] = []
    let bytes = 0
    for (const batch of byPartition.flatMap((batches) => batches.slice(index, index + 1))) {
      const size = batch.reduce((sum, entry) => sum + bytesOf(entry), 0)
      if (round.length > 0 && bytes + size > sendBytesMax) {
        rounds.push(round)
        round = []
        bytes = 0
      }
      round.push(batch)
      bytes += size
    }
    rounds.push(round)
  }
  return rounds
}

export class KafkaAppender {
  readonly #kafka: Kafka
  readonly #prefix: string
  readonly #logger: Logger
  #producer: Promise<Producer> | null = null
  #waiting: Call[] = []
  #sending: Promise<void> | null = null

  constructor(options: { readonly kafka: Kafka; readonly topicPrefix: string; readonly logger: Logger }) {
    this.#kafka = options.kafka
    this.#prefix = options.topicPrefix
    this.#logger = options.logger
  }

  /** @throws WaybillError LOG_UNREACHABLE, LOG_DENIED, CONFIG_INVALID; some of the records may be in the log then */
  append(records: readonly NewRecord[]): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const entries = records.map((record) => ({ record, position: Number.NaN }))
      this.#waiting.push({ entries, resolve, reject })
      this.#sending ??= this.#run()
    })
  }

  async close(): Promise<void> {
    await this.#sending
    await this.#discard()
  }

  async #run(): Promise<void> {
    // Calls made in the same turn go out together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const calls = this.#waiting
      this.#waiting = []
      try {
        for (const round of roundsOf(calls.flatMap(({ entries }) => entries))) await this.#send(round)
        for (const { entries, resolve } of calls) resolve(entries.map(({ position }) => position))
      } catch (error) {
        for (const { reject } of calls) reject(kafkaError(error))
      }
    }
    this.#sending = null
  }

  /** A producer that lost count is replaced and the round sent again, which at worst is in the log twice then. */
  async #send(round: readonly (readonly Entry[])[]): Promise<void> {
    try {
      await this.#sendOnce(round)
    } catch (error) {
      await this.#discard()
      if (!isFatalForProducer(error)) throw error
      this.#logger.warn({ reason: reasonOf(error) }, 'the broker forgot this producer, a new one appends')
      await this.#sendOnce(round)
    }
  }

  async #sendOnce(round: readonly (readonly Entry[])[]): Promise<void> {
    this.#producer ??= this.#connect()
    const producer = await this.#producer
    const entries = round.flat()
    const topicMessages: TopicMessages[] = topics.flatMap((topic) => {
      const own = entries.filter(({ record }) => record.topic === topic)
      const messages = own.map(({ record: { key, value, partition } }) => ({ key, value, partition }))
      return own.length === 0 ? [] : [{ topic: topicName(this.#prefix, topic), messages }]
    })
    const answers = await producer.sendBatch({ acks: -1, timeout: sendMsMax, topicMessages })
    const bases = new Map(answers.map((one) => [`${one.topicName}/${one.partition}`, Number(one.baseOffset)]))
    for (const batch of round) {
      const [first] = batch
      if (first === undefined) continue
      const { topic, partition } = first.record
      const base = bases.get(`${topicName(this.#prefix, topic)}/${partition}`) ?? -1
      // A broker that knows a batch but not its place any more says -1; the caller then appends again.
      if (base < 0) {
        const reason = 'the broker did not say where the records are'
        throw new WaybillError('LOG_UNREACHABLE', { reason, topic, partition })
      }
      for (const [index, entry] of batch.entries()) entry.position = base + index
    }
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    })
    await producer.connect()
    return producer
  }

  /** After an error whose outcome is unknown its sequence numbers are worth nothing. */
  async #discard(): Promise<void> {
    const producer = this.#producer
    this.#producer = null
    try {
      await (await producer)?.disconnect()
    } catch (error) {
      this.#logger.debug({ reason: reasonOf(error) }, 'a producer did not end cleanly')
    }
  }
}
