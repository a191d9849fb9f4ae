// What the coordinator does next for one job: a pure function from a bounded slice of state to tasks. What a task did is
// never acted on; only its event, once folded (architecture.md "The idea").
import type { EventOf } from '#schemas/events'
import type { JobRow, ListingRow, OwedCorrection, PageRow, RequestRow, TallyRow, UploadRow } from '#schemas/rows'
import { type PageId, pageIdOf } from './keys.ts'
import type { PartitionLoad } from './placement.ts'
import { planPage } from './plan.ts'
import { pendingOf, provenSince } from './tally.ts'

/** Limits of planning (rule 2). */
export const planLimits = {
  unfinishedChunksOfClaimant: 256,
  unfinishedChunksOfJob: 100_000,
  unfinishedBytesOfJob: 1024 ** 4,
  openUploads: 1_000,
} as const

/** Corrections of one item in one round (rule 5). */
export const correctionsMax = 3

export interface UnplannedPage {
  readonly id: PageId
  readonly row: PageRow
  readonly event: EventOf<'ItemsListed'>
  /** Rows of the page's own uploads, by place in the page. */
  readonly uploads: ReadonlyMap<number, UploadRow>
}

export interface OwedItem {
  readonly item: string
  readonly owed: OwedCorrection
}

/** What the person in front of an embedded run asked for beyond the first pass. */
export type Wish = 'finish' | 'new-pass' | 'verify'

export interface CoordinatorSlice {
  readonly job: JobRow | undefined
  readonly requests: readonly RequestRow[]
  readonly listing: ListingRow
  readonly tally: TallyRow
  readonly pages: readonly UnplannedPage[]
  readonly sealable: readonly { readonly item: string; readonly generation: number }[]
  readonly owed: readonly OwedItem[]
  /** Unfinished chunks and bytes of the claimants that may be given work; empty while no page is to be planned. */
  readonly loads: readonly PartitionLoad[]
  readonly wish: Wish
  /** Pass that `new-pass` asked for: no further one is opened once it is there. */
  readonly wishedPass: number
  /** Round that `verify` asked for; 0: none. */
  readonly wishedRound: number
}

export type CoordinatorTask =
  | { readonly kind: 'accept'; readonly request: RequestRow }
  | { readonly kind: 'reject'; readonly request: RequestRow; readonly code: string }
  | { readonly kind: 'openPass'; readonly pass: number }
  | { readonly kind: 'probe' }
  | { readonly kind: 'list'; readonly page: number }
  | { readonly kind: 'endListing'; readonly lastPage: number }
  | { readonly kind: 'correct'; readonly page: number; readonly items: readonly OwedItem[]; readonly isRepair: boolean }
  | { readonly kind: 'placePacks'; readonly page: UnplannedPage; readonly packs: number }
  | { readonly kind: 'planPacks'; readonly page: UnplannedPage }
  | { readonly kind: 'openUpload'; readonly page: UnplannedPage; readonly index: number; readonly chunks: number }
  | { readonly kind: 'planUpload'; readonly page: UnplannedPage; readonly index: number }
  | { readonly kind: 'finishPage'; readonly page: UnplannedPage }
  | { readonly kind: 'seal'; readonly item: string; readonly generation: number }
  | { readonly kind: 'compare'; readonly page: number }
  | { readonly kind: 'finishDirectories'; readonly page: number }
  | { readonly kind: 'openRound'; readonly round: number; readonly cause: 'reconcile' | 'verify' }
  | { readonly kind: 'pause'; readonly code: string; readonly reason: string }
  | { readonly kind: 'completePass'; readonly isCancelled: boolean }

