// One fold for all topics: `keysOf` names the rows an event needs, `foldEvent` changes them. Pure: no clock, no I/O.
import type { EventOf, Topic, WaybillEvent } from '#schemas/events'
import type { ChunkRow, RowKind, UploadRow } from '#schemas/rows'
import { type ChunkEvent, foldChunkEvent, standingClaim } from './fold-chunk.ts'
import { foldClaim, foldJobEvent } from './fold-job.ts'
import { foldListingEvent } from './fold-listing.ts'
import { type Key, keyOf, parseChunkId, parseChunkKey } from './keys.ts'
import type { RecordPlace, Rows } from './rows.ts'
import { folded, poison, stale, type Verdict } from './verdict.ts'

type AnyKey = Key<RowKind>

/** Kinds of rows that are no part of the state digest: the rates topic is not audit, requests may come from anyone. */
export const undigestedKinds: ReadonlySet<RowKind> = new Set<RowKind>([
  'request',
  'rejected',
  'report',
  'grant',
  'rate',
])

const topicOf: Readonly<Record<WaybillEvent['type'], Topic | 'any'>> = {
  JobRequested: 'jobs',
  JobAccepted: 'jobs',
  JobRejected: 'jobs',
  JobPaused: 'jobs',
  JobResumed: 'jobs',
  JobCancelled: 'jobs',
  LimitsChanged: 'jobs',
  RateDecided: 'jobs',
  TargetProbed: 'jobs',
  PassOpened: 'jobs',
  ListingEnded: 'jobs',
  RoundOpened: 'jobs',
  PassCompleted: 'jobs',
  PartitionClaimed: 'any',
  ItemsListed: 'listings',
  UploadOpened: 'listings',
  PacksPlaced: 'listings',
  PagePlanned: 'listings',
  UploadSealed: 'listings',
  TargetListed: 'listings',
  DirectoriesFinished: 'listings',
  ChunkPlanned: 'chunks',
  ChunkLeased: 'chunks',
  ChunkTransferred: 'chunks',
  ChunkVerified: 'chunks',
  ChunkFailed: 'chunks',
  RateGranted: 'rates',
  WorkerReported: 'rates',
}

function topicOfEvent(event: WaybillEvent, topic: Topic): Topic {
  const own = topicOf[event.type]
  return own === 'any' ? topic : own
}

function uploadKeys(job: string, item: string, generation: number, row: UploadRow | undefined): AnyKey[] {
  const pass = row === undefined || row.firstChunk === '' ? [] : [keyOf.listing(job, parseChunkId(row.firstChunk).pass)]
  return [keyOf.upload(job, item, generation), keyOf.owed(job, item), ...pass]
}

/** Rows that a chunk's row leads to. */
function chunkLinks(rows: Rows, job: string, row: ChunkRow | undefined): AnyKey[] {
  if (row === undefined) return []
  if (row.item !== '') {
    return uploadKeys(job, row.item, row.generation, rows.get(keyOf.upload(job, row.item, row.generation)))
  }
  return [...row.noted, ...row.disproved].map(({ item }) => keyOf.owed(job, item))
}

function chunkKeys(rows: Rows, event: ChunkEvent, at: RecordPlace): AnyKey[] {
  const { job } = event
  const chunk = keyOf.chunk(job, event.chunk)
  const keys = chunkLinks(rows, job, rows.get(chunk))
  keys.push(chunk, keyOf.tally(job), keyOf.partition('chunks', at.partition), keyOf.load(at.partition))
  switch (event.type) {
    case 'ChunkPlanned': {
      keys.push(keyOf.page(job, parseChunkId(event.chunk)))
      const first = event.extents[0]
      if (event.part === null || first === undefined) return keys
      const upload = keyOf.upload(job, first.item, event.generation)
      keys.push(...uploadKeys(job, first.item, event.generation, rows.get(upload)))
      return keys
    }
    case 'ChunkTransferred':
      for (const { outcome, item } of event.entries) if (outcome !== 'written') keys.push(keyOf.owed(job, item))
      return keys
    case 'ChunkVerified':
    case 'ChunkFailed':
      for (const { outcome, item } of event.proof?.entries ?? []) {
        if (outcome !== 'verified') keys.push(keyOf.owed(job, item))
      }
      return keys
    case 'ChunkLeased':
      return keys
  }
}

function itemKeys(rows: Rows, event: EventOf<'ItemsListed'>): AnyKey[] {
  return event.items.flatMap((item): AnyKey[] => {
    if (item.carried !== null) return []
    const keys: AnyKey[] = []
    if (item.generation > 1) keys.push(keyOf.item(event.job, item.item))
    if (item.chunks > 0) keys.push(...uploadKeys(event.job, item.item, item.generation, undefined))
    const { previous } = item
    if (previous === null) return keys
    keys.push(keyOf.owed(event.job, item.item))
    if (previous.form === 'pack') {
      const chunk = keyOf.chunk(event.job, previous.chunk)
      keys.push(chunk, ...chunkLinks(rows, event.job, rows.get(chunk)))
    }
    if (previous.form === 'upload') {
      const upload = keyOf.upload(event.job, item.item, previous.generation)
      keys.push(...uploadKeys(event.job, item.item, previous.generation, rows.get(upload)))
    }
    return keys
  })
}

