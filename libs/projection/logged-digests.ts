// What the log says about the bytes of the version that a later pass replaces. A worker that reads the same bytes again
// sends none: only the time, owner or mode of the item had changed.
import { keyOf, type PageId, pageIdOf, parseChunkId, parsePageId } from '#libs/domain/keys'
import type { Bytes } from '#schemas/avro'
import type { Extent, Place, TransferredEntry } from '#schemas/records'
import type { ChunkRow } from '#schemas/rows'
import { readEvent } from './event-reader.ts'
import { type ItemContext, readPage } from './item-reader.ts'

/** Pages and transfers kept: the items of one pack stand on one page, and were mostly moved by few packs. */
const keptMax = 16

/** Reads each key once while it is among those asked for last. */
function createShelf<V>(read: (key: string) => Promise<V>): (key: string) => Promise<V> {
  const kept = new Map<string, Promise<V>>()
  return (key) => {
    const found = kept.get(key) ?? read(key)
    kept.delete(key)
    kept.set(key, found)
    const oldest = kept.size > keptMax ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    // What could not be read is asked for again.
    found.catch(() => kept.delete(key))
    return found
  }
}

/** Places of the versions that a walk found outdated, by item. A correction answers bytes that were found wrong: it has none. */
async function previousOf(context: ItemContext, id: PageId): Promise<ReadonlyMap<string, Place>> {
  const page = await readPage(context, id)
  const items = page?.kind === 'listing' ? page.items : []
  return new Map(items.flatMap(({ item, previous }) => (previous === null ? [] : [[item, previous] as const])))
}

/** True when the extent was written, and read back as it was sent. */
function isProven(row: ChunkRow, index: number): boolean {
  const isOdd = [...row.noted, ...row.disproved].some((exception) => exception.index === index)
  return row.local === 'transferred' && row.round > 0 && !isOdd
}

/**
 * SHA-256 of the version that the extent replaces, as the log proves it; null when it is not proven, or not a whole item's.
 * Throws what the log and the store throw.
 */
export function createLoggedDigests(context: ItemContext): (extent: Extent) => Promise<Bytes | null> {
  const { rows, log, job } = context
  const pages = createShelf((page) => previousOf(context, parsePageId(page)))
  const transfers = createShelf(async (place): Promise<readonly TransferredEntry[]> => {
    const [partition = 0, position = 0] = place.split('/').map(Number)
    return (await readEvent(log, 'ChunkTransferred', { topic: 'chunks', partition, position })).entries
  })
  return async ({ item, generation, replaces }) => {
    const row = await rows.get(keyOf.item(job, item))
    if (replaces === null || row?.place.form !== 'pack' || row.place.generation !== generation) return null
    const previous = (await pages(pageIdOf(parseChunkId(row.place.chunk)))).get(item)
    if (previous?.form !== 'pack') return null
    const moved = await rows.get(keyOf.chunk(job, previous.chunk))
    if (moved === undefined || !isProven(moved, previous.index)) return null
    const entry = (await transfers(`${moved.partition}/${moved.transferredAt}`))[previous.index]
    return entry?.seal === replaces ? entry.digest : null
  }
}
