// Reads the records of one segment file in order, in large pieces, the next one fetched while the caller works.
import type { FileHandle } from 'node:fs/promises'
import { batchRecordsMax } from '#libs/log/event-log'
import { damage } from './log-error.ts'
import { decodeRun, holdsLaterWrite, type Run, recordBytesMax } from './record-format.ts'

const MiB = 1024 * 1024
/** Larger than any record, so that a fresh chunk holds at least one. */
const chunkBytesMax = 2 * MiB
/** One write to the log is never larger; hence nothing farther from the end of a file can be a write cut short. */
export const writeBytesMax = 4 * MiB

export interface CursorPlace {
  readonly sequence: number
  readonly offset: number
}

interface Chunk {
  readonly offset: number
  readonly bytes: Buffer
}

/** The bytes from `offset` up to `end`, fewer where the file ends before. */
export async function readBytes(file: FileHandle, offset: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(Math.max(0, end - offset))
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

export class SegmentCursor {
  readonly segment: string
  readonly #file: FileHandle
  #sequence: number
  #offset: number
  #chunk: Chunk = { offset: 0, bytes: Buffer.alloc(0) }
  #ahead: Promise<Chunk> | null = null

  constructor(segment: string, file: FileHandle, place: CursorPlace) {
    this.segment = segment
    this.#file = file
    this.#sequence = place.sequence
    this.#offset = place.offset
  }

  get place(): CursorPlace {
    return { sequence: this.#sequence, offset: this.#offset }
  }

  /** Bytes of the file now. */
  async size(): Promise<number> {
    return (await this.#file.stat()).size
  }

  /** The next records, at most `batchRecordsMax`, that end before `limit` (bytes); an empty run when none is whole. */
  async next(limit: number): Promise<Run> {
    let run = this.#decode()
    if (run.records.length === 0 && this.#offset < limit) {
      this.#chunk = (await this.#takeAhead(limit)) ?? (await this.#read(limit))
      run = this.#decode()
    }
    if (run.records.length === 0 && this.#offset < limit) {
      // What was fetched ahead may have been half written at that time.
      this.#chunk = await this.#read(limit)
      run = this.#decode()
    }
    this.#sequence += run.records.length
    this.#offset = run.end
    if (run.records.length > 0 && run.records.length < batchRecordsMax) this.#fetchAhead(limit)
    return run
  }

  /**
   * What an unreadable place at the cursor is, given the size of the file: a write that was cut short (or is on its way),
   * or damage. A valid record of a later write proves that what lies before it was once durable.
   * @throws WaybillError LOG_DAMAGED
   */
  async assertCutShort(size: number): Promise<void> {
    const { sequence, offset } = this.place
    const rest = await readBytes(this.#file, offset, Math.min(size, offset + writeBytesMax))
    if (decodeRun(rest, { sequence, offset, recordsMax: 1 }).records.length > 0) return
    if (size - offset > writeBytesMax) throw damage(this.segment, offset, 'unreadable record, and much behind it')
    if (holdsLaterWrite(rest, sequence)) throw damage(this.segment, offset, 'unreadable record before a sound one')
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#ahead])
    await this.#file.close()
  }

  #decode(): Run {
    const bytes = this.#chunk.bytes.subarray(Math.max(0, this.#offset - this.#chunk.offset))
    return decodeRun(bytes, { sequence: this.#sequence, offset: this.#offset, recordsMax: batchRecordsMax })
  }

  async #read(limit: number): Promise<Chunk> {
    const offset = this.#offset
    return { offset, bytes: await readBytes(this.#file, offset, Math.min(limit, offset + chunkBytesMax)) }
  }

  /** The chunk at the cursor that was fetched ahead, or null where the file may have more by now. */
  async #takeAhead(limit: number): Promise<Chunk | null> {
    const ahead = await this.#ahead
    this.#ahead = null
    if (ahead === null || ahead.offset !== this.#offset) return null
    const { length } = ahead.bytes
    return length >= recordBytesMax || ahead.offset + length >= limit ? ahead : null
  }

  #fetchAhead(limit: number): void {
    if (this.#offset >= limit) return
    this.#ahead = this.#read(limit)
    // Its error is that of the next call; until then nobody else listens.
    this.#ahead.catch(() => undefined)
  }
}
