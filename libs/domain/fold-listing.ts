// Folds of the listings topic: pages, placement, uploads, seals, the comparison with the target, finished directories.
import type { EventOf, WaybillEvent } from '#schemas/events'
import type { ListedItem, Place } from '#schemas/records'
import type { ListingRow, UploadRow } from '#schemas/rows'
import { standingClaim } from './fold-chunk.ts'
import { chunkIdOf, keyOf, pageIdOf } from './keys.ts'
import { orderOf } from './name-order.ts'
import { clearOwed, setOwed } from './owed.ts'
import { contentBytes, isPacked, type PagePlan, planPage } from './plan.ts'
import { countCode, placeInPack, setChunk, setUpload } from './row-effects.ts'
import { changeTally, emptyChunk, emptyListing, emptyPage, emptyUpload, type RecordPlace, type Rows } from './rows.ts'
import { addSums, isFinalOutcome, noCounts, type Sums } from './tally.ts'
import { folded, known, poison, stale, type Verdict } from './verdict.ts'

export type ListingEvent = Extract<
  WaybillEvent,
  {
    type:
      | 'ItemsListed'
      | 'UploadOpened'
      | 'PacksPlaced'
      | 'PagePlanned'
      | 'UploadSealed'
      | 'TargetListed'
      | 'DirectoriesFinished'
  }
>

/** Places of the items that a page plans, by their place in the page. */
export function placesOf(page: EventOf<'ItemsListed'>, plan: PagePlan): ReadonlyMap<number, Place> {
  const places = new Map<number, Place>()
  const id = (n: number): string => chunkIdOf({ pass: page.pass, page: page.page, n })
  for (const pack of plan.packs) {
    for (const [index, itemIndex] of pack.indexes.entries()) {
      const item = page.items[itemIndex]
      if (item === undefined) continue
      places.set(itemIndex, placeInPack(id(pack.n), { index, generation: item.generation, bytes: contentBytes(item) }))
    }
  }
  for (const upload of plan.uploads) {
    const item = page.items[upload.index]
    if (item === undefined) continue
    places.set(upload.index, {
      form: 'upload',
      chunk: id(upload.firstN),
      index: 0,
      count: upload.chunks,
      generation: item.generation,
      bytes: contentBytes(item),
      outcome: null,
      code: null,
    })
  }
  return places
}

/** Where an item of a page stands: in its plan, where it is carried from, or settled by the page itself. */
export function placeOfItem(page: EventOf<'ItemsListed'>, index: number, planned: ReadonlyMap<number, Place>): Place {
  const item = page.items[index] as ListedItem
  return (
    planned.get(index) ??
    item.carried ?? {
      form: 'page',
      chunk: pageIdOf(page),
      index,
      count: 0,
      generation: item.generation,
      bytes: contentBytes(item),
      outcome: item.outcome,
      code: item.code,
    }
  )
}

/** Takes the previous generation out of all sums, also when its events are yet to come. */
function supersede(rows: Rows, job: string, item: string, place: Place): void {
  const outcomes: Sums['outcomes'] = [{ outcome: 'listed', items: -1, bytes: -place.bytes }]
  changeTally(rows, job, (tally) => addSums(tally, { outcomes }))
  switch (place.form) {
    case 'page': {
      const { outcome } = place
      if (outcome === null || !isFinalOutcome(outcome)) break
      const sums = { outcomes: [{ outcome, items: -1, bytes: -place.bytes }] }
      changeTally(rows, job, (tally) => addSums(tally, sums))
      break
    }
    case 'pack': {
      const before = rows.get(keyOf.chunk(job, place.chunk)) ?? emptyChunk
      if (before.superseded.some(({ index }) => index === place.index)) break
      const superseded = [...before.superseded, { index: place.index, bytes: place.bytes }]
      superseded.sort((a, b) => a.index - b.index)
      setChunk(rows, job, place.chunk, before, { ...before, superseded })
      break
    }
    case 'upload': {
      const before = rows.get(keyOf.upload(job, item, place.generation)) ?? emptyUpload
      setUpload(rows, job, item, place.generation, { ...before, isSuperseded: true })
      break
    }
  }
  clearOwed(rows, job, item, 'proven', place.generation)
  clearOwed(rows, job, item, 'listed', place.generation)
}

function noteCorrection(rows: Rows, event: EventOf<'ItemsListed'>, item: ListedItem, place: Place): void {
  const key = keyOf.item(event.job, item.item)
  const before = rows.get(key)
  if (before !== undefined && before.place.generation >= item.generation) return
  const isCorrection = event.kind !== 'listing'
  const corrections = isCorrection ? (before?.round === event.round ? before.corrections : 0) + 1 : 0
  rows.set(key, { place, corrections, round: event.round })
}

