// The live end of all event streams of a process: what the projection folds is written down once for each event that
// somebody reads, however many read it. A stream that begins in the past reads the log by itself until it has caught up.
import { type LogRecord, type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import type { FoldedRecord, Projection } from '#libs/projection/projection'
import type { WaybillEvent } from '#schemas/events'
import { loggedEvent } from './event-text.ts'
import { type PartitionCounts, positionText } from './position-text.ts'

export interface Reader {
  readonly job: string
  /** null: all types. */
  readonly types: ReadonlySet<string> | null
  /** Positions that it has read beyond what was folded when it joined. */
  ahead: Map<PartitionId, number>
  /** Blocks of text/event-stream. */
  write(text: string): void
}

export interface EventFeed {
  /** Delivers what is folded from now on. Returns the way to leave. */
  join(reader: Reader): () => void
  readers(): number
  /** The position that the feed stands at, as an id. */
  position(): string
  stop(): void
}

export function eventBlock(record: Pick<LogRecord, 'topic' | 'partition' | 'position'>, event: WaybillEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(loggedEvent(record, event))}\n\n`
}

/** A block without an event, after which the client's last id is this one. */
export function idBlock(id: string): string {
  return `id: ${id}\n\n`
}

/** Rates say nothing that lasts, and are no part of a migration's history. */
export function isShown(event: WaybillEvent | null, job: string, types: ReadonlySet<string> | null): boolean {
  if (event === null || event.job !== job || event.type === 'RateGranted' || event.type === 'WorkerReported')
    return false
  return types === null || types.has(event.type)
}

/** The later of both, partition by partition. */
export function laterOf(one: Positions, other: Positions): Map<PartitionId, number> {
  const later = new Map(one)
  for (const [id, next] of other) later.set(id, Math.max(later.get(id) ?? 0, next))
  return later
}

export function createEventFeed(projection: Projection, counts: PartitionCounts): EventFeed {
  const readers = new Map<string, Set<Reader>>()
  let count = 0

  function deliver(folded: readonly FoldedRecord[], reader: Reader, blocks: Map<FoldedRecord, string>): void {
    let text = ''
    for (const entry of folded) {
      const { event, record } = entry
      if (!isShown(event, reader.job, reader.types) || event === null) continue
      if (record.position < (reader.ahead.get(partitionId(record.topic, record.partition)) ?? 0)) continue
      const block = blocks.get(entry) ?? eventBlock(record, event)
      blocks.set(entry, block)
      text += block
    }
    if (text === '') return
    const positions = projection.positions()
    const isAhead = [...reader.ahead].some(([id, next]) => next > (positions.get(id) ?? 0))
    if (!isAhead) reader.ahead = new Map()
    // The id goes with the last event: a client that loses the connection within a batch gets the batch again.
    const id = positionText(isAhead ? laterOf(positions, reader.ahead) : positions, counts)
    reader.write(`${text.slice(0, -1)}id: ${id}\n\n`)
  }

  function listen(folded: readonly FoldedRecord[]): void {
    if (count === 0) return
    const jobs = new Set(folded.map(({ event }) => event?.job ?? ''))
    for (const job of jobs) {
      const blocks = new Map<FoldedRecord, string>()
      for (const reader of readers.get(job) ?? []) deliver(folded, reader, blocks)
    }
  }

  const stop = projection.observe(listen)
  return {
    join(reader) {
      const ofJob = readers.get(reader.job) ?? new Set()
      ofJob.add(reader)
      readers.set(reader.job, ofJob)
      count += 1
      let isThere = true
      return () => {
        if (!isThere) return
        isThere = false
        count -= 1
        ofJob.delete(reader)
        if (ofJob.size === 0) readers.delete(reader.job)
      }
    },
    readers: () => count,
    position: () => positionText(projection.positions(), counts),
    stop,
  }
}