/** One task of each key runs at a time. Pages are appended one after the other: they share a key. */
export function coordinatorTaskKey(task: CoordinatorTask): string {
  switch (task.kind) {
    case 'list':
    case 'correct':
    case 'endListing':
      return 'page'
    case 'placePacks':
    case 'planPacks':
    case 'finishPage':
      return `plan/${pageIdOf(task.page.id)}`
    case 'openUpload':
    case 'planUpload':
      return `upload/${pageIdOf(task.page.id)}/${task.index}`
    case 'seal':
      return `seal/${task.item}/${task.generation}`
    case 'accept':
    case 'reject':
    case 'openPass':
    case 'probe':
    case 'compare':
    case 'finishDirectories':
    case 'openRound':
    case 'pause':
    case 'completePass':
      return task.kind
  }
}

interface Room {
  chunks: number
  bytes: number
  uploads: number
}

function roomOf(slice: CoordinatorSlice): Room {
  const chunks = slice.loads.reduce((sum, load) => sum + load.chunks, 0)
  const bytes = slice.loads.reduce((sum, load) => sum + load.bytes, 0)
  const ofClaimants = planLimits.unfinishedChunksOfClaimant * new Set(slice.loads.map(({ claimant }) => claimant)).size
  return {
    chunks: Math.min(ofClaimants, planLimits.unfinishedChunksOfJob) - chunks,
    bytes: planLimits.unfinishedBytesOfJob - bytes,
    uploads: planLimits.openUploads - slice.listing.uploadsOpen,
  }
}

/** Chunks of the page that its events name and the fold does not know yet. */
function planUploads(page: UnplannedPage, room: Room): { tasks: CoordinatorTask[]; isComplete: boolean } {
  const tasks: CoordinatorTask[] = []
  let isComplete = true
  for (const { index, chunks } of planPage(page.event.items, page.event.packBytes).uploads) {
    const row = page.uploads.get(index)
    if (row?.opened?.code != null || row?.isSuperseded === true) continue
    if (row?.opened == null) {
      isComplete = false
      // The window gates the start of an upload; one may overshoot it.
      if (room.chunks <= 0 || room.bytes <= 0 || room.uploads <= 0) return { tasks, isComplete }
      room.chunks -= chunks
      room.bytes -= page.event.items[index]?.identity.size ?? 0
      room.uploads -= 1
      tasks.push({ kind: 'openUpload', page, index, chunks })
    } else if (row.planned < chunks) {
      isComplete = false
      tasks.push({ kind: 'planUpload', page, index })
    }
  }
  return { tasks, isComplete }
}

function planOnePage(page: UnplannedPage, room: Room): CoordinatorTask[] {
  const { packs, uploads } = planPage(page.event.items, page.event.packBytes)
  const tasks: CoordinatorTask[] = []
  const isPlaced = page.row.placements !== null
  if (packs.length > 0 && !isPlaced) {
    if (room.chunks <= 0 || room.bytes <= 0) return []
    room.chunks -= packs.length
    tasks.push({ kind: 'placePacks', page, packs: packs.length })
  }
  const large = planUploads(page, room)
  tasks.push(...large.tasks)
  const ofUploads = uploads.reduce((sum, { index }) => sum + (page.uploads.get(index)?.planned ?? 0), 0)
  const arePacksPlanned = page.row.chunksPlanned - ofUploads >= packs.length
  if (isPlaced && !arePacksPlanned) tasks.push({ kind: 'planPacks', page })
  if (arePacksPlanned && large.isComplete) tasks.push({ kind: 'finishPage', page })
  return tasks
}

function planTasks(slice: CoordinatorSlice): CoordinatorTask[] {
  const room = roomOf(slice)
  return slice.pages.flatMap((page) => planOnePage(page, room))
}

function correctTasks(slice: CoordinatorSlice, job: JobRow): CoordinatorTask[] {
  if (slice.owed.length === 0 || !job.mayRepair) return []
  // A mismatch found by `verify` waits for the next pass.
  const isRepair = (owed: OwedCorrection): boolean =>
    owed.reason === 'mismatch' || owed.reason === 'missing' || owed.reason === 'differs'
  const repairs = slice.owed.filter(({ owed }) => isRepair(owed))
  const items = repairs.length > 0 ? repairs : slice.owed
  return [{ kind: 'correct', page: slice.listing.pages, items, isRepair: repairs.length > 0 }]
}

