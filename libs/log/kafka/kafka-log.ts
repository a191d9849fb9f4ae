// The event log over Kafka: four topics, one partition of a topic is one partition of the log, an offset is a position.
//
// * Appends are acknowledged by all replicas in sync (acks=all). A producer that is not sure of itself is replaced.
// * Readers have own positions and connections; see kafka-link.ts. They ride out brokers that are away for a while.
// * A topic that was deleted and made again is damage: its id is remembered, and may be given by whoever kept it.
import { strict as assert } from 'node:assert'
import { WaybillError } from '#libs/domain/errors'
import { type EventLog, type LogRecord, type NewRecord, type Positions, partitionId } from '#libs/log/event-log'
import { assertFits, type PartitionCounts } from '#libs/log/record-rules'
import type { Clock } from '#libs/runtime/clock'
import { type Topic, topics } from '#schemas/events'
import { KafkaAppender } from './kafka-appender.ts'
import { createKafka, type KafkaAddress, topicsByName } from './kafka-client.ts'
import { kafkaError } from './kafka-error.ts'
import { type KafkaLink, openLink } from './kafka-link.ts'
import { KafkaReader } from './kafka-reader.ts'
import { assertOk } from './protocol.ts'
import { decodeBatches } from './record-batch.ts'
import { type TopicIds, TopicTable } from './topic-table.ts'

/** A broker that restarts or a network that is repaired should not end a process. */
const patienceMsDefault = 120_000
/** So often questions to the log make sure that the topics are still the same. */
const checkEveryMs = 10_000
/** A whole batch is sent all the same. */
const single = { waitMsMax: 0, bytesMax: 1, partitionBytesMax: 1 }
const offsetOutOfRange = 1
/** A question is tried again after pauses, each twice the one before, until it has taken so long. */
const firstPauseMs = 50
const questionMsMax = 2000

export interface KafkaLogOptions extends KafkaAddress {
  readonly clock: Clock
  /** CONFIG_INVALID when the topics have other numbers of partitions. Absent: as they are. */
  readonly partitionCounts?: PartitionCounts
  /** Ids that these topics had when their records were folded; LOG_DAMAGED when they are others now. */
  readonly topicIds?: TopicIds
  /** How long appends and readings wait for brokers that are away, before LOG_UNREACHABLE; default 120 s. */
  readonly patienceMs?: number
}

export interface KafkaLog extends EventLog {
  /** Of the topics that this log reads; to be kept beside positions. */
  readonly topicIds: TopicIds
}

class BrokerLog implements KafkaLog {
  readonly #options: KafkaLogOptions
  readonly #table: TopicTable
  readonly #appender: KafkaAppender
  readonly #closing = new AbortController()
  /** Connections that are being closed. */
  readonly #ending = new Set<Promise<void>>()
  /** For questions: not those of a reading, where an answer may wait for records to come. */
  #link: Promise<KafkaLink> | null
  #checkedAtMs: number

  constructor(options: KafkaLogOptions, table: TopicTable, link: KafkaLink) {
    this.#options = options
    this.#table = table
    this.#link = Promise.resolve(link)
    this.#checkedAtMs = options.clock.monotonic()
    const { topicPrefix, logger, clock, patienceMs = patienceMsDefault } = options
    const closing = this.#closing.signal
    this.#appender = new KafkaAppender({ kafka: createKafka(options), topicPrefix, logger, clock, patienceMs, closing })
  }

  get topicIds(): TopicIds {
    return this.#table.ids
  }

  async partitionCounts(): Promise<PartitionCounts> {
    return this.#table.counts
  }

