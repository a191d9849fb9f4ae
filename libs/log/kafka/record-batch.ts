// Record batches as brokers store and send them (kafka.apache.org/documentation, "Record Batch", magic 2).
//
// The decoder of kafkajs is not used: it does not look at the CRC, and it does not tell the end of a batch whose records
// compaction has removed, so that a reader asks for such a batch for ever.
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { WaybillError } from '#libs/domain/errors'
import { crc32c } from '#libs/log/crc32c'
import type { LogRecord } from '#libs/log/event-log'
import type { Topic } from '#schemas/events'
import { ByteReader } from './byte-reader.ts'

/** Where fields of a batch begin, in bytes. */
const field = { length: 8, magic: 16, crc: 17, attributes: 21, lastOffsetDelta: 23, count: 57, records: 61 }
/** `length` counts what follows it. */
const lengthEnd = 12
const controlBit = 0x20
const compressionBits = 0x07
/** A batch is 1 MiB at most in any sane topic; a bomb is larger. */
const unpackedBytesMax = 64 * 1024 * 1024

export interface BatchPlace {
  readonly topic: Topic
  readonly partition: number
  /** Records before it are left out: a broker sends whole batches. */
  readonly from: number
}

function damage(place: BatchPlace, position: number, reason: string, cause?: unknown): WaybillError {
  const { topic, partition } = place
  return new WaybillError('LOG_DAMAGED', { topic, partition, position, reason }, { cause })
}

/** Throws for codecs that Node has no decoder for; topics are created so that brokers unpack what foreign producers pack. */
function unpack(packed: Buffer, codec: number): Buffer {
  switch (codec) {
    case 0:
      return packed
    case 1:
      return gunzipSync(packed, { maxOutputLength: unpackedBytesMax })
    case 4:
      return zstdDecompressSync(packed, { maxOutputLength: unpackedBytesMax })
    default:
      throw new RangeError(`compressed with ${codec === 2 ? 'snappy' : codec === 3 ? 'lz4' : `codec ${codec}`}`)
  }
}

function bytesOf(reader: ByteReader, length: number, end: number): Buffer | null {
  if (length < 0) return null
  if (reader.at + length > end) throw new RangeError('a record runs over its end')
  reader.at += length
  return reader.bytes.subarray(reader.at - length, reader.at)
}

function decodeRecords(batch: Buffer, place: BatchPlace, base: number, into: LogRecord[]): void {
  const { topic, partition, from } = place
  const codec = batch.readInt16BE(field.attributes) & compressionBits
  const reader = new ByteReader(unpack(batch.subarray(field.records), codec))
  for (let left = batch.readInt32BE(field.count); left > 0; left -= 1) {
    const length = reader.varint()
    const end = reader.at + length
    if (length < 0 || end > reader.bytes.length) throw new RangeError('a record runs over its batch')
    reader.at += 1
    reader.skipVarlong()
    const position = base + reader.varint()
    const key = bytesOf(reader, reader.varint(), end)
    const value = bytesOf(reader, reader.varint(), end)
    // Headers follow; they mean nothing here.
    reader.at = end
    if (position >= from) into.push({ topic, partition, position, key: key ?? Buffer.alloc(0), value })
  }
}

function decodeBatch(batch: Buffer, place: BatchPlace, into: LogRecord[]): number {
  const base = new ByteReader(batch).int64()
  const magic = batch.readInt8(field.magic)
  if (magic !== 2) throw damage(place, base, `a batch of format ${magic}`)
  if (crc32c(batch, field.attributes) !== batch.readUInt32BE(field.crc)) {
    throw damage(place, base, 'the checksum of a batch differs')
  }
  const isControl = (batch.readInt16BE(field.attributes) & controlBit) !== 0
  try {
    if (!isControl) decodeRecords(batch, place, base, into)
  } catch (error) {
    if (error instanceof WaybillError) throw error
    throw damage(place, base, error instanceof Error ? error.message : String(error), error)
  }
  return base + batch.readInt32BE(field.lastOffsetDelta) + 1
}

/**
 * Appends the records of whole batches to `into`, as views of the bytes. A last batch that was cut short is left for the
 * next request.
 * @returns the next position to ask for
 * @throws WaybillError LOG_DAMAGED with topic, partition, position and reason
 */
export function decodeBatches(bytes: Buffer, place: BatchPlace, into: LogRecord[]): number {
  let next = place.from
  let at = 0
  while (at + lengthEnd <= bytes.length) {
    const end = at + lengthEnd + bytes.readInt32BE(at + field.length)
    if (end > bytes.length) break
    if (end < at + field.records) throw damage(place, next, 'a batch is too short')
    next = Math.max(next, decodeBatch(bytes.subarray(at, end), place, into))
    at = end
  }
  return next
}
