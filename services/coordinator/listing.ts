// Listing: the source's walk becomes pages. A later pass walks the previous pass's pages beside it, so that what is
// unchanged and verified is only named (architecture.md "Rows in the store").

import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { compareOrder, orderOf } from '#libs/domain/name-order'
import { countsOf, ownChunks } from '#libs/domain/plan'
import type { PlacedDraft } from '#libs/log/event-writer'
import { type CurrentItem, createEvidenceReader, readPage } from '#libs/projection/item-reader'
import { type ItemWalk, walkedPages, walkItems } from '#libs/projection/page-walk'
import type { SourceEntry } from '#libs/source/source'
import { noBytes } from '#schemas/avro'
import type { ListedItem, Outcome } from '#schemas/records'
import type { JobRow } from '#schemas/rows'
import { type CoordinatorContext, jobRowOf, onJobs, onListings } from './context.ts'

/** Bounds of a page: 1,000 items and 256 KiB encoded (architecture.md "Words"). */
const itemsMax = 1_000
/** Leaves room for vanished items between those that are listed. */
const entriesAtOnce = 900
const nameBytesMax = 96 * 1024

export interface Lister {
  listPage(page: number, signal: AbortSignal): Promise<readonly PlacedDraft[]>
  /** Items of the pass that were there before and are gone. */
  countVanished(pass: number): Promise<number>
}

interface Walk {
  readonly pass: number
  readonly previous: ItemWalk
  /** Order of the last item that was listed. */
  last: Buffer | null
}

/** What the source's entry comes to, before anything is read: why it is not moved, or how many chunks it gets. */
function judge(
  context: CoordinatorContext,
  job: JobRow,
  entry: SourceEntry,
): { outcome: Outcome | null; code: string | null } {
  const { request, abilities } = job
  if (entry.outcome !== null) return { outcome: entry.outcome, code: entry.code }
  if (entry.kind === 'symlink' && request.symlinks === 'skip') return { outcome: 'skipped', code: 'SYMLINK_SKIPPED' }
  if (entry.kind !== 'file' && abilities?.kind === 's3' && !request.storesEntries) {
    return { outcome: 'skipped', code: 'IN_MANIFEST' }
  }
  const key = context.keys.keyOf(entry.name, entry.kind)
  if ('code' in key) return { outcome: 'failed', code: key.code }
  if (abilities !== null && entry.identity.size > abilities.objectBytesMax) {
    return { outcome: 'failed', code: 'ITEM_TOO_LARGE' }
  }
  return { outcome: null, code: null }
}

type Fresh = Omit<ListedItem, 'item'>

function freshItem(context: CoordinatorContext, job: JobRow, entry: SourceEntry): Fresh {
  const { outcome, code } = judge(context, job, entry)
  const { name, kind, identity, attributes, link } = entry
  const chunks = outcome === null ? ownChunks(kind, identity.size, job.request.chunkBytes) : 0
  const none = { replaces: null, previous: null, carried: null, bad: null }
  return { generation: 1, name, kind, identity, attributes, link, ...none, outcome, code, chunks }
}

const isSameVersion = (a: ListedItem['identity'], b: ListedItem['identity']): boolean =>
  a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.inode === b.inode

const isProven = (outcome: Outcome): boolean => outcome === 'verified' || outcome === 'already_there'

/** True when the earlier result still holds for what the source has now. */
function isUnchanged(fresh: Fresh, before: CurrentItem): boolean {
  const { listed, place, outcome, code } = before
  if (fresh.kind !== listed.kind) return false
  if (fresh.outcome !== null) {
    return place.form === 'page' && fresh.outcome === outcome && fresh.code === code && fresh.outcome === 'skipped'
  }
  // A directory's own times change with what is put into it; they are set again at the end of every pass.
  return isProven(outcome) && (fresh.kind === 'directory' || isSameVersion(fresh.identity, listed.identity))
}

function vanishedItem(before: CurrentItem): ListedItem {
  const { listed, place, outcome, code } = before
  const wasGone = place.form === 'page' && code === 'SOURCE_VANISHED'
  const base = { ...listed, replaces: null, bad: null, chunks: 0 }
  if (wasGone) return { ...base, previous: null, carried: place, outcome, code }
  const generation = place.generation + 1
  return { ...base, generation, previous: place, carried: null, outcome: 'skipped', code: 'SOURCE_VANISHED' }
}

