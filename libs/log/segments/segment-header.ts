// The head of a segment file, little endian. The first 24 bytes keep their meaning in every version, so that an older
// program can tell a newer file from a damaged one.
//
//   0  8 B  "waybill" and a line end
//   8  u32  format version
//  12  u32  bytes of the head
//  16  u32  CRC-32C of the head with these four bytes as 0
//  20  u32  number of topics
//  24  u64  sequence of the first record; also the name of the file
//  32  u64  sequence of the first record of the segment before, and
//  40  u64  that file's bytes: both 0 in the first segment
//  48  u32  partitions of each topic
//      u64  next position of each partition when the segment starts
import { WaybillError } from '#libs/domain/errors'
import { crc32c } from '#libs/log/crc32c'
import type { PartitionCounts } from '#libs/log/record-rules'
import { storedTopics } from './partition-table.ts'

export const formatVersion = 1
const magic = Buffer.from('waybill\n', 'latin1')
const fixedBytes = 48
const headerBytesMax = 16 * 1024 * 1024

export interface SegmentHeader {
  readonly first: number
  readonly previous: { readonly first: number; readonly bytes: number } | null
  readonly counts: PartitionCounts
  /** Next position by slot (partition-table.ts). */
  readonly starts: readonly number[]
}

/** `00000000000000000042.segment`: sorts by number as text. */
export function segmentName(first: number): string {
  return `${String(first).padStart(20, '0')}.segment`
}

export function firstOfName(name: string): number | null {
  const digits = /^(\d{20})\.segment$/.exec(name)?.[1]
  return digits === undefined ? null : Number(digits)
}

export function headerBytes(counts: PartitionCounts): number {
  const partitions = storedTopics.reduce((sum, topic) => sum + counts[topic], 0)
  return fixedBytes + 4 * storedTopics.length + 8 * partitions
}

export function encodeHeader({ first, previous, counts, starts }: SegmentHeader): Buffer {
  const head = Buffer.alloc(headerBytes(counts))
  magic.copy(head)
  head.writeUInt32LE(formatVersion, 8)
  head.writeUInt32LE(head.length, 12)
  head.writeUInt32LE(storedTopics.length, 20)
  head.writeBigUInt64LE(BigInt(first), 24)
  head.writeBigUInt64LE(BigInt(previous?.first ?? 0), 32)
  head.writeBigUInt64LE(BigInt(previous?.bytes ?? 0), 40)
  storedTopics.forEach((topic, index) => {
    head.writeUInt32LE(counts[topic], fixedBytes + 4 * index)
  })
  const table = fixedBytes + 4 * storedTopics.length
  starts.forEach((position, slot) => {
    head.writeBigUInt64LE(BigInt(position), table + 8 * slot)
  })
  head.writeUInt32LE(crc32c(head), 16)
  return head
}

function isSound(head: Buffer): boolean {
  const copy = Buffer.from(head)
  copy.writeUInt32LE(0, 16)
  return crc32c(copy) === head.readUInt32LE(16)
}

/** Bytes that the head says it has; 0 when that cannot be. `start` holds the first bytes of the file. */
export function statedBytes(start: Buffer): number {
  if (start.length < 24 || !start.subarray(0, 8).equals(magic)) return 0
  const length = start.readUInt32LE(12)
  return length >= 24 && length <= headerBytesMax ? length : 0
}

/**
 * @param head exactly the bytes that it says it has
 * @returns null when it is not sound. @throws WaybillError LOG_NEWER
 */
export function decodeHeader(head: Buffer, segment: string): SegmentHeader | null {
  if (statedBytes(head) !== head.length || !isSound(head)) return null
  const version = head.readUInt32LE(8)
  if (version > formatVersion) throw new WaybillError('LOG_NEWER', { segment, version, known: formatVersion })
  const table = fixedBytes + 4 * storedTopics.length
  if (version !== formatVersion || head.length < table || head.readUInt32LE(20) !== storedTopics.length) return null
  const count = (index: number): number => head.readUInt32LE(fixedBytes + 4 * index)
  const counts: PartitionCounts = { jobs: count(0), listings: count(1), chunks: count(2), rates: count(3) }
  if (headerBytes(counts) !== head.length) return null
  const long = (at: number): number => Number(head.readBigUInt64LE(at))
  const first = long(24)
  return {
    first,
    previous: first === 0 ? null : { first: long(32), bytes: long(40) },
    counts,
    starts: Array.from({ length: (head.length - table) / 8 }, (_, slot) => long(table + 8 * slot)),
  }
}
