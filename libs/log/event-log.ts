// The event log port: partitioned, append-only, the audit trail. Adapters: segments (embedded), kafka, memory.
//
// Traps, kept by test/contracts/event-log.contract.ts:
// * `append` resolves only when every record of the call is durable; records of one call keep their order within a
//   partition. When it throws, the outcome is unknown: some, all or none of the records may be in the log. The caller
//   appends the same records again; folds drop duplicates.
// * Positions rise within a partition and may have gaps. They are never reused. `ends` gives the next position, so
//   reading from it delivers only what is appended later.
// * Order holds within a partition only; `read` may interleave partitions in any way, and delivers a record once.
// * `read` never ends by itself: after the end it waits for more, until its signal aborts (then it returns normally).
//   A batch has at least one record and at most `batchRecordsMax`. `close` ends running readings in the same way.
// * Keys and values from `read` are views of larger buffers: copy what is kept.
// * A null value is a poison record and is delivered like any other.
// * Damage before the tail is an error (LOG_DAMAGED with place), never a gap in silence; so is reading from a position
//   behind the end: what stood there was read once and is gone.
import type { Topic } from '#schemas/events'

export const batchRecordsMax = 10_000

export interface NewRecord {
  readonly topic: Topic
  readonly partition: number
  readonly key: Buffer
  readonly value: Buffer | null
}

export interface LogRecord extends NewRecord {
  readonly position: number
}

/** `topic/partition` */
export type PartitionId = string
/** Next position to read, by partition; a partition that is absent starts at its first record. */
export type Positions = ReadonlyMap<PartitionId, number>

export function partitionId(topic: Topic, partition: number): PartitionId {
  return `${topic}/${partition}`
}

export interface EventLog {
  /** Number of partitions of each topic; fixed for the life of the log. */
  partitionCounts(): Promise<Readonly<Record<Topic, number>>>
  /**
   * Appends and waits for durability; returns the positions in the order of the records. Throws LOG_FULL, LOG_UNREACHABLE,
   * LOG_DENIED, LOG_WRITE_ERROR.
   */
  append(records: readonly NewRecord[]): Promise<readonly number[]>
  /** All topics, all partitions, from the given positions, then live. Throws LOG_DAMAGED, LOG_UNREACHABLE, LOG_DENIED. */
  read(from: Positions, signal: AbortSignal): AsyncIterable<readonly LogRecord[]>
  /** Next position of every partition, asked of the log itself. */
  ends(): Promise<Positions>
  /** One record, or null when there is none at that position. */
  readAt(topic: Topic, partition: number, position: number): Promise<LogRecord | null>
  close(): Promise<void>
}
