// The coordinator of one job: lists, plans, opens and seals uploads, corrects, compares, completes. Its state is the fold;
// what it keeps in memory can be lost at any time.

import {
  type CoordinatorSlice,
  type CoordinatorTask,
  coordinatorTaskKey,
  decideCoordinator,
  type UnplannedPage,
  type Wish,
} from '#libs/domain/decide-coordinator'
import { codeOf, errorCatalogue, WaybillError } from '#libs/domain/errors'
import { keyOf, parseItemKey, parsePageId, parseUploadKey } from '#libs/domain/keys'
import { owedCorrectionOf } from '#libs/domain/owed'
import { planPage } from '#libs/domain/plan'
import { emptyListing, emptyTally } from '#libs/domain/rows'
import type { PlacedDraft } from '#libs/log/event-writer'
import { readPage } from '#libs/projection/item-reader'
import type { Role } from '#libs/runtime/role'
import type { EventOf } from '#schemas/events'
import { compareTarget } from './comparison.ts'
import { completePass, finishDirectories } from './completion.ts'
import { type CoordinatorContext, jobRowOf, loadsOf, onJobs } from './context.ts'
import { correctItems } from './correction.ts'
import { endListing, Lister } from './listing.ts'
import { finishPage, openUpload, placePacks, planPacks, planUpload } from './planning.ts'
import { answerRequest } from './requests.ts'
import { sealUpload } from './sealing.ts'

/** Rows of a ready list that one decision looks at. */
const sliceLimits = { pages: 4, sealable: 16, owed: 100, requests: 4 } as const

export interface CoordinatorOptions extends CoordinatorContext {
  readonly wish: Wish
  /** Pass that `new-pass` wants. */
  readonly wishedPass: number
  /** Round that `verify` wants; 0: none. */
  readonly wishedRound: number
  readonly actor: string
}

export function createCoordinator(options: CoordinatorOptions): Role<CoordinatorTask> {
  const pages = createPageCache(options)
  const lister = new Lister(options)
  return {
    name: 'coordinator',
    keyOf: coordinatorTaskKey,
    decide: async (busy) => {
      const version = options.projection.version()
      const tasks = decideCoordinator(await readSlice(options, pages))
      // A page that is under way when its pass ends would land behind the end.
      if (busy.has('completePass')) return []
      // Rows are read one after the other. With a commit in between some show what others do not yet, and a pass could
      // be found complete that still owes a correction.
      const isWhole = options.projection.version() === version && busy.size === 0
      return isWhole ? tasks : tasks.filter(({ kind }) => !concluding.has(kind))
    },
    perform: (task, signal) => perform(options, lister, task, signal),
    recover: (task, error) => recover(options, task, error),
  }
}

/** Tasks that follow from nothing being left to do: they need rows of one state, and no other task under way. */
const concluding: ReadonlySet<CoordinatorTask['kind']> = new Set([
  'openPass',
  'openRound',
  'finishDirectories',
  'compare',
  'completePass',
])

type PageCache = (id: string) => Promise<EventOf<'ItemsListed'> | null>

/** Events of the pages that are being planned; each is up to 256 KiB, so few are kept. */
function createPageCache(context: CoordinatorContext): PageCache {
  const kept = new Map<string, EventOf<'ItemsListed'>>()
  return async (id) => {
    const found = kept.get(id) ?? (await readPage(context.items, parsePageId(id)))
    if (found === null) return null
    kept.set(id, found)
    const oldest = kept.size > sliceLimits.pages * 2 ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    return found
  }
}

async function readUnplanned(context: CoordinatorContext, pages: PageCache): Promise<readonly UnplannedPage[]> {
  const { rows } = context.projection
  const { job } = context
  const ready = await rows.slice('unplanned', `unplanned/${job}/`, sliceLimits.pages)
  const unplanned: UnplannedPage[] = []
  for (const { row } of ready) {
    const id = parsePageId(row.chunk)
    const event = await pages(row.chunk)
    const page = await rows.get(keyOf.page(job, id))
    if (event === null || page === undefined) continue
    const { uploads } = planPage(event.items, event.packBytes)
    const own = uploads.flatMap(({ index }) => {
      const item = event.items[index]
      return item === undefined ? [] : [{ index, key: keyOf.upload(job, item.item, item.generation) }]
    })
    const found = await rows.getMany(own.map(({ key }) => key))
    const known = own.flatMap(({ index }, place) => {
      const upload = found[place]
      return upload === undefined ? [] : [[index, upload] as const]
    })
    unplanned.push({ id, row: page, event, uploads: new Map(known) })
  }
  return unplanned
}