export function createLister(context: CoordinatorContext): Lister {
  const evidence = createEvidenceReader(context.items)
  let walk: Walk | null = null

  async function listedLast(pass: number): Promise<Buffer | null> {
    let last: Buffer | null = null
    for await (const page of walkedPages(context.items, pass)) {
      const event = await readPage(context.items, { pass, page })
      const item = event?.items.at(-1)
      if (item !== undefined) last = orderOf(item.name, item.kind)
    }
    return last
  }

  async function walkOf(pass: number): Promise<Walk> {
    if (walk?.pass === pass) return walk
    const last = await listedLast(pass)
    walk = { pass, previous: walkItems(context.items, pass - 1, last), last }
    return walk
  }

  async function carriedItem(fresh: Fresh, before: CurrentItem): Promise<ListedItem> {
    const { listed, place, outcome, code } = before
    const { item } = listed
    if (isUnchanged(fresh, before)) {
      return { ...fresh, item, generation: place.generation, carried: place, chunks: 0, outcome, code }
    }
    const { seal } = isProven(outcome) || outcome === 'mismatched' ? await evidence.of(before) : { seal: null }
    return { ...fresh, item, generation: place.generation + 1, previous: place, replaces: seal }
  }

  async function merge(
    walk: Walk,
    job: JobRow,
    page: number,
    listed: Listed,
  ): Promise<{ items: ListedItem[]; isCut: boolean }> {
    const items: ListedItem[] = []
    const push = (make: (item: string) => ListedItem, order: Buffer): void => {
      items.push(make(`${walk.pass}.${page}.${items.length}`))
      walk.last = order
    }
    const entries = listed.entries.filter(
      (entry) => walk.last === null || compareOrder(orderOf(entry.name, entry.kind), walk.last) > 0,
    )
    let next = 0
    while (items.length < itemsMax) {
      const entry = entries[next]
      const before = await walk.previous.peek()
      const order = entry === undefined ? null : orderOf(entry.name, entry.kind)
      const old = before === null ? null : orderOf(before.listed.name, before.listed.kind)
      const isOld =
        old !== null &&
        (order === null ? listed.bound === null || compareOrder(old, listed.bound) <= 0 : compareOrder(old, order) < 0)
      if (before !== null && old !== null && isOld) {
        walk.previous.take()
        push(() => vanishedItem(before), old)
      } else if (entry !== undefined && order !== null) {
        const fresh = freshItem(context, job, entry)
        const isBoth = old !== null && compareOrder(old, order) === 0
        if (isBoth) walk.previous.take()
        const known = isBoth && before !== null ? await carriedItem(fresh, before) : null
        push((item) => known ?? { ...fresh, item }, order)
        next += 1
      } else {
        return { items, isCut: false }
      }
    }
    return { items, isCut: true }
  }

  async function listPage(page: number, signal: AbortSignal): Promise<readonly PlacedDraft[]> {
    const job = await jobRowOf(context)
    const row = await context.projection.rows.get(keyOf.listing(context.job, job.pass))
    const open = await walkOf(job.pass)
    let cursor = row?.cursor ?? null
    for (;;) {
      const listed = await listSource(context, cursor, signal)
      if (listed.isEmpty && cursor === null && (await open.previous.peek()) !== null) {
        throw new WaybillError('SOURCE_EMPTY', { job: context.job })
      }
      const { items, isCut } = await merge(open, job, page, listed)
      const after = isCut ? (cursor ?? noBytes) : listed.cursor
      if (items.length > 0 || after === null) {
        const packBytes = job.request.chunkBytes
        const counts = countsOf(items, packBytes)
        const event = { type: 'ItemsListed', pass: job.pass, page, kind: 'listing', round: job.round } as const
        return [onListings(context, { ...event, cursor: after, packBytes, counts, items })]
      }
      cursor = after
    }
  }

  return {
    async listPage(page, signal) {
      try {
        return await listPage(page, signal)
      } catch (error) {
        // What was merged is lost with the page: the walk is built again from the pages that are in the log.
        walk = null
        throw error
      }
    },
    async countVanished(pass) {
      let vanished = 0
      if (pass === 1) return vanished
      for await (const page of walkedPages(context.items, pass)) {
        const event = await readPage(context.items, { pass, page })
        vanished += event?.items.filter(({ code }) => code === 'SOURCE_VANISHED').length ?? 0
      }
      return vanished
    },
  }
}

interface Listed {
  readonly entries: readonly SourceEntry[]
  readonly cursor: Buffer | null
  /** Order up to which the source was listed; null: to its end. */
  readonly bound: Buffer | null
  readonly isEmpty: boolean
}

async function listSource(context: CoordinatorContext, cursor: Buffer | null, signal: AbortSignal): Promise<Listed> {
  const from = cursor !== null && cursor.length === 0 ? null : cursor
  const page = await context.source.list(from, { entriesMax: entriesAtOnce, nameBytesMax }, signal)
  const last = page.entries.at(-1)
  return {
    entries: page.entries.filter(context.selects),
    cursor: page.cursor,
    bound: page.cursor === null || last === undefined ? null : orderOf(last.name, last.kind),
    isEmpty: page.entries.length === 0 && page.cursor === null,
  }
}

export async function endListing(
  context: CoordinatorContext,
  lister: Lister,
  lastPage: number,
): Promise<readonly PlacedDraft[]> {
  const { pass } = await jobRowOf(context)
  const vanished = await lister.countVanished(pass)
  return [onJobs(context, { type: 'ListingEnded', pass, lastPage, vanished, findings: [] })]
}
