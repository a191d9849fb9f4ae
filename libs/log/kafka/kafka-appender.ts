// Appends: whatever waits while a send is under way goes out together with the next one. One send at a time keeps the
// order and makes a producer's sequence numbers simple; one send makes one batch a partition, which is never split, so
// its bytes are capped here.
import type { Kafka, Producer, TopicMessages } from 'kafkajs'
import { WaybillError } from '#libs/domain/errors'
import type { NewRecord } from '#libs/log/event-log'
import { idOf } from '#libs/log/record-rules'
import type { Clock } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'
import { topics } from '#schemas/events'
import { topicName } from './kafka-client.ts'
import { kafkaError, reasonOf } from './kafka-error.ts'

/** Brokers take 1,048,588 unless told otherwise; a single record may be larger and is then sent alone. */
const batchBytesMax = 1_000_000
/** kafkajs copies a batch's list once a record. */
const batchRecordsMax = 2000
/** Of one send to all partitions. */
const sendBytesMax = 16 * 1024 * 1024
/** What a record takes beside key and value, rounded up. */
const recordBytes = 64
/** How long the brokers may take to store a batch; below the limit of a request. */
const sendMsMax = 6000
const pauseMs = 500

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

export interface AppenderOptions {
  readonly kafka: Kafka
  readonly topicPrefix: string
  readonly logger: Logger
  readonly clock: Clock
  /** How long brokers may be away. */
  readonly patienceMs: number
  /** Nobody is patient any more. */
  readonly closing: AbortSignal
}

export class KafkaAppender {
  readonly #options: AppenderOptions
  #producer: Promise<Producer> | null = null
  #waiting: Call[] = []
  #sending: Promise<void> | null = null

  constructor(options: AppenderOptions) {
    this.#options = options
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

  /** What a broken producer has sent may be stored already, and is in the log twice then. */
  async #send(round: readonly (readonly Entry[])[]): Promise<void> {
    const { clock, patienceMs, logger, closing } = this.#options
    const startedAtMs = clock.monotonic()
    for (;;) {
      try {
        await this.#sendOnce(round)
        return
      } catch (thrown) {
        await this.#discard()
        const error = kafkaError(thrown)
        const isPassing = error instanceof WaybillError && error.code === 'LOG_UNREACHABLE'
        if (!isPassing || closing.aborted || clock.monotonic() - startedAtMs > patienceMs) throw error
        logger.warn({ ...error.facts }, 'an append failed, a new producer tries again')
      }
      await clock.sleep(pauseMs)
    }
  }

  async #sendOnce(round: readonly (readonly Entry[])[]): Promise<void> {
    this.#producer ??= this.#connect()
    const producer = await this.#producer
    const entries = round.flat()
    const topicMessages: TopicMessages[] = topics.flatMap((topic) => {
      const own = entries.filter(({ record }) => record.topic === topic)
      const messages = own.map(({ record: { key, value, partition } }) => ({ key, value, partition }))
      return own.length === 0 ? [] : [{ topic: topicName(this.#options.topicPrefix, topic), messages }]
    })
    const answers = await producer.sendBatch({ acks: -1, timeout: sendMsMax, topicMessages })
    const bases = new Map(answers.map((one) => [`${one.topicName}/${one.partition}`, Number(one.baseOffset)]))
    for (const batch of round) {
      const [first] = batch
      if (first === undefined) continue
      const { topic, partition } = first.record
      const base = bases.get(`${topicName(this.#options.topicPrefix, topic)}/${partition}`) ?? -1
      // A broker that knows a batch but not its place any more says -1; the caller then appends again.
      if (base < 0) {
        const reason = 'the broker did not say where the records are'
        throw new WaybillError('LOG_UNREACHABLE', { reason, topic, partition })
      }
      for (const [index, entry] of batch.entries()) entry.position = base + index
    }
  }

  async #connect(): Promise<Producer> {
    const producer = this.#options.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    })
    try {
      await producer.connect()
      return producer
    } catch (error) {
      // Connected and refused: its connections would keep the process.
      await this.#hangUp(producer)
      throw error
    }
  }

  /** After an error whose outcome is unknown its sequence numbers are worth nothing. */
  async #discard(): Promise<void> {
    const connecting = this.#producer
    this.#producer = null
    // Whoever waited for one that did not connect has heard why.
    const producer = await connecting?.catch(() => null)
    if (producer) await this.#hangUp(producer)
  }

  async #hangUp(producer: Producer): Promise<void> {
    try {
      await producer.disconnect()
    } catch (error) {
      this.#options.logger.debug({ reason: reasonOf(error) }, 'a producer did not end cleanly')
    }
  }
}
