// Listing: the source's walk becomes pages. A later pass walks the previous pass's pages beside it, so that what is
// unchanged and verified is only named (its place in the log is carried).

import { WaybillError } from '#libs/domain/errors'
import { isSameIdentity } from '#libs/domain/identity'
import { keyOf } from '#libs/domain/keys'
import { compareOrder, orderOf } from '#libs/domain/name-order'
import { countsOf } from '#libs/domain/plan'
import type { PlacedDraft } from '#libs/log/event-writer'
import { type CurrentItem, createEvidenceReader, type EvidenceReader } from '#libs/projection/item-reader'
import { findListing } from '#libs/projection/item-search'
import { type ItemWalk, lastWalkedItem, walkItems } from '#libs/projection/page-walk'
import type { SourceEntry } from '#libs/source/source'
import { noBytes } from '#schemas/avro'
import type { ListedItem, Outcome } from '#schemas/records'
import type { JobRow } from '#schemas/rows'
import { type CoordinatorContext, jobRowOf, onJobs, onListings } from './context.ts'
import { type FreshItem, freshItem, listedEntries, listLimits, ownBytes, pageBytesMax } from './judgement.ts'
import { type Blind, blindOf, lostItem, withAncestors } from './out-of-sight.ts'
import { withParents } from './parents.ts'

/** Items of a page (architecture.md "Words"). */
const itemsMax = 1_000

/** Where the walk stands; rebuilt from the log's pages when it is lost. */
interface Walk {
  readonly pass: number
  readonly previous: ItemWalk
  /** Order of the last item that was listed. */
  last: Buffer | null
  /** The last entry behind which nothing can be seen. */
  blind: Blind | null
  /** Page that was made last; the walk holds only if the fold took it. */
  page: number | null
}

const isProven = (outcome: Outcome): boolean => outcome === 'verified' || outcome === 'already_there'

/** True when the earlier result still holds for what the source has now. */
function isUnchanged(fresh: FreshItem, before: CurrentItem): boolean {
  const { listed, place, outcome, code } = before
  if (fresh.kind !== listed.kind) return false
  if (fresh.outcome !== null) {
    return place.form === 'page' && fresh.outcome === outcome && fresh.code === code && fresh.outcome === 'skipped'
  }
  // A directory's own times change with what is put into it; they are set again at the end of every pass.
  return isProven(outcome) && (fresh.kind === 'directory' || isSameIdentity(fresh.identity, listed.identity))
}

/** Lists one job's source, page by page. */
export class Lister {
  readonly #context: CoordinatorContext
  readonly #evidence: EvidenceReader
  #walk: Walk | null = null

  constructor(context: CoordinatorContext) {
    this.#context = context
    this.#evidence = createEvidenceReader(context.items)
  }

