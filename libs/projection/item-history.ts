// The whole history of one item: in which passes it was listed, its generations and why there is more than one, where each
// was placed, and what became of its chunks. From the log; rows are used to find the places in it.
import { keyOf, parseChunkId, parsePageId } from '#libs/domain/keys'
import type { Bytes } from '#schemas/avro'
import type { Place } from '#schemas/records'
import type { UploadRow } from '#schemas/rows'
import {
  chunksOfPlace,
  type PlacedChunk,
  type PlacedEvent,
  readChunkEvents,
  readUploadEvents,
} from './chunk-history.ts'
import { type CurrentItem, currentItemAt, type ItemContext } from './item-reader.ts'
import { findListing, type Listing, listingOn } from './item-search.ts'

export interface GenerationHistory {
  readonly generation: number
  /** The page that made it. */
  readonly listing: Listing
  readonly place: Place
  /** As it stands now, this generation alone. */
  readonly current: CurrentItem
  readonly upload: UploadRow | undefined
  readonly uploadEvents: readonly PlacedEvent[]
  readonly chunks: readonly PlacedChunk[]
  readonly chunkEvents: readonly PlacedEvent[]
}

export interface ItemHistory {
  readonly name: Bytes
  readonly item: string
  /** What each pass listed, oldest first; passes that did not list it are left out. */
  readonly passes: readonly Listing[]
  /** Oldest first. */
  readonly generations: readonly GenerationHistory[]
  /** The highest generation, as it stands now. */
  readonly current: CurrentItem
}

/** Passes and generations that are told; the newest ones. */
const passesMax = 200
const generationsMax = 200

const pageOf = (place: Place) => (place.form === 'page' ? parsePageId(place.chunk) : parseChunkId(place.chunk))

async function generationAt(
  context: ItemContext,
  listing: Listing,
  place: Place,
  signal: AbortSignal,
): Promise<GenerationHistory> {
  const { item } = listing
  const chunks = await chunksOfPlace(context, place)
  const upload =
    place.form === 'upload' ? await context.rows.get(keyOf.upload(context.job, item.item, place.generation)) : undefined
  const openedAt = upload?.opened?.openedAt ?? -1
  const { partition } = listing
  const opening = { item: item.item, generation: place.generation, partition, openedAt }
  return {
    generation: place.generation,
    listing,
    place,
    current: await currentItemAt(context, item, place),
    upload,
    uploadEvents: openedAt < 0 ? [] : await readUploadEvents(context, opening, signal),
    chunks,
    chunkEvents: await readChunkEvents(context, chunks, signal),
  }
}

/** From the newest generation back to the first: each names the one it replaced. */
async function generationsOf(
  context: ItemContext,
  newest: Listing,
  signal: AbortSignal,
): Promise<readonly GenerationHistory[]> {
  const id = newest.item.item
  const corrected = await context.rows.get(keyOf.item(context.job, id))
  const isCorrected = corrected !== undefined && corrected.place.generation > newest.place.generation
  let place: Place | null = isCorrected ? corrected.place : newest.place
  const generations: GenerationHistory[] = []
  while (place !== null && generations.length < generationsMax) {
    // A carried entry names the page of an earlier pass, where the generation was made.
    const listing: Listing | null = await listingOn(context, pageOf(place), ({ item }) => item === id)
    if (listing === null) break
    generations.push(await generationAt(context, listing, place, signal))
    place = listing.item.previous
  }
  return generations.reverse()
}

/** null: no pass lists such a name. Reads a few pages, and the log from where the item's chunks were planned. */
export async function readItemHistory(
  context: ItemContext,
  name: Bytes,
  signal: AbortSignal,
): Promise<ItemHistory | null> {
  const job = await context.rows.get(keyOf.job(context.job))
  const passes: Listing[] = []
  const newestPass = job?.pass ?? 0
  for (let pass = newestPass; pass > Math.max(0, newestPass - passesMax); pass -= 1) {
    const listing = await findListing(context, pass, name)
    if (listing !== null) passes.unshift(listing)
  }
  const newest = passes.at(-1)
  if (newest === undefined) return null
  const generations = await generationsOf(context, newest, signal)
  const current = generations.at(-1)?.current
  if (current === undefined) return null
  return { name, item: newest.item.item, passes, generations, current }
}
