// A log in memory, for tests and simulation. It is stricter than a real one: it copies what it is given, and with a
// `random` it leaves gaps between positions and hands out partitions in any order, so that nothing comes to rely on
// consecutive positions or on an order between partitions. It sets no timers: all waiting is microtasks, hence one seed
// gives one history. Faults are wrappers around it, never options of it.
import { strict as assert } from 'node:assert'
import {
  batchRecordsMax,
  type EventLog,
  type LogRecord,
  type NewRecord,
  type PartitionId,
  type Positions,
  partitionId,
} from '#libs/log/event-log'
import type { Random } from '#libs/runtime/clock'
import type { Topic } from '#schemas/events'
import { Arrivals } from './arrivals.ts'
import { assertFits, assertNotBehind, idOf, type PartitionCounts, partitionsOf } from './record-rules.ts'

export interface MemoryLogOptions {
  readonly partitionCounts: PartitionCounts
  /** Given: partitions are delivered in interleavings drawn from it. Absent: in the order of the appends. */
  readonly random?: Random
}

/** One position in so many is left out when there is a `random`. */
const gapEvery = 16

class Partition {
  readonly id: PartitionId
  /** By position, rising, with gaps. */
  readonly records: LogRecord[] = []
  end = 0

  constructor(id: PartitionId) {
    this.id = id
  }

  /** Index of the first record at or after the position. */
  indexOf(position: number): number {
    let low = 0
    let high = this.records.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.records[middle]?.position ?? 0) < position) low = middle + 1
      else high = middle
    }
    return low
  }
}

class MemoryLog implements EventLog {
  readonly #counts: PartitionCounts
  readonly #random: Random | null
  readonly #partitions: ReadonlyMap<PartitionId, Partition>
  readonly #sequence: LogRecord[] = []
  readonly #arrivals = new Arrivals()

  constructor({ partitionCounts, random }: MemoryLogOptions) {
    this.#counts = partitionCounts
    this.#random = random ?? null
    const ids = partitionsOf(partitionCounts).map(({ topic, partition }) => partitionId(topic, partition))
    this.#partitions = new Map(ids.map((id) => [id, new Partition(id)]))
  }

  async partitionCounts(): Promise<PartitionCounts> {
    return this.#counts
  }

  async append(records: readonly NewRecord[]): Promise<readonly number[]> {
    assert(!this.#arrivals.isClosed, 'append to a closed log')
    for (const record of records) assertFits(record, this.#counts)
    const positions = records.map((record) => this.#add(record))
    if (positions.length > 0) this.#arrivals.announce()
    return positions
  }

  async *read(from: Positions, signal: AbortSignal): AsyncGenerator<readonly LogRecord[], void, undefined> {
    assertNotBehind(from, await this.ends())
    const next = this.#random === null ? this.#inOrder(from) : this.#shuffled(from, this.#random)
    while (!signal.aborted && !this.#arrivals.isClosed) {
      const batch = next()
      if (batch.length > 0) yield batch
      else await this.#arrivals.next(signal)
    }
  }

  async ends(): Promise<Positions> {
    return new Map([...this.#partitions.values()].map(({ id, end }) => [id, end]))
  }

  async readAt(topic: Topic, partition: number, position: number): Promise<LogRecord | null> {
    const place = this.#partitions.get(partitionId(topic, partition))
    const record = place?.records[place.indexOf(position)]
    return record?.position === position ? record : null
  }

  async close(): Promise<void> {
    this.#arrivals.close()
  }

  #partitionOf(record: NewRecord): Partition {
    const partition = this.#partitions.get(idOf(record))
    assert(partition !== undefined)
    return partition
  }

  #add(record: NewRecord): number {
    const partition = this.#partitionOf(record)
    const isGap = this.#random !== null && this.#random() < 1 / gapEvery
    const position = partition.end + (isGap ? 1 : 0)
    const copy: LogRecord = {
      topic: record.topic,
      partition: record.partition,
      position,
      key: Buffer.from(record.key),
      value: record.value === null ? null : Buffer.from(record.value),
    }
    partition.records.push(copy)
    partition.end = position + 1
    this.#sequence.push(copy)
    return position
  }

  /** Batches in the order of the appends. */
  #inOrder(from: Positions): () => readonly LogRecord[] {
    let index = 0
    return () => {
      const batch: LogRecord[] = []
      for (; index < this.#sequence.length && batch.length < batchRecordsMax; index += 1) {
        const record = this.#sequence[index]
        if (record !== undefined && record.position >= (from.get(idOf(record)) ?? 0)) batch.push(record)
      }
      return batch
    }
  }

  /** Each batch: a few runs, each of a partition picked at random among those with something to give. */
  #shuffled(from: Positions, random: Random): () => readonly LogRecord[] {
    const cursors = new Map([...this.#partitions.values()].map((one) => [one, one.indexOf(from.get(one.id) ?? 0)]))
    const pick = (count: number): number => Math.floor(random() * count)
    return () => {
      const batch: LogRecord[] = []
      const runs = 1 + pick(4)
      for (let run = 0; run < runs && batch.length < batchRecordsMax; run += 1) {
        const waiting = [...cursors].filter(([partition, index]) => index < partition.records.length)
        const chosen = waiting[pick(waiting.length)]
        if (chosen === undefined) break
        const [partition, index] = chosen
        const room = Math.min(partition.records.length - index, batchRecordsMax - batch.length)
        const taken = partition.records.slice(index, index + 1 + pick(room))
        cursors.set(partition, index + taken.length)
        batch.push(...taken)
      }
      return batch
    }
  }
}

/**
 * An empty log in memory. Any number of readers at once, each with its own positions; a reader that is aborted may be
 * followed by another from any position.
 */
export function openMemoryLog(options: MemoryLogOptions): EventLog {
  return new MemoryLog(options)
}