/** Nothing of the pass is left but to compare, finish and complete. */
function isSettled(slice: CoordinatorSlice): boolean {
  const { listing, tally } = slice
  return listing.pagesPlanned === listing.pages && pendingOf(tally).items === 0 && tally.owed === 0
}

function finishTasks(slice: CoordinatorSlice, job: JobRow): CoordinatorTask[] {
  const { listing, tally } = slice
  if (job.request.reconcile === 'full' && job.roundPass < job.pass) {
    return [{ kind: 'openRound', round: job.round + 1, cause: 'reconcile' }]
  }
  if (job.roundPass === job.pass && provenSince(tally, job.round) < tally.readable) return []
  if (job.request.reconcile !== 'none') {
    const { compared } = listing
    const isCurrent = compared.isDone && listing.comparedPages === listing.pages
    if (!isCurrent) return [{ kind: 'compare', page: compared.pages }]
  }
  // Last of all: what a comparison has repaired changed the times of the directories that hold it.
  if (!listing.directoriesDone) return [{ kind: 'finishDirectories', page: listing.directoryPages }]
  return [{ kind: 'completePass', isCancelled: false }]
}

function errorsOver(job: JobRow, tally: TallyRow): boolean {
  const limit = job.request.errorsMax
  if (limit === null) return false
  const errors = tally.failed.items + tally.mismatched.items + tally.missing.items + tally.changed.items
  const allowed = limit.endsWith('%') ? (tally.listed.items * Number(limit.slice(0, -1))) / 100 : Number(limit)
  return errors > allowed
}

function passTasks(slice: CoordinatorSlice, job: JobRow): CoordinatorTask[] {
  const { listing, tally } = slice
  if (job.control === 'paused') return []
  if (job.control === 'cancelled') {
    return tally.chunksLeased === 0 ? [{ kind: 'completePass', isCancelled: true }] : []
  }
  if (job.probedForPass < job.pass) return [{ kind: 'probe' }]
  if (errorsOver(job, tally))
    return [{ kind: 'pause', code: 'ERRORS_MAX', reason: 'more errors than --max-errors allows' }]
  const moving: CoordinatorTask[] = [
    ...slice.sealable.map(({ item, generation }): CoordinatorTask => ({ kind: 'seal', item, generation })),
    ...planTasks(slice),
  ]
  const corrections = correctTasks(slice, job)
  if (corrections.length > 0) return [...moving, ...corrections]
  // Corrections of earlier rounds are finished before a later pass walks: it must find them verified.
  const isWalkHeld = job.pass > 1 && listing.cursor === null && !listing.isWalked && !isSettled(slice)
  if (!listing.isWalked) return isWalkHeld ? moving : [...moving, { kind: 'list', page: listing.pages }]
  if (job.lastPage === null) return [...moving, { kind: 'endListing', lastPage: listing.pages - 1 }]
  return isSettled(slice) ? finishTasks(slice, job) : moving
}

function idleTasks(slice: CoordinatorSlice, job: JobRow): CoordinatorTask[] {
  if (job.control === 'paused') return []
  const isWished = slice.wish === 'new-pass' && job.pass < slice.wishedPass
  if (job.pass === 0 || isWished || job.pass < job.passAsked) {
    return [{ kind: 'openPass', pass: job.pass + 1 }]
  }
  if (slice.wish === 'verify' && job.round < slice.wishedRound) {
    return [{ kind: 'openRound', round: job.round + 1, cause: 'verify' }]
  }
  return []
}

/** Tasks for the state as folded; the same state gives the same tasks. */
export function decideCoordinator(slice: CoordinatorSlice): readonly CoordinatorTask[] {
  const { job } = slice
  const [request] = slice.requests
  if (request !== undefined) {
    return job === undefined ? [{ kind: 'accept', request }] : [{ kind: 'reject', request, code: 'duplicate' }]
  }
  if (job === undefined) return []
  return job.passesCompleted === job.pass ? idleTasks(slice, job) : passTasks(slice, job)
}
