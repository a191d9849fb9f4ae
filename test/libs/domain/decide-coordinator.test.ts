import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CoordinatorSlice,
  type CoordinatorTask,
  coordinatorTaskKey,
  decideCoordinator,
  planLimits,
  type UnplannedPage,
} from '#libs/domain/decide-coordinator'
import { emptyListing, emptyPage, emptyTally, emptyUpload } from '#libs/domain/rows'
import type { OwedCorrection, UploadRow } from '#schemas/rows'
import { smallRequest } from '#test/support/memory-migration'
import { accepted } from './accepted-job.ts'
import { listedItem, packPlace, page } from './history.ts'

const idle: CoordinatorSlice = {
  job: accepted,
  requests: [],
  listing: emptyListing,
  tally: emptyTally,
  pages: [],
  sealable: [],
  owed: [],
  loads: [{ partition: 0, claimant: 'worker', chunks: 0, bytes: 0 }],
  wish: 'finish',
  wishedRound: 0,
  wishedPass: 1,
}

const walked = { ...emptyListing, pages: 1, pagesPlanned: 1, isWalked: true }
const listedJob = { ...accepted, lastPage: 0 }
const settled: CoordinatorSlice = { ...idle, job: listedJob, listing: walked }

const given = (change: Partial<CoordinatorSlice>): readonly CoordinatorTask['kind'][] =>
  decideCoordinator({ ...idle, ...change }).map(({ kind }) => kind)
const givenSettled = (change: Partial<CoordinatorSlice>): readonly CoordinatorTask['kind'][] =>
  decideCoordinator({ ...settled, ...change }).map(({ kind }) => kind)

const request = { request: smallRequest, partition: 0, position: 3 }

test('a request for an unknown job is accepted, a second one rejected as a duplicate', () => {
  assert.deepEqual(given({ job: undefined, requests: [request] }), ['accept'])
  assert.deepEqual(given({ requests: [request] }), ['reject'])
  assert.deepEqual(given({ job: undefined }), [])
})

test('a pass begins with its opening, then the probe, then the listing', () => {
  assert.deepEqual(given({ job: { ...accepted, pass: 0, probedForPass: 0 } }), ['openPass'])
  assert.deepEqual(given({ job: { ...accepted, probedForPass: 0 } }), ['probe'])
  assert.deepEqual(given({}), ['list'])
})

test('the listing ends once, after its last page', () => {
  assert.deepEqual(given({ listing: walked }), ['endListing'])
})

test('a complete job does nothing until a new pass or a round is wished for', () => {
  const complete = { ...accepted, passesCompleted: 1 }
  assert.deepEqual(given({ job: complete }), [])
  assert.deepEqual(given({ job: complete, wish: 'new-pass', wishedPass: 2 }), ['openPass'])
  assert.deepEqual(given({ job: complete, wish: 'verify', wishedRound: 2 }), ['openRound'])
  assert.deepEqual(given({ job: { ...complete, round: 2 }, wish: 'verify', wishedRound: 2 }), [])
})

test('a paused job does nothing; a cancelled one completes when no lease stands', () => {
  const sealable = [{ item: '1.0.0', generation: 1 }]
  assert.deepEqual(given({ job: { ...accepted, control: 'paused' }, sealable }), [])
  assert.deepEqual(given({ job: { ...accepted, pass: 0, probedForPass: 0, control: 'paused' } }), [])
  assert.deepEqual(given({ job: { ...accepted, passesCompleted: 1, passAsked: 2, control: 'paused' } }), [])
  const cancelled = { ...accepted, control: 'cancelled' } as const
  assert.deepEqual(given({ job: cancelled, sealable }), ['completePass'])
  assert.deepEqual(given({ job: cancelled, tally: { ...emptyTally, chunksLeased: 1 } }), [])
})

test('more errors than allowed pause the job, by count and by share', () => {
  const tally = { ...emptyTally, listed: { items: 10, bytes: 0 }, failed: { items: 2, bytes: 0 } }
  const limited = (errorsMax: string) => ({ ...accepted, request: { ...smallRequest, errorsMax } })
  assert.deepEqual(given({ job: limited('1'), tally }), ['pause'])
  assert.deepEqual(given({ job: limited('2'), tally }), ['list'])
  assert.deepEqual(given({ job: limited('10%'), tally }), ['pause'])
  assert.deepEqual(given({ job: limited('20%'), tally }), ['list'])
})

const items = [
  listedItem('1.0.0'),
  listedItem('1.0.1', { chunks: 2, identity: { ...listedItem('').identity, size: 20 } }),
]
const unplanned = (
  change: Partial<UnplannedPage['row']> = {},
  uploads: readonly [number, UploadRow][] = [],
): UnplannedPage => ({
  id: { pass: 1, page: 0 },
  row: { ...emptyPage, isListed: true, items: 2, chunks: 3, ...change },
  event: page(0, items, { packBytes: 10 }),
  uploads: new Map(uploads),
})
const placements = [{ partition: 0, count: 1 }]
const opened: UploadRow = {
  ...emptyUpload,
  isListed: true,
  opened: { upload: 'u', givenSeal: null, isOurs: true, replaces: null, partBytes: 10, openedAt: 0, code: null },
}

