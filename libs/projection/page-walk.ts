// Walks the listing pages of a pass in their order (the order of names) with the state of each item as it stands now.

import { keyOf } from '#libs/domain/keys'
import { compareOrder, orderOf } from '#libs/domain/name-order'
import type { EventOf } from '#schemas/events'
import type { ListedItem } from '#schemas/records'
import type { PageRow } from '#schemas/rows'
import { type CurrentItem, currentItems, type ItemContext, readPage } from './item-reader.ts'

/** Page rows read at a time. */
const rowsAtOnce = 64

/** Numbers of the pages that the walk of a pass appended (corrections left out), in order, from `firstPage` on. */
export async function* walkedPages(context: ItemContext, pass: number, firstPage = 0): AsyncGenerator<number> {
  const { rows, job } = context
  for (let page = firstPage; ; page += rowsAtOnce) {
    const numbers = Array.from({ length: rowsAtOnce }, (_, n) => page + n)
    const found = await rows.getMany(numbers.map((number) => keyOf.page(job, { pass, page: number })))
    for (const [index, row] of found.entries()) {
      if (row === undefined || !row.isListed) return
      if (row.kind === 'listing') yield page + index
    }
  }
}

/** The last item that the walk of a pass has listed so far; null: none. Reads one page. */
export async function lastWalkedItem(context: ItemContext, pass: number): Promise<ListedItem | null> {
  const { rows, job } = context
  const listing = await rows.get(keyOf.listing(job, pass))
  for (let page = (listing?.pages ?? 0) - 1; page >= 0; page -= 1) {
    const row = await rows.get(keyOf.page(job, { pass, page }))
    if (row === undefined || row.kind !== 'listing' || row.items === 0) continue
    return (await readPage(context, { pass, page }))?.items.at(-1) ?? null
  }
  return null
}

interface WalkedPage {
  readonly event: EventOf<'ItemsListed'>
  readonly items: readonly CurrentItem[]
}

async function* walkPages(context: ItemContext, pass: number, firstPage = 0): AsyncGenerator<WalkedPage> {
  for await (const page of walkedPages(context, pass, firstPage)) {
    const event = await readPage(context, { pass, page })
    if (event !== null) yield { event, items: await currentItems(context, event) }
  }
}

/** The first walked page in [from, to), with its row. */
async function walkedPageIn(
  { rows, job }: ItemContext,
  pass: number,
  range: { readonly from: number; readonly to: number },
): Promise<{ readonly page: number; readonly row: PageRow } | null> {
  for (let page = range.from; page < range.to; page += rowsAtOnce) {
    const numbers = Array.from({ length: Math.min(rowsAtOnce, range.to - page) }, (_, n) => page + n)
    const found = await rows.getMany(numbers.map((number) => keyOf.page(job, { pass, page: number })))
    for (const [index, row] of found.entries()) {
      if (row?.isListed === true && row.kind === 'listing') return { page: page + index, row }
    }
  }
  return null
}

/**
 * The walked page that holds what stands at `order`, if anything does: the last one that does not begin behind it. null:
 * all begin behind it. Reads few rows: the walk's pages are in the order of names, corrections between them are not.
 */
export async function findPage(context: ItemContext, pass: number, order: Buffer): Promise<number | null> {
  const listing = await context.rows.get(keyOf.listing(context.job, pass))
  let found: number | null = null
  let from = 0
  let to = listing?.pages ?? 0
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    const at = await walkedPageIn(context, pass, { from: middle, to })
    // A page without items is the walk's last: it only says that nothing followed.
    if (at === null || at.row.items === 0 || Buffer.compare(at.row.firstName, order) > 0) {
      to = middle
    } else {
      found = at.page
      from = at.page + 1
    }
  }
  return found
}

/**
 * Items of a pass behind `after` (null: all), a page at a time. Where the walk of the pass ended early, cancelled or still
 * under way, the pass before goes on from there: what a pass did not come to is not gone.
 */
export async function* walkStanding(
  context: ItemContext,
  pass: number,
  after: Buffer | null,
): AsyncGenerator<readonly CurrentItem[]> {
  let from = after
  for (let at = pass; at >= 1; at -= 1) {
    const start = from
    const first = start === null ? 0 : ((await findPage(context, at, start)) ?? 0)
    for await (const { items } of walkPages(context, at, first)) {
      const behind = items.filter(({ listed }) => isBehind(orderOf(listed.name, listed.kind), start))
      const last = behind.at(-1)
      if (last === undefined) continue
      from = orderOf(last.listed.name, last.listed.kind)
      yield behind
    }
    const listing = await context.rows.get(keyOf.listing(context.job, at))
    if (listing?.isWalked === true) return
  }
}

const isBehind = (order: Buffer, after: Buffer | null): boolean => after === null || compareOrder(order, after) > 0

/** Items of a pass in order, one at a time, with a look at the next. */
export interface ItemWalk {
  /** The next item behind everything taken, or null at the end. */
  peek(): Promise<CurrentItem | null>
  take(): void
}

/** Items of a pass, as `walkStanding` gives them. */
export function walkItems(context: ItemContext, pass: number, after: Buffer | null): ItemWalk {
  const pages = walkStanding(context, pass, after)
  let items: readonly CurrentItem[] = []
  let next = 0
  return {
    async peek() {
      for (;;) {
        const item = items[next]
        if (item !== undefined) return item
        const page = await pages.next()
        if (page.done === true) return null
        items = page.value
        next = 0
      }
    },
    take() {
      next += 1
    },
  }
}
