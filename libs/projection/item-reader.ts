// What the log and the store say about the items of a page now: the generation that stands, where it stands, its outcome,
// and the evidence (key, seal, digests). Used by later passes, corrections, comparison, reports and `explain`.

import { placeOfItem, placesOf } from '#libs/domain/fold-listing'
import { chunkIdOf, keyOf, type PageId, parseChunkId, parsePageId } from '#libs/domain/keys'
import { planPage } from '#libs/domain/plan'
import { commonOutcome, exceptionsOf, uploadOutcome } from '#libs/domain/tally'
import type { EventLog } from '#libs/log/event-log'
import type { Bytes } from '#schemas/avro'
import type { EventOf } from '#schemas/events'
import type { ListedItem, Outcome, Place, TransferredEntry, VerifiedEntry } from '#schemas/records'
import type { ChunkRow, ItemRow } from '#schemas/rows'
import { readEvent } from './event-reader.ts'
import type { RowReader } from './row-reader.ts'

export interface ItemContext {
  readonly rows: RowReader
  readonly log: EventLog
  readonly job: string
}

/** The event of a listed page; null when the page is not known. */
export async function readPage(context: ItemContext, id: PageId): Promise<EventOf<'ItemsListed'> | null> {
  const row = await context.rows.get(keyOf.page(context.job, id))
  if (row === undefined || !row.isListed) return null
  return readEvent(context.log, 'ItemsListed', { topic: 'listings', partition: row.partition, position: row.listedAt })
}

export interface CurrentItem {
  /** As the page of its highest generation lists it. */
  readonly listed: ListedItem
  readonly place: Place
  readonly outcome: Outcome
  readonly code: string | null
  /** Chunk row of a packed item. */
  readonly chunk: ChunkRow | null
}

const pageOfPlace = (place: Place): PageId =>
  place.form === 'page' ? parsePageId(place.chunk) : parseChunkId(place.chunk)

/** Rows and pages that several items of one page share, read once. */
function createMemo<V>(read: (key: string) => Promise<V>): (key: string) => Promise<V> {
  const known = new Map<string, Promise<V>>()
  return (key) => {
    const found = known.get(key) ?? read(key)
    known.set(key, found)
    return found
  }
}

async function listedAt(
  pages: (key: string) => Promise<EventOf<'ItemsListed'> | null>,
  place: Place,
  item: ListedItem,
): Promise<ListedItem> {
  const { pass, page } = pageOfPlace(place)
  const event = await pages(`${pass}.${page}`)
  return event?.items.find((entry) => entry.item === item.item) ?? item
}

function outcomeInPack(row: ChunkRow | undefined, index: number): { outcome: Outcome; code: string | null } {
  if (row === undefined) return { outcome: 'pending', code: null }
  if (row.local !== 'failed') {
    const exception = exceptionsOf(row).find((entry) => entry.index === index)
    if (exception !== undefined) return { outcome: exception.outcome, code: exception.code }
  }
  return { outcome: commonOutcome(row), code: row.local === 'failed' ? row.code : null }
}

type ChunkMemo = (chunk: string) => Promise<ChunkRow | undefined>

async function itemAt(context: ItemContext, chunks: ChunkMemo, listed: ListedItem, place: Place): Promise<CurrentItem> {
  switch (place.form) {
    case 'page':
      return { listed, place, outcome: place.outcome ?? 'pending', code: place.code, chunk: null }
    case 'pack': {
      const chunk = await chunks(place.chunk)
      return { listed, place, ...outcomeInPack(chunk, place.index), chunk: chunk ?? null }
    }
    case 'upload': {
      const upload = await context.rows.get(keyOf.upload(context.job, listed.item, place.generation))
      const result = upload === undefined ? { outcome: 'pending' as const, code: null } : uploadOutcome(upload)
      return { listed, place, ...result, chunk: null }
    }
  }
}

/** One item as it stands at a place that is known. */
export function currentItemAt(context: ItemContext, listed: ListedItem, place: Place): Promise<CurrentItem> {
  return itemAt(context, (chunk) => context.rows.get(keyOf.chunk(context.job, chunk)), listed, place)
}

/** Only items of a later generation have rows: a job that has none is asked once, and not for each of its items. */
async function itemRowsOf(
  { rows, job }: ItemContext,
  items: readonly ListedItem[],
): Promise<readonly (ItemRow | undefined)[]> {
  const [any] = await rows.slice('item', `item/${job}/`, 1)
  return any === undefined ? [] : rows.getMany(items.map(({ item }) => keyOf.item(job, item)))
}

/** The items of a page as they stand now, in the page's order. */
export async function currentItems(
  context: ItemContext,
  page: EventOf<'ItemsListed'>,
): Promise<readonly CurrentItem[]> {
  const { rows, job } = context
  const planned = placesOf(page, planPage(page.items, page.packBytes))
  const itemRows = await itemRowsOf(context, page.items)
  const chunks = createMemo((chunk) => rows.get(keyOf.chunk(job, chunk)))
  const pages = createMemo((id) => readPage(context, parsePageId(id)))
  const current: CurrentItem[] = []
  for (const [index, item] of page.items.entries()) {
    const own = placeOfItem(page, index, planned)
    const row = itemRows[index]
    const isCorrected = row !== undefined && row.place.generation > own.generation
    const place = isCorrected ? row.place : own
    const listed = isCorrected ? await listedAt(pages, place, item) : item
    current.push(await itemAt(context, chunks, listed, place))
  }
  return current
}

