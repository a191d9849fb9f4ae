// All segments of a log, in order, with what is known of its end. The writer, or the follower in another process, moves
// the end on; readers read up to it and no further.
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Arrivals } from '#libs/log/arrivals'
import type { LogRecord } from '#libs/log/event-log'
import type { PartitionCounts } from '#libs/log/record-rules'
import { codeOfFile, damage } from './log-error.ts'
import { PartitionTable } from './partition-table.ts'
import { RecentRecords } from './recent-records.ts'
import { decodeRun, findRecord, isAt, type RecordPlace, type Run } from './record-format.ts'
import { type CursorPlace, readBytes, SegmentCursor } from './segment-cursor.ts'
import { firstOfName, headerBytes, type SegmentHeader, segmentName } from './segment-header.ts'
import { type Block, lastNotAbove, SegmentIndex } from './segment-index.ts'

export interface Segment {
  readonly name: string
  /** Sequence of its first record. */
  readonly first: number
  /** Next position by slot when it starts. */
  readonly starts: readonly number[]
}

export interface LogEnd {
  /** Of the next record. */
  readonly sequence: number
  /** In the last segment, bytes. */
  readonly offset: number
}

/** Indexes of older segments kept in memory; the others are made again when they are asked for. */
const indexesMax = 64

export class SegmentChain {
  readonly folder: string
  readonly table: PartitionTable
  readonly recent = new RecentRecords()
  readonly arrivals = new Arrivals()
  readonly #segments: Segment[] = []
  readonly #firsts: number[] = []
  readonly #indexes = new Map<string, SegmentIndex>()
  readonly #ends: number[]
  #end: LogEnd = { sequence: 0, offset: 0 }

  constructor(folder: string, counts: PartitionCounts) {
    this.folder = folder
    this.table = new PartitionTable(counts)
    this.#ends = this.table.ids.map(() => 0)
  }

  get end(): LogEnd {
    return this.#end
  }