function claimKeys(rows: Rows, topic: Topic, at: RecordPlace): AnyKey[] {
  const key = keyOf.partition(topic, at.partition)
  const leased = rows.get(key)?.leased ?? []
  return [
    key,
    keyOf.load(at.partition),
    ...leased.flatMap((chunk): AnyKey[] => {
      const { job } = parseChunkKey(chunk)
      return [chunk, keyOf.tally(job), ...chunkLinks(rows, job, rows.get<'chunk'>(chunk))]
    }),
  ]
}

/**
 * Keys of the rows that folding the event may read. Called again with what was loaded until it names nothing new, since
 * a row may lead to others (a chunk to its upload, a claim to its leases).
 */
export function keysOf(rows: Rows, event: WaybillEvent, topic: Topic, at: RecordPlace): readonly AnyKey[] {
  const { job } = event
  switch (event.type) {
    case 'PartitionClaimed':
      return claimKeys(rows, topic, at)
    case 'JobRequested':
      return []
    case 'JobPaused':
    case 'JobResumed':
    case 'JobCancelled':
    case 'LimitsChanged':
      return [keyOf.job(job)]
    case 'RateDecided':
      return [keyOf.partition('jobs', at.partition), keyOf.rate(event.source)]
    case 'JobAccepted':
    case 'JobRejected':
      return [keyOf.partition('jobs', at.partition), keyOf.job(job), keyOf.rejected(job)]
    case 'TargetProbed':
    case 'PassOpened':
    case 'ListingEnded':
    case 'RoundOpened':
    case 'PassCompleted':
      return [keyOf.partition('jobs', at.partition), keyOf.job(job)]
    case 'ItemsListed':
      return [
        keyOf.partition('listings', at.partition),
        keyOf.listing(job, event.pass),
        keyOf.page(job, event),
        keyOf.tally(job),
        ...itemKeys(rows, event),
      ]
    case 'UploadOpened':
    case 'UploadSealed': {
      const upload = rows.get(keyOf.upload(job, event.item, event.generation))
      return [
        keyOf.partition('listings', at.partition),
        keyOf.tally(job),
        ...uploadKeys(job, event.item, event.generation, upload),
      ]
    }
    case 'PacksPlaced':
    case 'PagePlanned':
      return [keyOf.partition('listings', at.partition), keyOf.page(job, event), keyOf.listing(job, event.pass)]
    case 'TargetListed':
      return [
        keyOf.partition('listings', at.partition),
        keyOf.listing(job, event.pass),
        keyOf.tally(job),
        ...event.differing.map(({ item }) => keyOf.owed(job, item)),
      ]
    case 'DirectoriesFinished':
      return [keyOf.partition('listings', at.partition), keyOf.listing(job, event.pass)]
    case 'ChunkPlanned':
    case 'ChunkLeased':
    case 'ChunkTransferred':
    case 'ChunkVerified':
    case 'ChunkFailed':
      return chunkKeys(rows, event, at)
    case 'RateGranted':
    case 'WorkerReported':
      return [keyOf.partition('rates', at.partition)]
  }
}

/** Folds one event. What a topic does not hold is poison: a partition's order says nothing about it. */
export function foldEvent(rows: Rows, event: WaybillEvent, topic: Topic, at: RecordPlace): Verdict {
  if (topicOfEvent(event, topic) !== topic) return poison(`${event.type} on topic ${topic}`)
  switch (event.type) {
    case 'PartitionClaimed':
      return foldClaim(rows, event, topic, at)
    case 'RateGranted': {
      if (standingClaim(rows, event, keyOf.partition('rates', at.partition)) === null) return stale
      const { worker, reportSequence, bytesPerSecond, lifeMs } = event
      // A grant without life forgets a worker that fell silent.
      if (lifeMs === 0) rows.set(keyOf.report(at.partition, worker), null)
      rows.set(keyOf.grant(worker), lifeMs === 0 ? null : { worker, reportSequence, bytesPerSecond, lifeMs })
      return folded
    }
    case 'WorkerReported': {
      const { worker, writer, job, source, reportSequence, hasWork, readBytesPerSecond } = event
      const { grantSequence, reads, readMsP50, readMsP95 } = event
      const epoch = rows.get(keyOf.partition('rates', at.partition))?.epoch ?? 0
      const said = { worker, writer, job, source, reportSequence, hasWork, readBytesPerSecond }
      rows.set(keyOf.report(at.partition, worker), { ...said, grantSequence, reads, readMsP50, readMsP95, epoch })
      return folded
    }
    case 'ItemsListed':
    case 'UploadOpened':
    case 'PacksPlaced':
    case 'PagePlanned':
    case 'UploadSealed':
    case 'TargetListed':
    case 'DirectoriesFinished':
      return foldListingEvent(rows, event, at)
    case 'ChunkPlanned':
    case 'ChunkLeased':
    case 'ChunkTransferred':
    case 'ChunkVerified':
    case 'ChunkFailed':
      return foldChunkEvent(rows, event, at)
    case 'JobRequested':
    case 'JobAccepted':
    case 'JobRejected':
    case 'JobPaused':
    case 'JobResumed':
    case 'JobCancelled':
    case 'LimitsChanged':
    case 'RateDecided':
    case 'TargetProbed':
    case 'PassOpened':
    case 'ListingEnded':
    case 'RoundOpened':
    case 'PassCompleted':
      return foldJobEvent(rows, event, at)
  }
}
