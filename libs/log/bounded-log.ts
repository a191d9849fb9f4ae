// A log as it was: readings end by themselves at a bound, and never deliver what lies behind it.
//
// * A bound by time takes from each partition what stands before its first event that is later. Clocks of machines differ,
//   and events of one moment may lie in any order, so two partitions may be cut some clock error apart.
import type { EventLog, LogRecord, PartitionId, Positions } from './event-log.ts'
import { idOf } from './record-rules.ts'

export interface Bound {
  /** Last position that counts, by partition; of partitions that are absent, all that the log holds now. */
  readonly last: ReadonlyMap<PartitionId, number>
  /** ms since 1970; null: whenever. */
  readonly untilMs: number | null
  /** When an event was written, in ms since 1970; null for what is none. */
  readonly timeOf: (value: Buffer) => number | null
}

export interface BoundedLog extends EventLog {
  /** Next position behind the bound of each partition, as far as it was read. */
  reached(): Positions
}

class PartitionsLeft {
  readonly #bound: Bound
  readonly #ends: Positions
  /** Those of which more may come. */
  readonly #left = new Set<PartitionId>()
  readonly reached = new Map<PartitionId, number>()

  constructor(bound: Bound, ends: Positions, from: Positions) {
    this.#bound = bound
    this.#ends = ends
    for (const id of ends.keys()) if (this.#endOf(id) > (from.get(id) ?? 0)) this.#left.add(id)
  }

  isOver(): boolean {
    return this.#left.size === 0
  }

  takes(record: LogRecord): boolean {
    const id = idOf(record)
    if (!this.#left.has(id)) return false
    const end = this.#endOf(id)
    const isWithin = record.position < end && !this.#isLater(record)
    if (!isWithin || record.position === end - 1) this.#left.delete(id)
    if (isWithin) this.reached.set(id, record.position + 1)
    return isWithin
  }

  #endOf(id: PartitionId): number {
    const last = this.#bound.last.get(id)
    const end = this.#ends.get(id) ?? 0
    return last === undefined ? end : Math.min(end, last + 1)
  }

  #isLater({ value }: LogRecord): boolean {
    const { untilMs, timeOf } = this.#bound
    if (untilMs === null || value === null) return false
    const at = timeOf(value)
    return at !== null && at > untilMs
  }
}

/** Readings of `log` up to the bound. Closing it closes the log. */
export function boundLog(log: EventLog, bound: Bound): BoundedLog {
  let reached: Positions = new Map()
  return {
    partitionCounts: () => log.partitionCounts(),
    append: () => {
      throw new Error('a log as it was takes no records')
    },
    async *read(from, signal) {
      const left = new PartitionsLeft(bound, await log.ends(), from)
      reached = left.reached
      if (left.isOver()) return
      for await (const records of log.read(from, signal)) {
        const taken = records.filter((record) => left.takes(record))
        if (taken.length > 0) yield taken
        if (left.isOver()) return
      }
    },
    ends: () => Promise.resolve(reached),
    readAt: (topic, partition, position) => log.readAt(topic, partition, position),
    close: () => log.close(),
    reached: () => reached,
  }
}
