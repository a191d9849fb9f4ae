// Appends to the last segment. Calls that come while a write is on its way wait and share the next one: one write, one
// fdatasync, then all of them are answered (group commit). Only one write is ever unfinished, which is what recovery
// relies on (record-format.ts).
//
// * No space: what was written of the group is cut back to the last whole record; whole ones stay, since a reader in
//   another process may have seen them. The log stays usable.
// * Any other failed write, and every failed sync: the kernel may have dropped the bytes and will not say so twice, so the
//   log takes no more. The unsynced bytes are cut off if that still works, lest a restart trusts what only the cache holds.
import { strict as assert } from 'node:assert'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { batchRecordsMax, type LogRecord, type NewRecord } from '#libs/log/event-log'
import { assertFits } from '#libs/log/record-rules'
import { isLogFull, logError } from './log-error.ts'
import { encodeWrite, type Run, recordBytes } from './record-format.ts'
import type { SegmentChain } from './segment-chain.ts'
import { writeBytesMax } from './segment-cursor.ts'
import { encodeHeader, type SegmentHeader, segmentName } from './segment-header.ts'

interface Call {
  readonly records: readonly NewRecord[]
  /** Positions that the records bring with them, or null: the next ones of their partitions. */
  readonly given: readonly number[] | null
  readonly positions: number[]
  readonly resolve: (positions: readonly number[]) => void
  readonly reject: (error: unknown) => void
}

export interface SegmentWriterOptions {
  readonly chain: SegmentChain
  readonly segmentBytesMax: number
}

export class SegmentWriter {
  readonly #chain: SegmentChain
  readonly #segmentBytesMax: number
  #file: FileHandle | null = null
  #calls: Call[] = []
  #committing: Promise<void> | null = null
  /** Why the log takes no more records. */
  #failure: { readonly error: unknown } | null = null

  constructor({ chain, segmentBytesMax }: SegmentWriterOptions) {
    this.#chain = chain
    this.#segmentBytesMax = segmentBytesMax
  }