function foldItem(rows: Rows, event: EventOf<'ItemsListed'>, index: number, places: ReadonlyMap<number, Place>): void {
  const item = event.items[index] as ListedItem
  // Counted also where it is as the pass before told it: the findings of a pass are those of all its items.
  if (item.code !== null) countCode(rows, event.job, item.code)
  if (item.carried !== null) return
  const bytes = contentBytes(item)
  if (item.previous !== null) supersede(rows, event.job, item.item, item.previous)
  const place = placeOfItem(event, index, places)
  if (item.generation > 1) noteCorrection(rows, event, item, place)
  if (!isPacked(item) && item.outcome === null) {
    const before = rows.get(keyOf.upload(event.job, item.item, item.generation)) ?? emptyUpload
    const listed: UploadRow = { ...before, isListed: true, firstChunk: place.chunk, chunks: place.count, bytes }
    setUpload(rows, event.job, item.item, item.generation, listed)
  }
}

/** What a page adds to the tally: the items that it names anew, and the outcomes that it settles. */
function pageSums(event: EventOf<'ItemsListed'>): Sums['outcomes'] {
  const sums = new Map<Sums['outcomes'][number]['outcome'], { items: number; bytes: number }>()
  const add = (outcome: Sums['outcomes'][number]['outcome'], bytes: number): void => {
    const sum = sums.get(outcome) ?? { items: 0, bytes: 0 }
    sums.set(outcome, { items: sum.items + 1, bytes: sum.bytes + bytes })
  }
  for (const item of event.items) {
    if (item.carried !== null) continue
    add('listed', contentBytes(item))
    if (item.outcome !== null && isFinalOutcome(item.outcome)) add(item.outcome, contentBytes(item))
  }
  return [...sums].map(([outcome, sum]) => ({ outcome, ...sum }))
}

function foldListed(rows: Rows, event: EventOf<'ItemsListed'>, at: RecordPlace): Verdict {
  const listingKey = keyOf.listing(event.job, event.pass)
  const before = rows.get(listingKey) ?? emptyListing
  if (event.page < before.pages) return known
  if (event.page > before.pages || (event.kind === 'listing' && before.isWalked)) return stale
  const plan = planPage(event.items, event.packBytes)
  const places = placesOf(event, plan)
  const isWalk = event.kind === 'listing'
  const hasChunks = event.counts.chunks > 0
  rows.set(listingKey, {
    ...before,
    pages: before.pages + 1,
    pagesPlanned: before.pagesPlanned + (hasChunks ? 0 : 1),
    cursor: isWalk ? event.cursor : before.cursor,
    isWalked: before.isWalked || (isWalk && event.cursor === null),
    vanished: before.vanished + (isWalk ? event.items.filter(({ code }) => code === 'SOURCE_VANISHED').length : 0),
  })
  const pageKey = keyOf.page(event.job, event)
  const page = rows.get(pageKey) ?? emptyPage
  const [first] = event.items
  rows.set(pageKey, {
    ...page,
    isListed: true,
    kind: event.kind,
    firstName: first === undefined ? page.firstName : orderOf(first.name, first.kind),
    listedAt: at.position,
    partition: at.partition,
    items: event.items.length,
    chunks: event.counts.chunks,
    isPlanned: !hasChunks,
  })
  if (hasChunks) rows.set(keyOf.unplanned(event.job, event), { chunk: pageIdOf(event) })
  for (const index of event.items.keys()) foldItem(rows, event, index, places)
  const counts = { ...noCounts, chunksNamed: event.counts.chunks }
  changeTally(rows, event.job, (tally) => addSums(tally, { counts, outcomes: pageSums(event) }))
  return folded
}

function foldOpened(rows: Rows, event: EventOf<'UploadOpened'>, at: RecordPlace): Verdict {
  const before = rows.get(keyOf.upload(event.job, event.item, event.generation)) ?? emptyUpload
  if (before.opened !== null) return known
  const { upload, givenSeal, isOurs, replaces, partBytes, code } = event
  setUpload(rows, event.job, event.item, event.generation, {
    ...before,
    opened: { upload, givenSeal, isOurs, replaces, partBytes, openedAt: at.position, code },
  })
  if (code !== null) countCode(rows, event.job, code)
  return folded
}