test('a page is placed and its uploads opened, then planned, then finished when all its chunks are known', () => {
  const job = listedJob
  const listing = { ...walked, pagesPlanned: 0 }
  const plan = (one: UnplannedPage) => given({ job, listing, pages: [one] })
  assert.deepEqual(plan(unplanned()), ['placePacks', 'openUpload'])
  assert.deepEqual(plan(unplanned({ placements }, [[1, opened]])), ['planUpload', 'planPacks'])
  assert.deepEqual(plan(unplanned({ placements, chunksPlanned: 2 }, [[1, { ...opened, planned: 1 }]])), ['planUpload'])
  assert.deepEqual(plan(unplanned({ placements, chunksPlanned: 3 }, [[1, { ...opened, planned: 2 }]])), ['finishPage'])
})

test('beyond the window nothing is planned until chunks are finished', () => {
  const loads = [{ partition: 0, claimant: 'worker', chunks: planLimits.unfinishedChunksOfClaimant, bytes: 0 }]
  assert.deepEqual(given({ job: listedJob, listing: { ...walked, pagesPlanned: 0 }, pages: [unplanned()], loads }), [])
})

const owed = (reason: OwedCorrection['reason']) => ({
  item: '1.0.0',
  owed: { place: packPlace('1.0.0'), reason, code: null, isGiven: false, isOurs: true },
})

test('corrections come before the listing goes on, repairs before relists, and none in a round that may not repair', () => {
  assert.deepEqual(given({ owed: [owed('changed')] }), ['correct'])
  const [task] = decideCoordinator({ ...idle, owed: [owed('changed'), owed('mismatch')] })
  assert.ok(task?.kind === 'correct' && task.isRepair && task.items.length === 1)
  assert.deepEqual(given({ job: { ...accepted, mayRepair: false }, owed: [owed('mismatch')] }), ['list'])
})

test('a later pass walks only once corrections of earlier rounds are verified', () => {
  const later = { ...accepted, pass: 2, passesCompleted: 1, probedForPass: 2 }
  const pending = { ...emptyTally, listed: { items: 1, bytes: 1 } }
  assert.deepEqual(given({ job: later, tally: pending }), [])
  assert.deepEqual(given({ job: later }), ['list'])
})

test('a pass completes after a comparison that is newer than its last page, and directories after that', () => {
  const compared = { ...walked, compared: { ...emptyListing.compared, pages: 2, isDone: true }, comparedPages: 1 }
  assert.deepEqual(givenSettled({}), ['compare'])
  assert.deepEqual(givenSettled({ listing: { ...compared, comparedPages: 0 } }), ['compare'])
  assert.deepEqual(givenSettled({ listing: compared }), ['finishDirectories'])
  assert.deepEqual(givenSettled({ listing: { ...compared, directoriesDone: true } }), ['completePass'])
})

test('a pass never completes while an item is pending, a page unplanned or a correction owed', () => {
  const listing = {
    ...walked,
    directoriesDone: true,
    comparedPages: 1,
    compared: { ...emptyListing.compared, isDone: true },
  }
  const pending = { ...emptyTally, listed: { items: 1, bytes: 0 } }
  assert.deepEqual(givenSettled({ listing, tally: pending }), [])
  assert.deepEqual(givenSettled({ listing, tally: { ...emptyTally, owed: 1 } }), [])
  assert.deepEqual(givenSettled({ listing: { ...listing, pagesPlanned: 0 } }), [])
})

test('full reconciliation reads everything again before the pass completes', () => {
  const job = { ...listedJob, request: { ...smallRequest, reconcile: 'full' } } as const
  assert.deepEqual(givenSettled({ job }), ['openRound'])
  const open = { ...job, round: 2, roundPass: 1 }
  const tally = {
    ...emptyTally,
    readable: 2,
    rounds: [
      { round: 1, chunks: 1 },
      { round: 2, chunks: 1 },
    ],
  }
  assert.deepEqual(givenSettled({ job: open, tally }), [])
  assert.deepEqual(givenSettled({ job: open, tally: { ...tally, readable: 1 } }), ['compare'])
})

test('pages are appended one after the other: their tasks share a key', () => {
  const list = coordinatorTaskKey({ kind: 'list', page: 1 })
  assert.equal(coordinatorTaskKey({ kind: 'correct', page: 1, items: [], isRepair: true }), list)
  assert.equal(coordinatorTaskKey({ kind: 'endListing', lastPage: 1 }), list)
  assert.notEqual(coordinatorTaskKey({ kind: 'seal', item: '1.0.0', generation: 1 }), list)
})

test('the same state gives the same tasks', () => {
  assert.deepEqual(decideCoordinator(settled), decideCoordinator(settled))
})
