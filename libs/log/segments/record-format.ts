// One record of a segment file, little endian:
//
//   0  u32  CRC-32C of everything that follows
//   4  u32  bytes of the whole record
//   8  u64  sequence: contiguous over all topics and partitions of the log
//  16  u64  position in its partition: rises, gaps are allowed
//  24  u32  partition
//  28  u8   topic (partition-table.ts)
//  29  u8   flags: 1 the value is null; 2 the first record of a write
//  30  u16  bytes of the key
//  32       key, then value
//
// One write is made durable before the next one starts. So a valid record with flag 2 proves that everything before it was
// durable once: what is unreadable there is damage, not a write that was cut short (segment-cursor.ts).

import { crc32c } from '#libs/log/crc32c'
import type { LogRecord } from '#libs/log/event-log'
import { keyBytesMax, recordBytesMax as valueBytesMax } from '#libs/log/record-rules'
import type { Topic } from '#schemas/events'
import { storedTopics, topicNumber } from './partition-table.ts'

const recordHeadBytes = 32
export const recordBytesMax = recordHeadBytes + keyBytesMax + valueBytesMax
const isNull = 1
const isFirstOfWrite = 2
const high = 2 ** 32

/** Records that follow each other in one segment. */
export interface Run {
  /** Sequence of the first. */
  readonly sequence: number
  readonly records: readonly LogRecord[]
  /** Where each record starts, in bytes from the start of the file. */
  readonly offsets: readonly number[]
  /** Where the last one ends. */
  readonly end: number
}

function readLong(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * high
}

function writeLong(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % high, at)
  bytes.writeUInt32LE(Math.floor(value / high), at + 4)
}

export function recordBytes(record: Pick<LogRecord, 'key' | 'value'>): number {
  return recordHeadBytes + record.key.length + (record.value?.length ?? 0)
}

/** Lays records out as one write. The records of the run are views of the bytes, not of what was given. */
export function encodeWrite(
  given: readonly LogRecord[],
  place: { readonly sequence: number; readonly offset: number },
): { readonly run: Run; readonly bytes: Buffer } {
  const bytes = Buffer.allocUnsafeSlow(given.reduce((sum, record) => sum + recordBytes(record), 0))
  const records: LogRecord[] = []
  const offsets: number[] = []
  let at = 0
  for (const record of given) {
    const end = at + recordBytes(record)
    const valueStart = at + recordHeadBytes + record.key.length
    bytes.writeUInt32LE(end - at, at + 4)
    writeLong(bytes, place.sequence + records.length, at + 8)
    writeLong(bytes, record.position, at + 16)
    bytes.writeUInt32LE(record.partition, at + 24)
    bytes.writeUInt8(topicNumber(record.topic), at + 28)
    bytes.writeUInt8((record.value === null ? isNull : 0) | (at === 0 ? isFirstOfWrite : 0), at + 29)
    bytes.writeUInt16LE(record.key.length, at + 30)
    bytes.set(record.key, at + recordHeadBytes)
    if (record.value !== null) bytes.set(record.value, valueStart)
    bytes.writeUInt32LE(crc32c(bytes, at + 4, end), at)
    offsets.push(place.offset + at)
    records.push({
      topic: record.topic,
      partition: record.partition,
      position: record.position,
      key: bytes.subarray(at + recordHeadBytes, valueStart),
      value: record.value === null ? null : bytes.subarray(valueStart, end),
    })
    at = end
  }
  return { run: { sequence: place.sequence, records, offsets, end: place.offset + at }, bytes }
}

/** Length of the record at `at` when it is whole and its sum is right, else 0. */
function soundLength(chunk: Buffer, at: number): number {
  if (chunk.length - at < recordHeadBytes) return 0
  const length = chunk.readUInt32LE(at + 4)
  if (length < recordHeadBytes || length > recordBytesMax || length > chunk.length - at) return 0
  return crc32c(chunk, at + 4, at + length) === chunk.readUInt32LE(at) ? length : 0
}

function decodeAt(chunk: Buffer, at: number, end: number): LogRecord | null {
  const topic = storedTopics[chunk.readUInt8(at + 28)]
  const valueStart = at + recordHeadBytes + chunk.readUInt16LE(at + 30)
  if (topic === undefined || valueStart > end) return null
  return {
    topic,
    partition: chunk.readUInt32LE(at + 24),
    position: readLong(chunk, at + 16),
    key: chunk.subarray(at + recordHeadBytes, valueStart),
    value: (chunk.readUInt8(at + 29) & isNull) === isNull ? null : chunk.subarray(valueStart, end),
  }
}

/**
 * Whole, sound records with consecutive sequences from the first byte of the chunk on; it stops at the first that is not.
 * Keys and values are views of the chunk.
 */
export function decodeRun(
  chunk: Buffer,
  place: { readonly sequence: number; readonly offset: number; readonly recordsMax: number },
): Run {
  const records: LogRecord[] = []
  const offsets: number[] = []
  let at = 0
  while (records.length < place.recordsMax) {
    const length = soundLength(chunk, at)
    if (length === 0 || readLong(chunk, at + 8) !== place.sequence + records.length) break
    const record = decodeAt(chunk, at, at + length)
    if (record === null) break
    records.push(record)
    offsets.push(place.offset + at)
    at += length
  }
  return { sequence: place.sequence, records, offsets, end: place.offset + at }
}

export interface RecordPlace {
  readonly topic: Topic
  readonly partition: number
  readonly position: number
}

export function isAt(record: LogRecord, place: RecordPlace): boolean {
  return record.position === place.position && record.partition === place.partition && record.topic === place.topic
}

/** Goes by the lengths from record to record and checks only the one that is wanted; null when it is not met. */
export function findRecord(chunk: Buffer, place: RecordPlace): LogRecord | null {
  const number = topicNumber(place.topic)
  for (let at = 0; at + recordHeadBytes <= chunk.length; at += chunk.readUInt32LE(at + 4)) {
    const isIt =
      readLong(chunk, at + 16) === place.position &&
      chunk.readUInt32LE(at + 24) === place.partition &&
      chunk.readUInt8(at + 28) === number
    const length = isIt ? soundLength(chunk, at) : 0
    if (length > 0) return decodeAt(chunk, at, at + length)
    if (isIt || chunk.readUInt32LE(at + 4) < recordHeadBytes) return null
  }
  return null
}

/** Whether a write started anywhere behind the first byte of the chunk, whose sequence was to be `sequence`. */
export function holdsLaterWrite(chunk: Buffer, sequence: number): boolean {
  const sequenceMax = sequence + chunk.length / recordHeadBytes
  for (let at = 1; at + recordHeadBytes <= chunk.length; at += 1) {
    if ((chunk.readUInt8(at + 29) & isFirstOfWrite) === 0) continue
    const found = readLong(chunk, at + 8)
    if (found > sequence && found <= sequenceMax && soundLength(chunk, at) > 0) return true
  }
  return false
}