function foldSealed(rows: Rows, event: EventOf<'UploadSealed'>): Verdict {
  const before = rows.get(keyOf.upload(event.job, event.item, event.generation)) ?? emptyUpload
  if (before.sealed !== null) return known
  if (!before.isListed) return stale
  const { seal, size, isAdopted, isOurs, code } = event
  setUpload(rows, event.job, event.item, event.generation, {
    ...before,
    sealed: { seal, size, isAdopted, isOurs, code },
  })
  changeListing(rows, event.job, before.firstChunk, (listing) => ({ ...listing, seals: listing.seals + 1 }))
  if (code !== null) countCode(rows, event.job, code)
  return folded
}

function changeListing(rows: Rows, job: string, chunk: string, change: (row: ListingRow) => ListingRow): void {
  const key = keyOf.listing(job, Number(chunk.slice(0, chunk.indexOf('.'))))
  rows.set(key, change(rows.get(key) ?? emptyListing))
}

function foldPlaced(rows: Rows, event: EventOf<'PacksPlaced'>): Verdict {
  const key = keyOf.page(event.job, event)
  const page = rows.get(key)
  if (page === undefined || !page.isListed) return stale
  if (page.placements !== null) return known
  rows.set(key, { ...page, placements: event.placements })
  return folded
}

function foldPagePlanned(rows: Rows, event: EventOf<'PagePlanned'>): Verdict {
  const key = keyOf.page(event.job, event)
  const page = rows.get(key)
  if (page === undefined || !page.isListed) return stale
  if (page.isPlanned) return known
  rows.set(key, { ...page, isPlanned: true })
  rows.set(keyOf.unplanned(event.job, event), null)
  const listingKey = keyOf.listing(event.job, event.pass)
  const listing = rows.get(listingKey) ?? emptyListing
  rows.set(listingKey, { ...listing, pagesPlanned: listing.pagesPlanned + 1 })
  return folded
}

function foldTargetListed(rows: Rows, event: EventOf<'TargetListed'>): Verdict {
  const key = keyOf.listing(event.job, event.pass)
  const before = rows.get(key) ?? emptyListing
  // Pages are numbered through all comparisons of a pass: a page that comes a second time can never start a new one.
  const { pages } = before.compared
  if (event.page !== pages) return event.page < pages ? known : stale
  const isNew = before.compared.isDone || pages === 0
  const base = isNew ? emptyListing.compared : before.compared
  rows.set(key, {
    ...before,
    comparedPages: isNew ? before.pages : before.comparedPages,
    compared: {
      pages: pages + 1,
      cursor: event.cursor,
      through: event.through,
      isDone: event.isLast,
      objects: base.objects + event.objects,
      bytes: base.bytes + event.bytes,
      differing: base.differing + event.differing.length,
      strangers: base.strangers + event.strangers,
      strangerSamples: [...base.strangerSamples, ...event.strangerSamples].slice(0, 20),
    },
  })
  for (const { item, place, reason } of event.differing) {
    const code = reason === 'missing' ? 'TARGET_MISSING' : 'TARGET_REPLACED'
    setOwed(rows, event.job, item, 'listed', { place, reason: 'differs', code, isGiven: false, isOurs: true })
    countCode(rows, event.job, code)
  }
  return folded
}

function foldDirectories(rows: Rows, event: EventOf<'DirectoriesFinished'>): Verdict {
  const key = keyOf.listing(event.job, event.pass)
  const before = rows.get(key) ?? emptyListing
  if (event.page !== before.directoryPages || before.directoriesDone) return known
  rows.set(key, {
    ...before,
    directoryPages: before.directoryPages + 1,
    directoriesDone: event.isLast,
    directoriesFailed: [...before.directoriesFailed, ...event.failed].slice(0, 100),
  })
  return folded
}

export function foldListingEvent(rows: Rows, event: ListingEvent, at: RecordPlace): Verdict {
  if (standingClaim(rows, event, keyOf.partition('listings', at.partition)) === null) return stale
  switch (event.type) {
    case 'ItemsListed':
      return event.items.length === event.counts.items
        ? foldListed(rows, event, at)
        : poison('a page miscounts its items')
    case 'UploadOpened':
      return foldOpened(rows, event, at)
    case 'PacksPlaced':
      return foldPlaced(rows, event)
    case 'PagePlanned':
      return foldPagePlanned(rows, event)
    case 'UploadSealed':
      return foldSealed(rows, event)
    case 'TargetListed':
      return foldTargetListed(rows, event)
    case 'DirectoriesFinished':
      return foldDirectories(rows, event)
  }
}