  async append(records: readonly NewRecord[]): Promise<readonly number[]> {
    this.#closing.signal.throwIfAborted()
    for (const record of records) assertFits(record, this.#table.counts)
    return records.length === 0 ? [] : this.#appender.append(records)
  }

  async *read(from: Positions, signal: AbortSignal): AsyncGenerator<readonly LogRecord[], void, undefined> {
    const { clock, logger, topicPrefix, patienceMs = patienceMsDefault } = this.#options
    const stop = AbortSignal.any([signal, this.#closing.signal])
    const reader = new KafkaReader(from, {
      connect: () => this.#connect(),
      check: (link) => this.#check(link),
      partitions: this.#table.partitions(),
      topicsByName: topicsByName(topicPrefix),
      clock,
      logger,
      patienceMs,
    })
    try {
      while (!stop.aborted) {
        for (const batch of await reader.next(stop)) {
          if (stop.aborted) return
          yield batch
        }
      }
    } finally {
      this.#end(reader.close())
    }
  }

  ends(): Promise<Positions> {
    return this.#askLog(async (link) => {
      const found = await link.offsets('latest')
      const ids = this.#table.partitions().map(({ topic, partition }) => partitionId(topic, partition))
      return new Map(ids.map((id) => [id, found.get(id) ?? 0]))
    })
  }

  readAt(topic: Topic, partition: number, position: number): Promise<LogRecord | null> {
    const id = partitionId(topic, partition)
    return this.#askLog(async (link) => {
      const cursor = { topic, partition, id, position }
      const [answer] = await link.fetch(link.leaderOf(topic, partition), [cursor], single)
      if (answer === undefined || answer.errorCode === offsetOutOfRange) return null
      assertOk(answer.errorCode)
      const records: LogRecord[] = []
      decodeBatches(answer.batches, { topic, partition, from: position }, records)
      const record = records.find((one) => one.position === position)
      // A copy: a view would keep its whole batch in memory.
      return record === undefined
        ? null
        : { ...record, key: Buffer.from(record.key), value: record.value && Buffer.from(record.value) }
    })
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the log is closed'))
    await this.#appender.close()
    await this.#dropLink(this.#link)
    await Promise.all(this.#ending)
  }

  /** Connections may have broken while nobody asked, and a partition may be between two leaders: asks a few times. */
  async #askLog<T>(question: (link: KafkaLink) => Promise<T>): Promise<T> {
    const { clock } = this.#options
    const sinceMs = clock.monotonic()
    for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
      this.#closing.signal.throwIfAborted()
      this.#link ??= this.#connect()
      const asked = this.#link
      try {
        return await this.#askOnce(await asked, question)
      } catch (thrown) {
        await this.#dropLink(asked)
        const error = kafkaError(thrown)
        const isPassing = error instanceof WaybillError && error.code === 'LOG_UNREACHABLE'
        if (!isPassing || clock.monotonic() - sinceMs > questionMsMax) throw error
      }
      await clock.sleep(pauseMs, this.#closing.signal)
    }
  }

  async #askOnce<T>(link: KafkaLink, question: (link: KafkaLink) => Promise<T>): Promise<T> {
    const nowMs = this.#options.clock.monotonic()
    if (nowMs - this.#checkedAtMs > checkEveryMs) {
      this.#checkedAtMs = nowMs
      await this.#check(link)
    }
    return question(link)
  }

  async #connect(): Promise<KafkaLink> {
    const link = await openLink(this.#options)
    try {
      await this.#check(link)
    } catch (error) {
      await link.close()
      throw error
    }
    return link
  }

  async #check(link: KafkaLink): Promise<void> {
    const found = await link.describe()
    const gone = topics.find((topic) => !found.has(topic))
    if (gone !== undefined) throw new WaybillError('LOG_DAMAGED', { reason: 'the topic was deleted', topic: gone })
    const table = TopicTable.of(found, this.#options.topicPrefix)
    table.assertIds(this.#table.ids)
    table.assertCounts(this.#table.counts)
  }

  /** Others may ask over newer connections already, which stay. */
  async #dropLink(dropped: Promise<KafkaLink> | null): Promise<void> {
    if (this.#link === dropped) this.#link = null
    try {
      await (await dropped)?.close()
    } catch {
      // It never opened: whoever asked over it has the reason.
    }
  }

  /** A reading ends at once; its connections are waited for when the log is closed. */
  #end(closing: Promise<void>): void {
    const ended = closing.catch((error: unknown) => {
      this.#options.logger.debug({ reason: String(error) }, 'connections did not end cleanly')
    })
    this.#ending.add(ended)
    void ended.then(() => this.#ending.delete(ended))
  }
}

/**
 * Opens the log; its topics must be there.
 * @throws WaybillError CONFIG_INVALID (a topic is missing or has another number of partitions, brokers too old),
 * LOG_DAMAGED (topics are not those of `topicIds`), LOG_DENIED, LOG_UNREACHABLE
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  assert(options.brokers.length > 0, 'a log needs a broker')
  try {
    const link = await openLink(options)
    try {
      const table = TopicTable.of(await link.describe(), options.topicPrefix)
      if (options.topicIds !== undefined) table.assertIds(options.topicIds)
      if (options.partitionCounts !== undefined) table.assertCounts(options.partitionCounts)
      return new BrokerLog(options, table, link)
    } catch (error) {
      await link.close()
      throw error
    }
  } catch (error) {
    throw kafkaError(error, { brokers: options.brokers.join(',') })
  }
}
