// Every event of the log. Topic and field meanings: docs/events.md. Names are past tense.
import { added, boolean, bytes, double, int, list, long, nullable, record, string, type TypeOf, word } from './avro.ts'
import {
  copyOrigin,
  differingObject,
  extent,
  jobRequest,
  listedItem,
  noteCount,
  pageCounts,
  placement,
  proof,
  rateSignal,
  runSettings,
  targetAbilities,
  transferredEntry,
} from './records.ts'

const envelope = {
  /** Empty for events that belong to no job (PartitionClaimed, rates). */
  job: string,
  /** Wall clock in ms, for people; no fold reads it. */
  at: long,
  writer: string,
  sequence: long,
  software: string,
}
/** Events that count only under the claim that stood when they folded (rule 1). */
const claimed = { ...envelope, claim: string, epoch: int }

const commanded = { ...envelope, actor: string, reason: string }

/**
 * capped: a limit changed. learned: the quiet latency is known. halved, raised: the controller changed the rate.
 * floored, unfloored: a signal fell silent, or is heard again.
 */
export type RateAction = 'capped' | 'learned' | 'halved' | 'raised' | 'floored' | 'unfloored'

export const eventRecords = {
  // waybill.jobs
  JobRequested: record('JobRequested', { ...envelope, request: jobRequest }),
  JobAccepted: record('JobAccepted', { ...claimed, request: jobRequest, requestPartition: int, requestPosition: long }),
  JobRejected: record('JobRejected', { ...claimed, code: string, requestPartition: int, requestPosition: long }),
  JobPaused: record('JobPaused', { ...commanded, code: nullable(string) }),
  JobResumed: record('JobResumed', commanded),
  JobCancelled: record('JobCancelled', commanded),
  LimitsChanged: record('LimitsChanged', {
    ...commanded,
    throughputBytesPerSecond: nullable(long),
    sourcePeakBytesPerSecond: nullable(long),
    workersMax: nullable(int),
    priority: word<'low' | 'normal' | 'high'>(),
    /** null: as before. */
    settings: nullable(runSettings),
    throughputTimetable: added(nullable(string), null),
  }),
  RateDecided: record('RateDecided', {
    ...claimed,
    source: string,
    /** null: unlimited */
    bytesPerSecond: nullable(long),
    reason: string,
    signals: list(rateSignal),
    action: added(word<RateAction>(), 'capped'),
    /** Hard limit of the source and of its jobs at that moment; null: none. */
    capBytesPerSecond: added(nullable(long), null),
    /** What the controller allows by itself, the cap aside; null: it holds nothing back. */
    allowedBytesPerSecond: added(nullable(long), null),
  }),
  TargetProbed: record('TargetProbed', { ...claimed, abilities: targetAbilities, findings: list(string) }),
  PassOpened: record('PassOpened', {
    ...claimed,
    pass: int,
    actor: string,
    reason: string,
    /** Identity of the source's root, and how the source is seen. */
    sourceRoot: string,
    readView: string,
  }),
  ListingEnded: record('ListingEnded', {
    ...claimed,
    pass: int,
    lastPage: int,
    vanished: long,
    findings: list(string),
  }),
  RoundOpened: record('RoundOpened', {
    ...claimed,
    round: int,
    cause: word<'reconcile' | 'verify'>(),
    mayRepair: boolean,
  }),
  PassCompleted: record('PassCompleted', {
    ...claimed,
    pass: int,
    /** Positions of all partitions it was decided at, as `topic:partition:position`. */
    positions: list(string),
    isCancelled: boolean,
    /** Findings counted since the job began. */
    codes: added(list(noteCount), []),
  }),

  // any topic
  PartitionClaimed: record('PartitionClaimed', { ...claimed, cause: word<'start' | 'takeover'>() }),

  // waybill.listings
  ItemsListed: record('ItemsListed', {
    ...claimed,
    pass: int,
    page: int,
    kind: word<'listing' | 'relist' | 'repair'>(),
    /** Where the walk goes on after this page; null for relist and repair pages. */
    cursor: nullable(bytes),
    /** Round that a correction answers; the job's round otherwise. */
    round: int,
    /** Largest pack, in bytes; also the chunk size of the job. */
    packBytes: long,
    counts: pageCounts,
    items: list(listedItem),
  }),
  UploadOpened: record('UploadOpened', {
    ...claimed,
    item: string,
    generation: int,
    pass: int,
    page: int,
    key: bytes,
    /** null when the object is there already (given seal). */
    upload: nullable(string),
    givenSeal: nullable(string),
    isOurs: boolean,
    /** Seal of the object that the new one may replace. */
    replaces: nullable(string),
    partBytes: long,
    placements: list(placement),
    /** Set when no upload could be opened: the item's outcome is failed with this code. */
    code: nullable(string),
  }),
  PacksPlaced: record('PacksPlaced', { ...claimed, pass: int, page: int, placements: list(placement) }),
  PagePlanned: record('PagePlanned', { ...claimed, pass: int, page: int, chunks: long }),
  UploadSealed: record('UploadSealed', {
    ...claimed,
    item: string,
    generation: int,
    /** null when the seal failed for good: the generation is lost, a new one is owed. */
    seal: nullable(string),
    size: long,
    isAdopted: boolean,
    isOurs: boolean,
    code: nullable(string),
  }),
  TargetListed: record('TargetListed', {
    ...claimed,
    pass: int,
    page: int,
    cursor: nullable(bytes),
    /** Order (name, directories with a slash) up to which target and pages were compared. */
    through: nullable(bytes),
    isLast: boolean,
    objects: long,
    bytes: long,
    differing: list(differingObject),
    strangers: long,
    strangerSamples: list(bytes),
  }),
  DirectoriesFinished: record('DirectoriesFinished', {
    ...claimed,
    pass: int,
    page: int,
    isLast: boolean,
    failed: list(string),
  }),

  // waybill.chunks
  ChunkPlanned: record('ChunkPlanned', {
    ...envelope,
    chunk: string,
    generation: int,
    upload: nullable(string),
    /** 1-based part number of an upload; null for whole items. */
    part: nullable(int),
    extents: list(extent),
    /** Seal of the object that is there already, for a part of it. */
    givenSeal: nullable(string),
    copy: nullable(copyOrigin),
  }),
  ChunkLeased: record('ChunkLeased', { ...claimed, chunk: string, attempt: int }),
  ChunkTransferred: record('ChunkTransferred', {
    ...claimed,
    chunk: string,
    attempt: int,
    sourceBytesRead: long,
    targetBytesWritten: long,
    entries: list(transferredEntry),
    notes: list(noteCount),
  }),
  /** Every extent of the chunk was read back and is equal. */
  ChunkVerified: record('ChunkVerified', { ...envelope, chunk: string, proof }),
  ChunkFailed: record('ChunkFailed', {
    ...claimed,
    chunk: string,
    /** A verifier claims nothing: its claim is empty, its epoch 0, its proof is set and says which extents failed. */
    by: word<'worker' | 'coordinator' | 'verifier'>(),
    attempt: int,
    code: string,
    detail: string,
    isCounted: boolean,
    isFinal: boolean,
    sourceBytesRead: long,
    targetBytesWritten: long,
    proof: nullable(proof),
  }),

  // waybill.rates
  RateGranted: record('RateGranted', {
    ...claimed,
    worker: string,
    /** Sequence of the WorkerReported it answers; the worker counts the grant's life from sending that. */
    reportSequence: long,
    bytesPerSecond: nullable(long),
    lifeMs: int,
  }),
  WorkerReported: record('WorkerReported', {
    ...envelope,
    worker: string,
    reportSequence: long,
    source: string,
    hasWork: boolean,
    readBytesPerSecond: double,
    /** Sequence of the report whose grant it reads under; older grants are used no more. -1: none yet. */
    grantSequence: added(long, -1),
    /** Reads at the source since the report before, those under way included, and how long they took. */
    reads: added(long, 0),
    readMsP50: added(double, 0),
    readMsP95: added(double, 0),
  }),
} as const

type Records = typeof eventRecords
export type EventType = keyof Records
type Named = { [K in EventType]: { readonly type: K } & TypeOf<Records[K]> }
export type EventOf<K extends EventType> = Named[K]
export type WaybillEvent = Named[EventType]

export function isEvent<K extends EventType>(event: WaybillEvent, type: K): event is Named[K] {
  return event.type === type
}

type Stamp = 'at' | 'writer' | 'sequence' | 'software'
/** An event as a role makes it: the log writer adds time, writer, sequence and software. */
export type Draft<K extends EventType = EventType> = { [T in K]: Omit<EventOf<T>, Stamp> }[K]

export type Topic = 'jobs' | 'listings' | 'chunks' | 'rates'
export const topics: readonly Topic[] = ['jobs', 'listings', 'chunks', 'rates']
