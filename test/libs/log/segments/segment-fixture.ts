// Folders with logs for the tests of segment files, and a reader of the format that shares no code with the program.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openSegmentLog, type SegmentLog } from '#libs/log/segments/segment-log'
import { systemClock } from '#libs/runtime/system-clock'
import { counts } from '#test/contracts/log-fixture'

export const headerBytes = 48 + 4 * 4 + 8 * 9

export function freshFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'segments-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function openWriter(t: TestContext, folder: string, segmentBytesMax?: number): Promise<SegmentLog> {
  const size = segmentBytesMax === undefined ? {} : { segmentBytesMax }
  const log = await openSegmentLog({ folder, partitionCounts: counts, ...size })
  t.after(() => log.close())
  return log
}

export async function openReader(t: TestContext, folder: string): Promise<SegmentLog> {
  const log = await openSegmentLog({ folder, partitionCounts: counts, isReadOnly: true, clock: systemClock })
  t.after(() => log.close())
  return log
}

export function segmentsOf(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.segment'))
    .sort()
}

export interface StoredRecord {
  readonly start: number
  readonly end: number
  readonly sequence: number
  readonly isFirstOfWrite: boolean
}

/** Records of a segment by their lengths, as the head of record-format.ts describes them. */
export function recordsOf(path: string): readonly StoredRecord[] {
  const bytes = readFileSync(path)
  const records: StoredRecord[] = []
  for (let start = headerBytes; start < bytes.length; ) {
    const end = start + bytes.readUInt32LE(start + 4)
    const sequence = Number(bytes.readBigUInt64LE(start + 8))
    records.push({ start, end, sequence, isFirstOfWrite: (bytes.readUInt8(start + 29) & 2) === 2 })
    start = end
  }
  return records
}
