// What the log says of chunks over their whole life: attempts, failures, readings. The rows keep the last of each only, so
// the partition is read from where the chunks were planned to where their rows last changed.
import { chunkIdOf, keyOf, parseChunkId } from '#libs/domain/keys'
import { type EventLog, partitionId } from '#libs/log/event-log'
import { type EventOf, isEvent, type WaybillEvent } from '#schemas/events'
import type { Place, Proof } from '#schemas/records'
import type { ChunkRow } from '#schemas/rows'
import { decodeEvent, eventIn } from '#schemas/wire'
import type { ItemContext } from './item-reader.ts'

/** The reading at a position; null when no reading stands there. */
export async function readProof(log: EventLog, partition: number, position: number): Promise<Proof | null> {
  const record = await log.readAt('chunks', partition, position)
  if (record?.value == null) return null
  const event = decodeEvent(record.value)
  return event.type === 'ChunkVerified' || event.type === 'ChunkFailed' ? event.proof : null
}

/** Events that tell of one item after it was listed. */
const itemEventTypes = [
  'UploadOpened',
  'ChunkPlanned',
  'ChunkLeased',
  'ChunkTransferred',
  'ChunkVerified',
  'ChunkFailed',
  'UploadSealed',
] as const
export type ItemEvent = EventOf<(typeof itemEventTypes)[number]>

function isItemEvent(event: WaybillEvent): event is ItemEvent {
  return itemEventTypes.some((type) => isEvent(event, type))
}

export interface PlacedEvent {
  readonly topic: 'chunks' | 'listings'
  readonly partition: number
  readonly position: number
  readonly event: ItemEvent
}

export interface PlacedChunk {
  readonly chunk: string
  /** undefined: not planned yet. */
  readonly row: ChunkRow | undefined
}

const rowsAtOnce = 500

/** The chunks of a place, in order. */
export async function chunksOfPlace({ rows, job }: ItemContext, place: Place): Promise<readonly PlacedChunk[]> {
  if (place.form === 'page') return []
  const first = parseChunkId(place.chunk)
  const count = place.form === 'pack' ? 1 : place.count
  const chunks: PlacedChunk[] = []
  for (let start = 0; start < count; start += rowsAtOnce) {
    const ids = Array.from({ length: Math.min(rowsAtOnce, count - start) }, (_, n) =>
      chunkIdOf({ ...first, n: first.n + start + n }),
    )
    const found = await rows.getMany(ids.map((id) => keyOf.chunk(job, id)))
    chunks.push(...ids.map((chunk, index) => ({ chunk, row: found[index] })))
  }
  return chunks
}

/** Behind the last event that the row tells of; null: more may follow. */
function endOfRow(row: ChunkRow): number | null {
  return row.local === 'transferred' && row.provenAt >= 0 ? Math.max(row.transferredAt, row.provenAt) + 1 : null
}

interface Stretch {
  readonly from: number
  readonly to: number
}

/** Positions of each partition that can hold events of the chunks. */
async function stretchesOf(log: EventLog, chunks: readonly PlacedChunk[]): Promise<ReadonlyMap<number, Stretch>> {
  const ends = await log.ends()
  const stretches = new Map<number, Stretch>()
  for (const { row } of chunks) {
    if (row === undefined || row.plannedAt < 0) continue
    const end = endOfRow(row) ?? ends.get(partitionId('chunks', row.partition)) ?? 0
    const known = stretches.get(row.partition)
    stretches.set(row.partition, {
      from: Math.min(known?.from ?? row.plannedAt, row.plannedAt),
      to: Math.max(known?.to ?? end, end),
    })
  }
  return stretches
}

/** All events of the chunks, in the order of each partition. Reads the log from their planning on. */
export async function readChunkEvents(
  { log, job }: ItemContext,
  chunks: readonly PlacedChunk[],
  signal: AbortSignal,
): Promise<readonly PlacedEvent[]> {
  const wanted = new Set(chunks.map(({ chunk }) => chunk))
  const stretches = await stretchesOf(log, chunks)
  const events: PlacedEvent[] = []
  await readStretches(log, 'chunks', stretches, signal, (placed) => {
    const { event } = placed
    // Jobs count their chunks alike.
    if ('chunk' in event && event.job === job && wanted.has(event.chunk)) events.push(placed)
  })
  return events
}

/** Opening and sealing of an upload: from where it was opened on. */
export async function readUploadEvents(
  { log, job }: ItemContext,
  upload: { readonly item: string; readonly generation: number; readonly partition: number; readonly openedAt: number },
  signal: AbortSignal,
): Promise<readonly PlacedEvent[]> {
  const { item, generation, partition, openedAt } = upload
  const ends = await log.ends()
  const to = ends.get(partitionId('listings', partition)) ?? 0
  const events: PlacedEvent[] = []
  await readStretches(log, 'listings', new Map([[partition, { from: openedAt, to }]]), signal, (placed) => {
    const { event } = placed
    const isOfUpload = event.type === 'UploadOpened' || event.type === 'UploadSealed'
    if (isOfUpload && event.job === job && event.item === item && event.generation === generation) events.push(placed)
  })
  return events
}

/** Hands over every event of the stretches of one topic, and stops behind the last one. */
async function readStretches(
  log: EventLog,
  topic: 'chunks' | 'listings',
  stretches: ReadonlyMap<number, Stretch>,
  signal: AbortSignal,
  take: (placed: PlacedEvent) => void,
): Promise<void> {
  const open = new Set([...stretches].filter(([, { from, to }]) => from < to).map(([partition]) => partition))
  if (open.size === 0) return
  const from = new Map(await log.ends())
  for (const [partition, stretch] of stretches) from.set(partitionId(topic, partition), stretch.from)
  const stop = new AbortController()
  for await (const records of log.read(from, AbortSignal.any([signal, stop.signal]))) {
    for (const { topic: of, partition, position, value } of records) {
      const stretch = of === topic ? stretches.get(partition) : undefined
      if (stretch === undefined) continue
      const event = position < stretch.to ? eventIn({ value }) : null
      if (event !== null && isItemEvent(event)) take({ topic, partition, position, event })
      if (position >= stretch.to - 1) open.delete(partition)
    }
    if (open.size === 0) stop.abort()
  }
  signal.throwIfAborted()
}
