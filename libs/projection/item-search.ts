// Finds an item by its name, in the newest pass that lists it, without reading more than a few pages.
import { placeOfItem, placesOf } from '#libs/domain/fold-listing'
import { keyOf } from '#libs/domain/keys'
import { orderOf } from '#libs/domain/name-order'
import { planPage } from '#libs/domain/plan'
import type { Bytes } from '#schemas/avro'
import type { EventOf } from '#schemas/events'
import type { ItemKind, ListedItem, Place } from '#schemas/records'
import { type ItemContext, readPage } from './item-reader.ts'
import { findPage } from './page-walk.ts'

export interface Listing {
  readonly page: EventOf<'ItemsListed'>
  /** Position of the page in its partition of the listings. */
  readonly position: number
  readonly partition: number
  readonly index: number
  readonly item: ListedItem
  /** Where the item stands by this page alone. */
  readonly place: Place
}

/** An entry of a page that is known; null when the page does not list the item. */
export async function listingOn(
  context: ItemContext,
  id: { readonly pass: number; readonly page: number },
  isWanted: (item: ListedItem) => boolean,
): Promise<Listing | null> {
  const row = await context.rows.get(keyOf.page(context.job, id))
  const page = await readPage(context, id)
  if (row === undefined || page === null) return null
  const index = page.items.findIndex(isWanted)
  const item = page.items[index]
  if (item === undefined) return null
  const place = placeOfItem(page, index, placesOf(page, planPage(page.items, page.packBytes)))
  return { page, position: row.listedAt, partition: row.partition, index, item, place }
}

const kinds: readonly ItemKind[] = ['file', 'directory']

/** What the walk of a pass listed under a name; null: nothing. */
export async function findListing(context: ItemContext, pass: number, name: Bytes): Promise<Listing | null> {
  // Directories stand elsewhere in the order than all other kinds.
  for (const kind of kinds) {
    const page = await findPage(context, pass, orderOf(name, kind))
    if (page === null) continue
    const found = await listingOn(context, { pass, page }, (item) => item.name.equals(name))
    if (found !== null) return found
  }
  return null
}