  /** Makes the first segment, or continues the last one, from which whatever a crash left behind is cut off. */
  async start(): Promise<void> {
    const last = this.#chain.segments.at(-1)
    if (last === undefined) {
      await this.#startSegment()
      return
    }
    const file = await open(join(this.#chain.folder, last.name), 'r+')
    this.#file = file
    await file.truncate(this.#chain.end.offset)
    // After a kill the cache may hold whole records that were never synced; from now on they count as durable.
    await file.datasync()
    await syncFolder(this.#chain.folder)
  }

  append(records: readonly NewRecord[], given: readonly number[] | null): Promise<readonly number[]> {
    for (const record of records) assertFits(record, this.#chain.table.counts)
    if (records.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      this.#calls.push({ records, given, positions: [], resolve, reject })
      this.#committing ??= this.#commitAll()
    })
  }

  /** Waits for the appends under way. */
  async close(): Promise<void> {
    await this.#committing
    await this.#file?.close()
    this.#file = null
  }

  async #commitAll(): Promise<void> {
    // Calls made in the same turn of the caller go into one write.
    await Promise.resolve()
    while (this.#calls.length > 0) await this.#commit()
    this.#committing = null
  }

  /** One write: as many records of the waiting calls, in order, as fit. Calls that are done or lost leave the queue. */
  async #commit(): Promise<void> {
    const { placed, bytes } = this.#placeRecords()
    const { sequence } = this.#chain.end
    let error: unknown = null
    try {
      if (this.#failure !== null) throw this.#failure.error
      await this.#write(await this.#fileFor(bytes), placed)
    } catch (thrown) {
      error = logError(thrown, 'LOG_WRITE_ERROR', { folder: this.#chain.folder })
    }
    this.#settle(placed, this.#chain.end.sequence - sequence, error)
  }

  #placeRecords(): { readonly placed: readonly LogRecord[]; readonly bytes: number } {
    const next = [...this.#chain.ends]
    const placed: LogRecord[] = []
    let bytes = 0
    for (const call of this.#calls) {
      for (let index = call.positions.length; index < call.records.length; index += 1) {
        const record = call.records[index]
        if (record === undefined) break
        const size = recordBytes(record)
        if (placed.length === batchRecordsMax || bytes + size > writeBytesMax) return { placed, bytes }
        const slot = this.#chain.table.slotOf(record.topic, record.partition)
        const position = call.given?.[index] ?? next[slot] ?? 0
        next[slot] = position + 1
        placed.push({ ...record, position })
        bytes += size
      }
    }
    return { placed, bytes }
  }

  /** @param durable how many of the placed records are in the log for good */
  #settle(placed: readonly LogRecord[], durable: number, error: unknown): void {
    let done = 0
    while (done < placed.length) {
      const call = this.#calls[0]
      assert(call !== undefined, 'a placed record belongs to a waiting call')
      const count = Math.min(call.records.length - call.positions.length, placed.length - done)
      const kept = placed.slice(done, Math.min(done + count, Math.max(done, durable)))
      for (const { position } of kept) call.positions.push(position)
      done += count
      if (call.positions.length === call.records.length) {
        this.#calls.shift()
        call.resolve(call.positions)
      } else if (kept.length < count) {
        assert(error !== null, 'a record is lost with a reason only')
        this.#calls.shift()
        call.reject(error)
      }
    }
  }

  async #write(file: FileHandle, placed: readonly LogRecord[]): Promise<void> {
    const { end } = this.#chain
    const { run, bytes } = encodeWrite(placed, end)
    const progress = { written: 0 }
    try {
      await writeAll(file, bytes, end.offset, progress)
    } catch (error) {
      const refusal = logError(error, 'LOG_WRITE_ERROR', { folder: this.#chain.folder })
      if (!isLogFull(refusal)) return this.#fail(file, refusal)
      await this.#keepWhole(file, run, end.offset + progress.written)
      throw refusal
    }
    await this.#sync(file)
    this.#chain.extend(run)
  }

  async #keepWhole(file: FileHandle, run: Run, written: number): Promise<void> {
    const endOf = (index: number): number => run.offsets[index + 1] ?? run.end
    const records = run.records.filter((_, index) => endOf(index) <= written)
    const end = records.length === 0 ? this.#chain.end.offset : endOf(records.length - 1)
    try {
      await file.truncate(end)
    } catch (error) {
      return this.#fail(file, logError(error, 'LOG_WRITE_ERROR', { folder: this.#chain.folder }))
    }
    if (records.length === 0) return
    await this.#sync(file)
    this.#chain.extend({ ...run, records, end })
  }

  async #sync(file: FileHandle): Promise<void> {
    try {
      await file.datasync()
    } catch (error) {
      await this.#fail(file, logError(error, 'LOG_WRITE_ERROR', { folder: this.#chain.folder }))
    }
  }

  async #fail(file: FileHandle, error: unknown): Promise<never> {
    this.#failure = { error }
    try {
      await file.truncate(this.#chain.end.offset)
    } catch {
      // The disk has failed already; the next opening checks what is there.
    }
    throw error
  }

  async #fileFor(bytes: number): Promise<FileHandle> {
    const { offset } = this.#chain.end
    const isFull = offset + bytes > this.#segmentBytesMax && offset > this.#chain.headerBytes
    if (this.#file === null || isFull) await this.#startSegment()
    assert(this.#file !== null)
    return this.#file
  }

  async #startSegment(): Promise<void> {
    const chain = this.#chain
    const last = chain.segments.at(-1)
    const header: SegmentHeader = {
      first: chain.end.sequence,
      previous: last === undefined ? null : { first: last.first, bytes: chain.end.offset },
      counts: chain.table.counts,
      starts: [...chain.ends],
    }
    const path = join(chain.folder, segmentName(header.first))
    const filled = this.#file
    try {
      this.#file = await createSegment(path, encodeHeader(header))
    } catch (error) {
      const failure = logError(error, 'LOG_WRITE_ERROR', { folder: chain.folder })
      if (!isLogFull(failure)) this.#failure = { error: failure }
      throw failure
    }
    chain.addSegment(header)
    await filled?.close()
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, offset: number, progress: { written: number }): Promise<void> {
  while (progress.written < bytes.length) {
    const rest = bytes.length - progress.written
    const { bytesWritten } = await file.write(bytes, progress.written, rest, offset + progress.written)
    assert(bytesWritten > 0, 'a write that writes nothing says why')
    progress.written += bytesWritten
  }
}

/** The file and its name are durable when it resolves. */
async function createSegment(path: string, head: Buffer): Promise<FileHandle> {
  const file = await open(path, 'wx+')
  try {
    await writeAll(file, head, 0, { written: 0 })
    await file.datasync()
    await syncFolder(dirname(path))
    return file
  } catch (error) {
    await file.close()
    await unlink(path)
    throw error
  }
}

/** New names in a folder survive a power cut only after this. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
