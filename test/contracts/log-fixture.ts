// Records to append and ways to read them back, for every test of a log.
import type { EventLog, LogRecord, NewRecord, Positions } from '#libs/log/event-log'
import { idOf, type PartitionCounts } from '#libs/log/record-rules'
import type { Random } from '#libs/runtime/clock'
import { type Topic, topics } from '#schemas/events'
import { integerBetween } from '#test/support/seeded-random'

export const counts: PartitionCounts = { jobs: 2, listings: 1, chunks: 5, rates: 1 }

/** A record whose key and value say its number. */
export function recordOf(number: number, place: { topic?: Topic; partition?: number; bytes?: number } = {}): NewRecord {
  const { topic = 'jobs', partition = 0, bytes = 0 } = place
  const value = Buffer.concat([Buffer.from(`value ${number} `), Buffer.alloc(bytes, number)])
  return { topic, partition, key: Buffer.from(`key ${number}`), value }
}

/** Numbered records of all topics and partitions, one in ten of them with a null value. */
export function mixedRecords(random: Random, count: number, first = 0): readonly NewRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const topic = topics[integerBetween(random, 0, topics.length - 1)] ?? 'jobs'
    const partition = integerBetween(random, 0, counts[topic] - 1)
    const record = recordOf(first + index, { topic, partition })
    return integerBetween(random, 0, 9) === 0 ? { ...record, value: null } : record
  })
}

/** Reads from the positions up to the end that the log has now. */
export async function readToEnd(log: EventLog, from: Positions = new Map()): Promise<readonly LogRecord[]> {
  const missing = new Map<string, number>()
  for (const [id, end] of await log.ends()) if (end > (from.get(id) ?? 0)) missing.set(id, end)
  const read: LogRecord[] = []
  if (missing.size === 0) return read
  const stop = new AbortController()
  for await (const batch of log.read(from, stop.signal)) {
    for (const record of batch) {
      read.push(record)
      if (record.position + 1 === missing.get(idOf(record))) missing.delete(idOf(record))
    }
    if (missing.size === 0) stop.abort()
  }
  return read
}

/** Reads until so many records came; for logs that still grow. */
export async function readCount(
  log: EventLog,
  count: number,
  from: Positions = new Map(),
): Promise<readonly LogRecord[]> {
  const read: LogRecord[] = []
  if (count === 0) return read
  const stop = new AbortController()
  for await (const batch of log.read(from, stop.signal)) {
    read.push(...batch)
    if (read.length >= count) stop.abort()
  }
  return read
}

/** `jobs/0@3 key 7=value 7 `, one line a record: easy to compare and to read in a failure. */
export function lineOf(record: LogRecord): string {
  return `${idOf(record)}@${record.position} ${record.key}=${record.value}`
}

/** Lines by partition in the order of reading, partitions sorted: what two readings must have in common. */
export function linesByPartition(records: readonly LogRecord[]): readonly string[] {
  const byPartition = Map.groupBy(records, idOf)
  return [...byPartition.keys()]
    .sort((a, b) => (a < b ? -1 : 1))
    .flatMap((id) => (byPartition.get(id) ?? []).map(lineOf))
}

/** The records with the positions that the log gave them. */
export function placed(records: readonly NewRecord[], positions: readonly number[]): readonly LogRecord[] {
  return records.map((record, index) => ({ ...record, position: positions[index] ?? Number.NaN }))
}
