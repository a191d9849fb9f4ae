// Planning: placement is a fact of its own, the chunks then follow from page and placement alone (rule 2).

import type { UnplannedPage } from '#libs/domain/decide-coordinator'
import { codeOf, errorCatalogue, WaybillError } from '#libs/domain/errors'
import { chunkIdOf, keyOf, parseChunkId } from '#libs/domain/keys'
import { partitionAt, placeChunks } from '#libs/domain/placement'
import { contentBytes, partBytesOf, planPage, rangeOfPart } from '#libs/domain/plan'
import type { PlacedDraft } from '#libs/log/event-writer'
import { readEvent } from '#libs/projection/event-reader'
import { readWholeChunk } from '#libs/projection/item-reader'
import type { ObjectState } from '#libs/target/target'
import type { EventOf } from '#schemas/events'
import type { CopyOrigin, Extent, ListedItem, Place } from '#schemas/records'
import type { UploadRow } from '#schemas/rows'
import { type CoordinatorContext, jobRowOf, loadsOf, onListings } from './context.ts'
import { wasOutOfSight } from './out-of-sight.ts'

export async function placePacks(
  context: CoordinatorContext,
  page: UnplannedPage,
  packs: number,
): Promise<readonly PlacedDraft[]> {
  const loads = await loadsOf(context)
  if (loads.length === 0) return []
  const placements = placeChunks(loads, packs, page.event.packBytes)
  return [onListings(context, { type: 'PacksPlaced', ...page.id, placements })]
}

function extentOf(context: CoordinatorContext, item: ListedItem, range: { offset: number; length: number }): Extent {
  const { item: id, generation, name, kind, identity, attributes, link, replaces } = item
  const found = context.keys.keyOf(name, kind)
  if ('code' in found) throw new WaybillError('INTERNAL', { item: id, code: found.code })
  return { item: id, generation, name, kind, key: found.key, ...range, identity, attributes, link, replaces }
}

/** A chunk's draft; ChunkPlanned carries no claim, since it follows from facts that do. */
function plannedDraft(
  context: CoordinatorContext,
  partition: number,
  event: Pick<EventOf<'ChunkPlanned'>, 'chunk' | 'generation' | 'upload' | 'part' | 'extents' | 'givenSeal' | 'copy'>,
): PlacedDraft {
  return { topic: 'chunks', partition, event: { type: 'ChunkPlanned', job: context.job, ...event } }
}

export async function planPacks(context: CoordinatorContext, page: UnplannedPage): Promise<readonly PlacedDraft[]> {
  const placements = page.row.placements ?? []
  const { items, packBytes } = page.event
  return planPage(items, packBytes).packs.map(({ n, indexes }) => {
    const extents = indexes.map((index) => {
      const item = items[index] as ListedItem
      return extentOf(context, item, { offset: 0, length: contentBytes(item) })
    })
    const chunk = chunkIdOf({ ...page.id, n })
    const bare = { upload: null, part: null, givenSeal: null, copy: null }
    return plannedDraft(context, partitionAt(placements, n), { chunk, generation: 0, extents, ...bare })
  })
}

export function finishPage(context: CoordinatorContext, page: UnplannedPage): PlacedDraft {
  return onListings(context, { type: 'PagePlanned', ...page.id, chunks: page.row.chunks })
}

type Opening = Pick<EventOf<'UploadOpened'>, 'upload' | 'givenSeal' | 'isOurs' | 'replaces' | 'code'>

const noOpening: Opening = { upload: null, givenSeal: null, isOurs: true, replaces: null, code: null }

/** What to do about the object that is there (rule 8). */
function meet(item: ListedItem, found: ObjectState | null, job: string, overwrite: string): Opening | 'open' {
  if (found === null) return 'open'
  const isOurs = found.mark?.job === job
  const isEqualSize = found.kind === 'file' && found.size === item.identity.size
  // A corrected generation never trusts what was there: it was found wrong. What was only out of sight was not.
  if (isEqualSize && (item.generation === 1 || wasOutOfSight(item.previous)))
    return { ...noOpening, givenSeal: found.seal, isOurs }
  if (!isOurs && overwrite === 'never') return { ...noOpening, isOurs, code: 'TARGET_EXISTS' }
  return { ...noOpening, replaces: found.seal }
}