  /** Next position by slot. */
  get ends(): readonly number[] {
    return this.#ends
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  get headerBytes(): number {
    return headerBytes(this.table.counts)
  }

  /** The segment becomes the last one; records follow by `extend`. */
  addSegment(header: SegmentHeader): void {
    const { first, starts } = header
    // Of a segment that was not read as a whole there is no index yet.
    if (this.#end.sequence !== first) this.#indexes.delete(this.#segments.at(-1)?.name ?? '')
    this.#segments.push({ name: segmentName(first), first, starts })
    this.#firsts.push(first)
    this.#indexes.set(segmentName(first), new SegmentIndex(this.table))
    this.#trimIndexes()
    starts.forEach((position, slot) => {
      this.#ends[slot] = position
    })
    this.#end = { sequence: first, offset: this.headerBytes }
  }

  /** Makes records at the end of the last segment visible to readers. @throws WaybillError LOG_DAMAGED */
  extend(run: Run): void {
    const segment = this.#segments.at(-1)
    run.records.forEach(({ topic, partition, position }, index) => {
      const slot = partition < this.table.counts[topic] ? this.table.slotOf(topic, partition) : -1
      if (slot < 0 || position < (this.#ends[slot] ?? 0)) {
        throw damage(
          segment?.name ?? '',
          run.offsets[index] ?? 0,
          'a position that does not rise, or no such partition',
        )
      }
      this.#ends[slot] = position + 1
    })
    this.#indexes.get(segment?.name ?? '')?.add(run)
    this.recent.add(run, run.end - this.#end.offset)
    this.#end = { sequence: run.sequence + run.records.length, offset: run.end }
    this.arrivals.announce()
  }

  /** The segment that holds the sequence, or will. */
  segmentOfSequence(sequence: number): Segment | null {
    return this.#segments[lastNotAbove(this.#firsts, sequence)] ?? null
  }

  /** The last segment that starts at or before the position. */
  segmentOfPosition(slot: number, position: number): Segment | null {
    return this.#segments.findLast(({ starts }) => (starts[slot] ?? 0) <= position) ?? null
  }

  /** A sequence before which nothing of the wanted positions lies, as late as is known without reading. */
  sequenceFor(wanted: readonly number[]): number {
    if (this.#ends.every((end, slot) => (wanted[slot] ?? 0) >= end)) return this.#end.sequence
    const reaches = ({ starts }: Segment): boolean => starts.every((start, slot) => start <= (wanted[slot] ?? 0))
    const segment = this.#segments.findLast(reaches)
    if (segment === undefined || segment !== this.#segments.at(-1)) return segment?.first ?? 0
    return this.#indexes.get(segment.name)?.sequenceFor(wanted, this.#ends) ?? segment.first
  }

  /** Bytes of the segment that hold records; for the last one as far as they are known. */
  async limitOf(segment: Segment, cursor: SegmentCursor): Promise<number> {
    return segment === this.#segments.at(-1) ? this.#end.offset : cursor.size()
  }

  async openCursor(segment: Segment, place?: CursorPlace): Promise<SegmentCursor> {
    const start = place ?? { sequence: segment.first, offset: this.headerBytes }
    return new SegmentCursor(segment.name, await open(join(this.folder, segment.name), 'r'), start)
  }

  /** Made by reading the segment once, where it is not kept. @throws WaybillError LOG_DAMAGED */
  async indexOf(segment: Segment): Promise<SegmentIndex> {
    const known = this.#indexes.get(segment.name)
    if (known !== undefined) return known
    const index = new SegmentIndex(this.table)
    const cursor = await this.openCursor(segment)
    try {
      const limit = await this.limitOf(segment, cursor)
      while (cursor.place.offset < limit) {
        const run = await cursor.next(limit)
        if (run.records.length === 0) throw damage(segment.name, cursor.place.offset, 'unreadable record')
        index.add(run)
      }
    } finally {
      await cursor.close()
    }
    this.#indexes.set(segment.name, index)
    this.#trimIndexes()
    return index
  }

  /** All records of a block. @throws WaybillError LOG_DAMAGED */
  async readBlock(segment: Segment, block: Block): Promise<Run> {
    return decodeBlock(segment, block, await this.#blockBytes(segment, block))
  }

  /** The record with the position, or null when the log left it out. @throws WaybillError LOG_DAMAGED */
  async findRecord(segment: Segment, block: Block, wanted: RecordPlace): Promise<LogRecord | null> {
    const bytes = await this.#blockBytes(segment, block)
    const found = findRecord(bytes, wanted)
    if (found !== null) return ownCopy(found)
    // Nothing found by the lengths alone: before that is an answer, everything on the way must be sound.
    const { records } = decodeBlock(segment, block, bytes)
    const record = records.find((one) => isAt(one, wanted))
    return record === undefined ? null : ownCopy(record)
  }

  async #blockBytes(segment: Segment, { start, end }: Block): Promise<Buffer> {
    const file = await open(join(this.folder, segment.name), 'r')
    try {
      return await readBytes(file, start, end)
    } finally {
      await file.close()
    }
  }

  /** The oldest one goes first, never that of the last segment. */
  #trimIndexes(): void {
    const last = this.#segments.at(-1)?.name
    for (const name of this.#indexes.keys()) {
      if (this.#indexes.size <= indexesMax) return
      if (name !== last) this.#indexes.delete(name)
    }
  }
}

/** One record must not keep its whole block in memory. */
function ownCopy(record: LogRecord): LogRecord {
  return { ...record, key: Buffer.from(record.key), value: record.value && Buffer.from(record.value) }
}

function decodeBlock(segment: Segment, { start, end, sequence }: Block, bytes: Buffer): Run {
  const run = decodeRun(bytes, { sequence, offset: start, recordsMax: Number.POSITIVE_INFINITY })
  if (run.end !== end) throw damage(segment.name, run.end, 'unreadable record')
  return run
}

/** First sequences of the segment files in the folder, rising; none when there is no folder. */
export async function listSegments(folder: string): Promise<readonly number[]> {
  try {
    const names = await readdir(folder)
    return names.flatMap((name) => firstOfName(name) ?? []).sort((a, b) => a - b)
  } catch (error) {
    if (codeOfFile(error) === 'ENOENT') return []
    throw error
  }
}