  /** The next page, as its event; nothing when the state is not at that page (any more). */
  async listPage(page: number, signal: AbortSignal): Promise<readonly PlacedDraft[]> {
    const { projection, job: name } = this.#context
    const job = await jobRowOf(this.#context)
    const row = await projection.rows.get(keyOf.listing(name, job.pass))
    if ((row?.pages ?? 0) !== page) return []
    const walk = await this.#walkOf(job.pass)
    // What is merged into a page that is never folded is lost: the next call builds the walk again.
    this.#walk = null
    const draft = await this.#makePage(walk, job, { page, from: row?.cursor ?? null }, signal)
    walk.page = page
    this.#walk = walk
    return [draft]
  }

  async #walkOf(pass: number): Promise<Walk> {
    const walk = this.#walk
    if (walk !== null && walk.pass === pass && (await this.#wasTaken(pass, walk.page))) return walk
    const item = await lastWalkedItem(this.#context.items, pass)
    const last = item === null ? null : orderOf(item.name, item.kind)
    const blind = item === null ? null : await this.#blindAt(pass, item)
    return { pass, previous: walkItems(this.#context.items, pass - 1, last), last, blind, page: null }
  }

  async #wasTaken(pass: number, page: number | null): Promise<boolean> {
    if (page === null) return false
    const row = await this.#context.projection.rows.get(keyOf.page(this.#context.job, { pass, page }))
    return row?.isListed === true && row.kind === 'listing'
  }

  /** The entry behind which the walk saw nothing when it listed the item. */
  async #blindAt(pass: number, { name }: ListedItem): Promise<Blind | null> {
    for (const above of withAncestors(name)) {
      const found = await findListing(this.#context.items, pass, above)
      const blind = found === null ? null : blindOf(found.item)
      if (blind !== null) return blind
    }
    return null
  }

  async #makePage(
    walk: Walk,
    job: JobRow,
    { page, from }: { readonly page: number; readonly from: Buffer | null },
    signal: AbortSignal,
  ): Promise<PlacedDraft> {
    let cursor = from
    for (;;) {
      const listed = await listSource(this.#context, cursor, signal)
      if (listed.isEmpty && cursor === null && (await walk.previous.peek()) !== null) {
        throw new WaybillError('SOURCE_EMPTY', { job: this.#context.job })
      }
      const { items, isCut } = await this.#merge(walk, job, page, listed)
      const after = isCut ? (cursor ?? noBytes) : listed.cursor
      if (items.length > 0 || after === null) {
        const packBytes = job.request.chunkBytes
        const counts = countsOf(items, packBytes)
        const event = { type: 'ItemsListed', pass: job.pass, page, kind: 'listing', round: job.round } as const
        return onListings(this.#context, { ...event, cursor: after, packBytes, counts, items })
      }
      cursor = after
    }
  }

  /** Walks the source's entries and the previous pass's items side by side, in the one order of names. */
  async #merge(
    walk: Walk,
    job: JobRow,
    page: number,
    listed: Listed,
  ): Promise<{ items: ListedItem[]; isCut: boolean }> {
    const items: ListedItem[] = []
    const behind = listed.entries.filter((entry) => isBehind(entry, walk.last))
    const entries = await withParents(this.#context.source, behind, walk.last)
    let next = 0
    let bytes = 0
    while (items.length < itemsMax && bytes < pageBytesMax) {
      const entry = entries[next] ?? null
      const before = await walk.previous.peek()
      const side = sideOf(entry, before, listed.bound)
      if (side === 'end') return { items, isCut: false }
      if (side !== 'new') walk.previous.take()
      if (side !== 'gone') next += 1
      const id = `${walk.pass}.${page}.${items.length}`
      const known = side === 'new' ? null : before
      const item =
        side === 'gone'
          ? lostItem(before as CurrentItem, walk.blind)
          : await this.#itemOf(job, id, entry as SourceEntry, known)
      if (side !== 'gone') walk.blind = blindOf(item) ?? walk.blind
      items.push(item)
      bytes += ownBytes(item)
      walk.last = orderOf(item.name, item.kind)
    }
    return { items, isCut: true }
  }

  async #itemOf(job: JobRow, id: string, entry: SourceEntry, before: CurrentItem | null): Promise<ListedItem> {
    const fresh = freshItem({ ...job, keys: this.#context.keys }, entry)
    if (before === null) return { ...fresh, item: id }
    const { listed, place, outcome, code } = before
    const { item } = listed
    if (isUnchanged(fresh, before)) {
      return { ...fresh, item, generation: place.generation, carried: place, chunks: 0, outcome, code }
    }
    // Only what we wrote is replaced by its seal: an object of a stranger is looked at first, whatever it held (rule 8).
    const isOurs = outcome === 'verified' || outcome === 'mismatched'
    const { seal } = isOurs ? await this.#evidence.of(before) : { seal: null }
    return { ...fresh, item, generation: place.generation + 1, previous: place, replaces: seal }
  }
}

const isBehind = (entry: SourceEntry, last: Buffer | null): boolean =>
  last === null || compareOrder(orderOf(entry.name, entry.kind), last) > 0

/** Which comes next: an entry that is new, an item that is gone, one that is both, or nothing within the listed range. */
function sideOf(
  entry: SourceEntry | null,
  before: CurrentItem | null,
  bound: Buffer | null,
): 'new' | 'gone' | 'both' | 'end' {
  const order = entry === null ? bound : orderOf(entry.name, entry.kind)
  if (before === null) return entry === null ? 'end' : 'new'
  const old = orderOf(before.listed.name, before.listed.kind)
  const side = order === null ? -1 : compareOrder(old, order)
  if (entry === null) return side <= 0 ? 'gone' : 'end'
  return side < 0 ? 'gone' : side > 0 ? 'new' : 'both'
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
  const page = await context.source.list(from, listLimits, signal)
  const last = page.entries.at(-1)
  return {
    entries: listedEntries(page.entries, context.selects),
    cursor: page.cursor,
    bound: page.cursor === null || last === undefined ? null : orderOf(last.name, last.kind),
    isEmpty: page.entries.length === 0 && page.cursor === null,
  }
}

export async function endListing(context: CoordinatorContext, lastPage: number): Promise<readonly PlacedDraft[]> {
  const { pass } = await jobRowOf(context)
  const row = await context.projection.rows.get(keyOf.listing(context.job, pass))
  const vanished = row?.vanished ?? 0
  return [onJobs(context, { type: 'ListingEnded', pass, lastPage, vanished, findings: [] })]
}