async function decideOpening(
  context: CoordinatorContext,
  item: ListedItem,
  key: Buffer,
  signal: AbortSignal,
): Promise<Opening | 'open'> {
  const { request, abilities, pass } = await jobRowOf(context)
  if (item.replaces !== null) return { ...noOpening, replaces: item.replaces }
  const isFirstLook = pass === 1 && item.generation === 1
  if (isFirstLook && abilities?.isEmpty === true) return 'open'
  const found = await (await context.uploads()).find(key, signal)
  return meet(item, found, context.job, request.overwrite)
}

export async function openUpload(
  context: CoordinatorContext,
  page: UnplannedPage,
  index: number,
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  const item = page.event.items[index] as ListedItem
  const { size, mtimeNs } = item.identity
  const partBytes = partBytesOf(size, page.event.packBytes)
  const loads = await loadsOf(context)
  if (loads.length === 0) return []
  const placements = placeChunks(loads, item.chunks, partBytes)
  const { key } = extentOf(context, item, { offset: 0, length: 0 })
  const say = (opening: Opening): readonly PlacedDraft[] => {
    const id = { item: item.item, generation: item.generation, ...page.id, key }
    return [onListings(context, { type: 'UploadOpened', ...id, ...opening, partBytes, placements })]
  }
  try {
    const decided = await decideOpening(context, item, key, signal)
    const opening = decided === 'open' ? noOpening : decided
    if (opening.givenSeal !== null || opening.code !== null) return say(opening)
    const dress = {
      mark: { job: context.job, item: item.item, generation: item.generation },
      attributes: item.attributes,
      mtimeNs,
    }
    const uploads = await context.uploads()
    const upload = await uploads.open({ key, size, dress, copiesParts: item.bad !== null }, signal)
    return say({ ...opening, upload })
  } catch (error) {
    const code = codeOf(error)
    // Refused for this item alone: the others go on.
    if (errorCatalogue[code].retry !== 'item') throw error
    return say({ ...noOpening, code })
  }
}

/** Chunks planned in one append. */
const chunksAtOnce = 500

/** Digests of the previous generation's parts, for those that are copied inside the target. */
async function copiesOf(
  context: CoordinatorContext,
  item: ListedItem,
  opened: NonNullable<UploadRow['opened']>,
): Promise<(part: number, range: { offset: number; length: number }) => Promise<CopyOrigin | null>> {
  const { bad } = item
  const previous = item.previous as Place | null
  const seal = opened.replaces
  if (bad === null || previous === null || seal === null) return () => Promise.resolve(null)
  const isBad = new Set(bad)
  const first = parseChunkId(previous.chunk)
  return async (part, range) => {
    if (isBad.has(part)) return null
    const row = await context.projection.rows.get(keyOf.chunk(context.job, chunkIdOf({ ...first, n: first.n + part })))
    if (row === undefined || row.transferredAt < 0) return null
    const { entries } = await readWholeChunk(context.items.log, row)
    const digest = entries[0]?.digest
    return digest === undefined ? null : { seal, ...range, digest }
  }
}

export async function planUpload(
  context: CoordinatorContext,
  page: UnplannedPage,
  index: number,
): Promise<readonly PlacedDraft[]> {
  const item = page.event.items[index] as ListedItem
  const row = page.uploads.get(index)
  const plan = planPage(page.event.items, page.event.packBytes).uploads.find((upload) => upload.index === index)
  const opened = row?.opened
  if (opened == null || plan === undefined) throw new WaybillError('INTERNAL', { item: item.item })
  const at = { topic: 'listings', partition: context.listings.partition, position: opened.openedAt } as const
  const { placements } = await readEvent(context.items.log, 'UploadOpened', at)
  const copyOf = await copiesOf(context, item, opened)
  const drafts: PlacedDraft[] = []
  const from = row?.planned ?? 0
  for (let part = from; part < plan.chunks && drafts.length < chunksAtOnce; part += 1) {
    const range = rangeOfPart(item.identity.size, opened.partBytes, part)
    const chunk = chunkIdOf({ ...page.id, n: plan.firstN + part })
    drafts.push(
      plannedDraft(context, partitionAt(placements, part), {
        chunk,
        generation: item.generation,
        upload: opened.upload,
        part: part + 1,
        extents: [extentOf(context, item, range)],
        givenSeal: opened.givenSeal,
        copy: await copyOf(part, range),
      }),
    )
  }
  return drafts
}