export interface ChunkEvidence {
  readonly offset: number
  readonly length: number
  /** SHA-256 of what was read at the source; null when nothing was read. */
  readonly digest: Bytes | null
  /** SHA-256 of what the target returned, where that was not the digest; empty when nothing could be read. */
  readonly wrong: Bytes | null
}

export interface Evidence {
  readonly key: Bytes | null
  readonly seal: string | null
  readonly chunks: readonly ChunkEvidence[]
}

const noEvidence: Evidence = { key: null, seal: null, chunks: [] }

export interface EvidenceReader {
  of(item: CurrentItem): Promise<Evidence>
}

/** Chunk events kept at a time: packs are read in order, one after the other. */
const eventsKept = 8

/** Reads key, seal and digests of items from the chunk events; keeps the few events read last. */
export function createEvidenceReader(context: ItemContext): EvidenceReader {
  const { rows, log, job } = context
  const kept = new Map<string, Promise<WholeChunk>>()
  const wholeChunk = (chunk: string, row: ChunkRow): Promise<WholeChunk> => {
    const found = kept.get(chunk) ?? readWholeChunk(log, row)
    kept.delete(chunk)
    kept.set(chunk, found)
    const oldest = kept.size > eventsKept ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    return found
  }
  return {
    async of({ listed, place, chunk }) {
      if (place.form === 'page') return noEvidence
      if (place.form === 'pack') {
        return chunk === null || chunk.plannedAt < 0
          ? noEvidence
          : evidenceInPack(await wholeChunk(place.chunk, chunk), place.index)
      }
      const upload = await rows.get(keyOf.upload(job, listed.item, place.generation))
      const parts = await readParts(context, place)
      return { key: parts.key, seal: upload?.sealed?.seal ?? null, chunks: parts.chunks }
    },
  }
}

export interface WholeChunk {
  readonly planned: EventOf<'ChunkPlanned'>
  readonly entries: readonly TransferredEntry[]
  readonly proofs: readonly VerifiedEntry[]
}

/** What the log says of one chunk: its plan, its last transfer, its last proof if something was wrong. */
export async function readWholeChunk(log: EventLog, row: ChunkRow): Promise<WholeChunk> {
  const { partition } = row
  const at = (position: number) => ({ topic: 'chunks' as const, partition, position })
  const planned = await readEvent(log, 'ChunkPlanned', at(row.plannedAt))
  const moved = row.transferredAt < 0 ? null : await readEvent(log, 'ChunkTransferred', at(row.transferredAt))
  const failed = row.disproved.length === 0 ? null : await readEvent(log, 'ChunkFailed', at(row.provenAt))
  return { planned, entries: moved?.entries ?? [], proofs: failed?.proof?.entries ?? [] }
}

function wrongDigest(proof: VerifiedEntry | undefined): Bytes | null {
  return proof === undefined || proof.outcome === 'verified' || proof.outcome === 'not_written' ? null : proof.digest
}

function evidenceInPack(chunk: WholeChunk, index: number): Evidence {
  const extent = chunk.planned.extents[index]
  if (extent === undefined) return noEvidence
  const entry = chunk.entries[index]
  const proof = chunk.proofs[index]
  const isRead = entry !== undefined && entry.digest.length > 0
  return {
    key: extent.key,
    seal: entry?.seal ?? null,
    chunks: isRead
      ? [{ offset: extent.offset, length: extent.length, digest: entry.digest, wrong: wrongDigest(proof) }]
      : [],
  }
}

const partsReadAtOnce = 64

/** Key and digests of the parts of an upload, in order. */
async function readParts(context: ItemContext, place: Place): Promise<{ key: Bytes | null; chunks: ChunkEvidence[] }> {
  const first = parseChunkId(place.chunk)
  const ids = Array.from({ length: place.count }, (_, n) => chunkIdOf({ ...first, n: first.n + n }))
  const chunks: ChunkEvidence[] = []
  let key: Bytes | null = null
  for (let start = 0; start < ids.length; start += partsReadAtOnce) {
    const slice = ids.slice(start, start + partsReadAtOnce)
    const rows = await context.rows.getMany(slice.map((id) => keyOf.chunk(context.job, id)))
    for (const row of rows) {
      if (row === undefined || row.plannedAt < 0) continue
      const whole = await readWholeChunk(context.log, row)
      const extent = whole.planned.extents[0]
      if (extent === undefined) continue
      key ??= extent.key
      const digest = whole.entries[0]?.digest ?? null
      chunks.push({ offset: extent.offset, length: extent.length, digest, wrong: wrongDigest(whole.proofs[0]) })
    }
  }
  return { key, chunks }
}
