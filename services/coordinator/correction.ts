// Corrections: whatever is wrong after the seal, or changed before it, becomes a new generation of the item on a page of
// kind relist or repair, planned like any page (rules 5 and 7).

import { correctionsMax, type OwedItem } from '#libs/domain/decide-coordinator'
import { WaybillError } from '#libs/domain/errors'
import { isSameIdentity } from '#libs/domain/identity'
import { chunkIdOf, keyOf, parseChunkId } from '#libs/domain/keys'
import { countsOf, ownChunks } from '#libs/domain/plan'
import type { PlacedDraft } from '#libs/log/event-writer'
import { type CurrentItem, createEvidenceReader, currentItemAt, readPage } from '#libs/projection/item-reader'
import type { SourceEntry } from '#libs/source/source'
import type { ListedItem } from '#schemas/records'
import { type CoordinatorContext, jobRowOf, onListings } from './context.ts'
import { ownBytes, pageBytesMax } from './judgement.ts'

interface Correction {
  readonly page: number
  readonly items: readonly OwedItem[]
  readonly isRepair: boolean
}

/** Chunks of an upload named bad beyond which all of it is read at the source again. */
const badMax = 2_000

/** @throws WaybillError EVENT_POISON: a page that was listed never changes, so trying again would go on for ever. */
async function currentOf(context: CoordinatorContext, { item, owed }: OwedItem): Promise<CurrentItem> {
  const [pass = 0, page = 0] = owed.place.chunk.split('.').map(Number)
  const event = await readPage(context.items, { pass, page })
  const listed = event?.items.find((entry) => entry.item === item)
  if (listed !== undefined) return currentItemAt(context.items, listed, owed.place)
  const reason = `a correction is owed to item ${item}, which page ${pass}.${page} does not list`
  throw new WaybillError('EVENT_POISON', { item, reason })
}

/** Numbers of the parts whose proof failed; the others can be copied inside the target. */
async function badParts(context: CoordinatorContext, current: CurrentItem): Promise<number[] | null> {
  const { place } = current
  if (place.form !== 'upload') return null
  const first = parseChunkId(place.chunk)
  const keys = Array.from({ length: place.count }, (_, n) =>
    keyOf.chunk(context.job, chunkIdOf({ ...first, n: first.n + n })),
  )
  const rows = await context.projection.rows.getMany(keys)
  const bad = rows.flatMap((row, n) => (row === undefined || row.disproved.length > 0 || row.round === 0 ? [n] : []))
  return bad.length <= badMax && bad.length < place.count ? bad : null
}

type Settled = Pick<ListedItem, 'outcome' | 'code'>

/** Why an owed item is not corrected any more, if so. */
function settle(owed: OwedItem, corrections: number, entry: SourceEntry | null, overwrite: string): Settled | null {
  const { reason, code, isGiven, isOurs } = owed.owed
  if (entry === null) return { outcome: 'changed', code: 'SOURCE_VANISHED' }
  if (entry.outcome !== null) return { outcome: entry.outcome, code: entry.code }
  if (isGiven && !isOurs && overwrite === 'never') return { outcome: 'failed', code: 'TARGET_EXISTS' }
  if (corrections < correctionsMax) return null
  switch (reason) {
    case 'mismatch':
      return { outcome: 'mismatched', code }
    case 'missing':
    case 'differs':
      return { outcome: 'missing', code }
    case 'changed':
      return { outcome: 'changed', code }
    case 'failed':
    case 'lost':
      return { outcome: 'failed', code }
  }
}

async function correctItem(context: CoordinatorContext, owed: OwedItem, chunkBytes: number): Promise<ListedItem> {
  const job = await jobRowOf(context)
  const current = await currentOf(context, owed)
  const row = await context.projection.rows.get(keyOf.item(context.job, owed.item))
  const corrections = row === undefined || row.round !== job.round ? 0 : row.corrections
  const entry = await context.source.look(current.listed.name)
  const settled = settle(owed, corrections, entry, job.request.overwrite)
  const previous = owed.owed.place
  const base = {
    ...current.listed,
    generation: previous.generation + 1,
    previous,
    carried: null,
    replaces: null,
    bad: null,
  }
  if (settled !== null || entry === null) return { ...base, ...settled, chunks: 0 }
  const { kind, identity, attributes, link } = entry
  const next = { ...base, kind, identity, attributes, link, outcome: null, code: null }
  const chunks = ownChunks(kind, identity.size, chunkBytes)
  if (owed.owed.reason !== 'mismatch') return { ...next, chunks }
  const { seal } = await createEvidenceReader(context.items).of(current)
  const canCopy =
    job.abilities?.copiesParts === true && seal !== null && isSameIdentity(entry.identity, current.listed.identity)
  return { ...next, chunks, replaces: seal, bad: canCopy ? await badParts(context, current) : null }
}

export async function correctItems(
  context: CoordinatorContext,
  task: Correction,
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  const job = await jobRowOf(context)
  const packBytes = job.request.chunkBytes
  const items: ListedItem[] = []
  let bytes = 0
  for (const owed of task.items) {
    signal.throwIfAborted()
    // What does not fit is still owed, and comes with the next page.
    if (bytes >= pageBytesMax) break
    const item = await correctItem(context, owed, packBytes)
    items.push(item)
    bytes += ownBytes(item)
  }
  const kind = task.isRepair ? 'repair' : 'relist'
  const counts = countsOf(items, packBytes)
  const event = { type: 'ItemsListed', pass: job.pass, page: task.page, kind, cursor: null, round: job.round } as const
  return [onListings(context, { ...event, packBytes, counts, items })]
}
