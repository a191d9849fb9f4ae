// Walks the listing pages of a pass in their order (the order of names) with the state of each item as it stands now.

import { keyOf } from '#libs/domain/keys'
import { compareOrder, orderOf } from '#libs/domain/name-order'
import type { EventOf } from '#schemas/events'
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

export interface WalkedPage {
  readonly event: EventOf<'ItemsListed'>
  readonly items: readonly CurrentItem[]
}

export async function* walkPages(context: ItemContext, pass: number, firstPage = 0): AsyncGenerator<WalkedPage> {
  for await (const page of walkedPages(context, pass, firstPage)) {
    const event = await readPage(context, { pass, page })
    if (event !== null) yield { event, items: await currentItems(context, event) }
  }
}

/** Last walked page whose first name is not behind `order`: where a walk that stopped there goes on. */
async function pageBefore(context: ItemContext, pass: number, order: Buffer): Promise<number> {
  let last = 0
  for await (const page of walkedPages(context, pass)) {
    const row = await context.rows.get(keyOf.page(context.job, { pass, page }))
    if (row === undefined || Buffer.compare(row.firstName, order) > 0) break
    last = page
  }
  return last
}

/** Items of a pass in order, one at a time, with a look at the next. */
export interface ItemWalk {
  /** The next item behind everything taken, or null at the end. */
  peek(): Promise<CurrentItem | null>
  take(): void
}

/** Items of a pass whose order lies behind `after` (null: all). */
export function walkItems(context: ItemContext, pass: number, after: Buffer | null): ItemWalk {
  let pages: AsyncGenerator<WalkedPage> | null = null
  let items: readonly CurrentItem[] = []
  let next = 0
  const isBehind = (item: CurrentItem): boolean =>
    after === null || compareOrder(orderOf(item.listed.name, item.listed.kind), after) > 0
  return {
    async peek() {
      pages ??= walkPages(context, pass, after === null ? 0 : await pageBefore(context, pass, after))
      for (;;) {
        const item = items[next]
        if (item !== undefined && isBehind(item)) return item
        if (item !== undefined) {
          next += 1
          continue
        }
        const page = await pages.next()
        if (page.done === true) return null
        items = page.value.items
        next = 0
      }
    },
    take() {
      next += 1
    },
  }
}
