// The event log of a job on one machine: a folder of segment files, one physical sequence for all topics and partitions.
// One process writes (the job's lock keeps others out; it is not taken here), any number read.
//
// * An append is answered when it is on the disk: calls made at once share one write and one fdatasync.
// * The buffers of appended records belong to the log from the call on. Keys and values that it hands out are views of
//   larger buffers: what is kept for long is copied.
// * Readers in the writing process see a record only once it is durable; a reader in another process may see it before.
import { unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { EventLog, LogRecord, NewRecord, Positions } from '#libs/log/event-log'
import type { PartitionCounts } from '#libs/log/record-rules'
import type { Clock } from '#libs/runtime/clock'
import { makeFolder } from '#libs/runtime/folders'
import type { Topic } from '#schemas/events'
import { logError } from './log-error.ts'
import type { SegmentChain } from './segment-chain.ts'
import { SegmentFollower } from './segment-follower.ts'
import { type CutShort, openChain } from './segment-opening.ts'
import { SegmentReader } from './segment-reader.ts'
import { SegmentWriter, syncFolder } from './segment-writer.ts'

const MiB = 1024 * 1024
const segmentBytesDefault = 64 * MiB

interface Place {
  readonly folder: string
  /** Of a new log; an existing one must have the same. */
  readonly partitionCounts: PartitionCounts
}

export type SegmentLogOptions =
  | (Place & { readonly isReadOnly?: false; readonly segmentBytesMax?: number })
  | (Place & { readonly isReadOnly: true; readonly clock: Clock })

export interface SegmentLog extends EventLog {
  /** What a crash left unfinished at the end when the log was opened, for the record; a writer has cut it off. */
  readonly cutShort: CutShort | null
}

type Role =
  | { readonly kind: 'writer'; readonly writer: SegmentWriter }
  | { readonly kind: 'follower'; readonly follower: SegmentFollower }

class FolderLog implements SegmentLog {
  readonly cutShort: CutShort | null
  readonly #chain: SegmentChain
  readonly #role: Role
  readonly #closing = new AbortController()

  constructor(opened: { readonly chain: SegmentChain; readonly cutShort: CutShort | null; readonly role: Role }) {
    this.cutShort = opened.cutShort
    this.#chain = opened.chain
    this.#role = opened.role
  }

  async partitionCounts(): Promise<PartitionCounts> {
    return this.#chain.table.counts
  }

  async append(records: readonly NewRecord[]): Promise<readonly number[]> {
    this.#closing.signal.throwIfAborted()
    if (this.#role.kind === 'follower') throw new TypeError('a log opened for reading takes no records')
    return this.#role.writer.append(records, null)
  }

  async *read(from: Positions, signal: AbortSignal): AsyncGenerator<readonly LogRecord[], void, undefined> {
    const stop = AbortSignal.any([signal, this.#closing.signal])
    await this.#guard(() => this.#lookBehind())
    const reader = new SegmentReader(this.#chain, from)
    try {
      while (!stop.aborted) {
        const records = await this.#guard(() => reader.next())
        if (stop.aborted) return
        if (records.length > 0) yield records
        else await this.#guard(() => this.#waitForMore(stop))
      }
    } finally {
      await reader.close()
    }
  }

  async ends(): Promise<Positions> {
    await this.#guard(() => this.#lookBehind())
    return this.#chain.table.positions(this.#chain.ends)
  }

  readAt(topic: Topic, partition: number, position: number): Promise<LogRecord | null> {
    return this.#guard(async () => {
      const slot = this.#chain.table.slotOf(topic, partition)
      if (position >= (this.#chain.ends[slot] ?? 0)) await this.#lookBehind()
      if (position >= (this.#chain.ends[slot] ?? 0)) return null
      const segment = this.#chain.segmentOfPosition(slot, position)
      const block = segment && (await this.#chain.indexOf(segment)).blockOf(slot, position)
      if (segment === null || block === null) return null
      return this.#chain.findRecord(segment, block, { topic, partition, position })
    })
  }

  /** Waits for appends under way; readings end. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the log is closed'))
    this.#chain.arrivals.close()
    if (this.#role.kind === 'writer') await this.#role.writer.close()
    else await this.#role.follower.close()
  }

  /** In another process more may have been written than is known here. */
  async #lookBehind(): Promise<void> {
    if (this.#role.kind === 'follower') while (await this.#role.follower.look());
  }

  #waitForMore(signal: AbortSignal): Promise<void> {
    return this.#role.kind === 'writer' ? this.#chain.arrivals.next(signal) : this.#role.follower.wait(signal)
  }

  async #guard<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw logError(error, 'LOG_UNREACHABLE', { folder: this.#chain.folder })
    }
  }
}

/** A folder that is new is durable under its name, and a segment whose making was cut short is gone, when it resolves. */
export async function startWriter(place: Place & { readonly segmentBytesMax?: number }): Promise<{
  readonly chain: SegmentChain
  readonly cutShort: CutShort | null
  readonly writer: SegmentWriter
}> {
  const { folder, partitionCounts, segmentBytesMax = segmentBytesDefault } = place
  const made = await makeFolder(folder)
  if (made !== null) await syncFolder(dirname(made))
  const { chain, cutShort } = await openChain(folder, partitionCounts)
  const isUnknown = cutShort !== null && !chain.segments.some(({ name }) => name === cutShort.segment)
  if (isUnknown) await unlink(join(folder, cutShort.segment))
  const writer = new SegmentWriter({ chain, segmentBytesMax })
  await writer.start()
  return { chain, cutShort, writer }
}

/**
 * Opens the log in a folder, which is made where it is missing; a reader waits for it to come.
 * @throws WaybillError LOG_DAMAGED (segment, byte offset, reason), LOG_NEWER, LOG_FULL, LOG_UNREACHABLE, CONFIG_INVALID
 * (the log has another number of partitions)
 */
export async function openSegmentLog(options: SegmentLogOptions): Promise<SegmentLog> {
  try {
    if (options.isReadOnly === true) {
      const { chain, cutShort } = await openChain(options.folder, options.partitionCounts)
      const follower = new SegmentFollower(chain, options.clock)
      return new FolderLog({ chain, cutShort, role: { kind: 'follower', follower } })
    }
    const { chain, cutShort, writer } = await startWriter(options)
    return new FolderLog({ chain, cutShort, role: { kind: 'writer', writer } })
  } catch (error) {
    throw logError(error, 'LOG_UNREACHABLE', { folder: options.folder })
  }
}