async function readSlice(options: CoordinatorOptions, pages: PageCache): Promise<CoordinatorSlice> {
  const { job, wish, wishedPass, wishedRound } = options
  const { rows } = options.projection
  const row = await rows.get(keyOf.job(job))
  const [listing, tally] = await Promise.all([rows.get(keyOf.listing(job, row?.pass ?? 0)), rows.get(keyOf.tally(job))])
  const [requests, sealable, owed] = await Promise.all([
    rows.slice('request', `request/${job}/`, sliceLimits.requests),
    rows.slice('sealable', `sealable/${job}/`, sliceLimits.sealable),
    rows.slice('owed', `owed/${job}/`, sliceLimits.owed),
  ])
  const unplanned = await readUnplanned(options, pages)
  return {
    job: row,
    requests: requests.map((entry) => entry.row),
    listing: listing ?? emptyListing,
    tally: tally ?? emptyTally,
    pages: unplanned,
    sealable: sealable.map(({ key }) => parseUploadKey(key)),
    owed: owed.flatMap(({ key, row }) => {
      const correction = owedCorrectionOf(row)
      return correction === null ? [] : [{ item: parseItemKey(key).item, owed: correction }]
    }),
    // Dear with many partitions, and of use only for what is to be placed.
    loads: unplanned.length === 0 ? [] : await loadsOf(options),
    wish,
    wishedPass,
    wishedRound,
  }
}

function perform(
  options: CoordinatorOptions,
  lister: Lister,
  task: CoordinatorTask,
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  switch (task.kind) {
    case 'placePacks':
      return placePacks(options, task.page, task.packs)
    case 'planPacks':
      return planPacks(options, task.page)
    case 'openUpload':
      return openUpload(options, task.page, task.index, signal)
    case 'planUpload':
      return planUpload(options, task.page, task.index)
    case 'list':
      return lister.listPage(task.page, signal)
    case 'endListing':
      return endListing(options, task.lastPage)
    case 'correct':
      return correctItems(options, task, signal)
    case 'seal':
      return sealUpload(options, task, signal)
    case 'compare':
      return compareTarget(options, task.page, signal)
    case 'finishDirectories':
      return finishDirectories(options, task.page, signal)
    case 'completePass':
      return completePass(options, task.isCancelled, signal)
    case 'probe':
      return probeTarget(options, signal)
    case 'openPass':
      return openPass(options, task.pass)
    case 'accept':
    case 'reject':
    case 'openRound':
    case 'finishPage':
    case 'pause':
      return Promise.resolve([state(options, task)])
  }
}

type Statement = Extract<CoordinatorTask, { kind: 'accept' | 'reject' | 'openRound' | 'finishPage' | 'pause' }>

/** Decisions that are facts by themselves: nothing to do but to append them. */
function state(options: CoordinatorOptions, task: Statement): PlacedDraft {
  switch (task.kind) {
    case 'accept':
      return answerRequest(options, task.request, null)
    case 'reject':
      return answerRequest(options, task.request, task.code)
    case 'openRound': {
      const mayRepair = task.cause === 'reconcile'
      return onJobs(options, { type: 'RoundOpened', round: task.round, cause: task.cause, mayRepair })
    }
    case 'finishPage':
      return finishPage(options, task.page)
    case 'pause':
      return pausedBy(options, task.code, task.reason)
  }
}

async function openPass(options: CoordinatorOptions, pass: number): Promise<readonly PlacedDraft[]> {
  const { control } = await jobRowOf(options)
  // Cancelled before it began: the pass is opened to be ended, and the source may be why.
  const isEnding = control === 'cancelled' && pass === 1
  const seen = isEnding ? { rootIdentity: '', readView: '' } : await options.source.describe()
  const { rootIdentity: sourceRoot, readView } = seen
  const { actor, wish: reason } = options
  return [onJobs(options, { type: 'PassOpened', pass, actor, reason, sourceRoot, readView })]
}

async function probeTarget(options: CoordinatorOptions, signal: AbortSignal): Promise<readonly PlacedDraft[]> {
  const { abilities, findings } = await options.survey.probe(signal)
  return [onJobs(options, { type: 'TargetProbed', abilities, findings })]
}

function pausedBy(options: CoordinatorOptions, code: string, reason: string): PlacedDraft {
  const { job, jobs } = options
  const event = { type: 'JobPaused', job, actor: 'coordinator', reason, code } as const
  return { topic: 'jobs', partition: jobs.partition, event }
}

/** Effects that may simply be tried again later; all else ends the run, with its own code. */
function recover(options: CoordinatorOptions, task: CoordinatorTask, error: unknown): readonly PlacedDraft[] | null {
  const code = codeOf(error)
  const { retry, help } = errorCatalogue[code]
  const isAgain = error instanceof WaybillError && retry === 'again' && task.kind !== 'probe'
  // Whoever started the role tells of what ends it.
  if (retry !== 'pause' && !isAgain) throw error
  options.logger.warn({ code, task: task.kind, error }, 'coordinator effect failed')
  return isAgain ? null : [pausedBy(options, code, help)]
}
