// Reads what there is of a log when it is opened: the head of every segment and the whole of the last one. Older segments
// were checked when they were the last; each record of them is checked again whenever it is read.
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import type { PartitionCounts } from '#libs/log/record-rules'
import { codeOfFile, damage } from './log-error.ts'
import { storedTopics } from './partition-table.ts'
import { listSegments, SegmentChain } from './segment-chain.ts'
import { readBytes } from './segment-cursor.ts'
import { decodeHeader, headerBytes, type SegmentHeader, segmentName, statedBytes } from './segment-header.ts'

/** A write, or the making of a segment, that a crash cut short: nobody was told that it was durable. */
export interface CutShort {
  readonly segment: string
  /** Where the unfinished bytes start and how many there are. */
  readonly offset: number
  readonly bytes: number
}

export interface OpenedChain {
  readonly chain: SegmentChain
  readonly cutShort: CutShort | null
}

/**
 * @param least bytes of a head with the expected number of partitions
 * @returns null when the head is not whole and nothing follows it.
 * @throws WaybillError LOG_DAMAGED, LOG_NEWER
 */
export async function readHeader(folder: string, name: string, least: number): Promise<SegmentHeader | null> {
  const file = await open(join(folder, name), 'r')
  try {
    const { size } = await file.stat()
    const start = await readBytes(file, 0, Math.min(size, 64))
    const head = await readBytes(file, 0, Math.min(size, statedBytes(start)))
    const header = head.length < 64 ? null : decodeHeader(head, name)
    if (header === null && size > least) throw damage(name, 0, 'unreadable head')
    return header
  } finally {
    await file.close()
  }
}

function assertCounts(header: SegmentHeader, wanted: PartitionCounts): void {
  const differing = storedTopics.find((topic) => header.counts[topic] !== wanted[topic])
  if (differing === undefined) return
  const facts = { topic: differing, partitions: header.counts[differing], wanted: wanted[differing] }
  throw new WaybillError('CONFIG_INVALID', { reason: 'the log has another number of partitions', ...facts })
}

/** Each head names the segment before it and that one's bytes, so that none can be missing or shortened unseen. */
async function assertFollows(chain: SegmentChain, header: SegmentHeader, name: string): Promise<void> {
  if (segmentName(header.first) !== name) throw damage(name, 0, 'the head belongs to another segment')
  const before = chain.segments.at(-1)
  if (before?.first !== header.previous?.first) throw damage(name, 0, 'the segment before it is missing')
  if (before === undefined) return
  const { size } = await stat(join(chain.folder, before.name))
  if (size !== header.previous?.bytes) throw damage(before.name, size, 'the segment has another length than it had')
}

/** The chain up to the last whole record. A folder that is missing or empty gives an empty chain. */
export async function openChain(folder: string, counts: PartitionCounts): Promise<OpenedChain> {
  const chain = new SegmentChain(folder, counts)
  const firsts = await listSegments(folder)
  for (const first of firsts) {
    const name = segmentName(first)
    const header = await readHeader(folder, name, headerBytes(counts))
    if (header === null) {
      if (first !== firsts.at(-1)) throw damage(name, 0, 'unreadable head')
      const { size } = await stat(join(folder, name))
      return { chain, cutShort: (await scanLast(chain)) ?? { segment: name, offset: 0, bytes: size } }
    }
    assertCounts(header, counts)
    await assertFollows(chain, header, name)
    chain.addSegment(header)
  }
  return { chain, cutShort: await scanLast(chain) }
}

async function scanLast(chain: SegmentChain): Promise<CutShort | null> {
  const segment = chain.segments.at(-1)
  if (segment === undefined) return null
  const cursor = await chain.openCursor(segment)
  try {
    const { size } = await stat(join(chain.folder, segment.name))
    for (let run = await cursor.next(size); run.records.length > 0; run = await cursor.next(size)) chain.extend(run)
    const { offset } = cursor.place
    if (offset === size) return null
    await cursor.assertCutShort(size)
    return { segment: segment.name, offset, bytes: size - offset }
  } finally {
    await cursor.close()
  }
}

/** Whether the segment that would start with the sequence is there, with a whole head. */
export async function findSegment(chain: SegmentChain, first: number): Promise<SegmentHeader | null> {
  try {
    return await readHeader(chain.folder, segmentName(first), chain.headerBytes)
  } catch (error) {
    if (codeOfFile(error) === 'ENOENT') return null
    throw error
  }
}
