// Planning is a function of the page alone (rule 2): which items share a pack, which get chunks of their own, and how a
// chunk is numbered. Packs come first (0 .. packs - 1), then the parts of each large item, in the page's order.
import type { ItemKind, ListedItem, PageCounts } from '#schemas/records'

export const MiB = 1024 * 1024
/** S3 takes parts of 5 MiB to 5 GiB, at most 10,000 of them. */
export const partsMax = 10_000
export const packEntriesMax = 1_000
/** Bound on the encoded size of a pack's ChunkPlanned, well under the 512 KiB of an event. */
const packEncodedBytesMax = 320 * 1024
/** Fixed fields of one extent in ChunkPlanned, generously. */
const extentEncodedBytes = 160

/** Bytes of each part but the last: the chunk size, or 1/10,000 of a larger item, rounded up to a MiB. */
export function partBytesOf(size: number, chunkBytes: number): number {
  return size <= chunkBytes * partsMax ? chunkBytes : Math.ceil(size / partsMax / MiB) * MiB
}

/** Chunks of its own that an item gets; 0 when it fits a pack. */
export function ownChunks(kind: ItemKind, size: number, chunkBytes: number): number {
  return kind === 'file' && size > chunkBytes ? Math.ceil(size / partBytesOf(size, chunkBytes)) : 0
}

export interface PackPlan {
  readonly n: number
  /** Places of its items in the page. */
  readonly indexes: readonly number[]
}

export interface UploadPlan {
  /** Place of the item in the page. */
  readonly index: number
  readonly firstN: number
  readonly chunks: number
}

export interface PagePlan {
  readonly packs: readonly PackPlan[]
  readonly uploads: readonly UploadPlan[]
}

type Plannable = Pick<ListedItem, 'kind' | 'name' | 'link' | 'outcome' | 'carried' | 'chunks'> & {
  readonly identity: { readonly size: number }
}

export function isPacked(item: Plannable): boolean {
  return item.outcome === null && item.carried === null && item.chunks === 0
}

/** Keys may take three times the name's bytes. */
const encodedBytesOf = (item: Plannable): number => extentEncodedBytes + item.name.length * 4 + (item.link?.length ?? 0)

/** Bytes of content: of a file its length, of a link that of its text, else 0. Totals add these up. */
export function contentBytes(item: Pick<Plannable, 'kind' | 'link' | 'identity'>): number {
  if (item.kind === 'file') return item.identity.size
  return item.kind === 'symlink' ? (item.link?.length ?? 0) : 0
}

function packsOf(items: readonly Plannable[], packBytes: number): readonly (readonly number[])[] {
  const packs: number[][] = []
  let bytes = 0
  let encoded = 0
  for (const [index, item] of items.entries()) {
    if (!isPacked(item)) continue
    const open = packs.at(-1)
    const fits =
      open !== undefined &&
      open.length < packEntriesMax &&
      bytes + contentBytes(item) <= packBytes &&
      encoded + encodedBytesOf(item) <= packEncodedBytesMax
    if (fits) open.push(index)
    else packs.push([index])
    bytes = (fits ? bytes : 0) + contentBytes(item)
    encoded = (fits ? encoded : 0) + encodedBytesOf(item)
  }
  return packs
}

/** Plans of pages whose items somebody still holds: a page is asked for at every decision until it is planned. */
const plans = new WeakMap<readonly Plannable[], { readonly packBytes: number; readonly plan: PagePlan }>()

/** The chunks of a page, whose items never change. Deterministic: a second coordinator gets the same from the same page. */
export function planPage(items: readonly Plannable[], packBytes: number): PagePlan {
  const known = plans.get(items)
  if (known?.packBytes === packBytes) return known.plan
  const plan = planItems(items, packBytes)
  plans.set(items, { packBytes, plan })
  return plan
}

function planItems(items: readonly Plannable[], packBytes: number): PagePlan {
  const packs = packsOf(items, packBytes).map((indexes, n) => ({ n, indexes }))
  let next = packs.length
  const uploads: UploadPlan[] = []
  for (const [index, { chunks, outcome, carried }] of items.entries()) {
    if (chunks === 0 || outcome !== null || carried !== null) continue
    uploads.push({ index, firstN: next, chunks })
    next += chunks
  }
  return { packs, uploads }
}

/** What a page names (rule 10). */
export function countsOf(items: readonly Plannable[], packBytes: number): PageCounts {
  const plan = planPage(items, packBytes)
  return {
    items: items.length,
    bytes: items.reduce((sum, item) => sum + contentBytes(item), 0),
    chunks: plan.packs.length + plan.uploads.reduce((sum, upload) => sum + upload.chunks, 0),
    uploads: plan.uploads.length,
  }
}

/** Range of one part of an item. */
export function rangeOfPart(
  size: number,
  partBytes: number,
  number: number,
): { readonly offset: number; readonly length: number } {
  const offset = number * partBytes
  return { offset, length: Math.min(partBytes, size - offset) }
}
