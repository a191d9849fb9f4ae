// Records that several events share.
import {
  added,
  boolean,
  bytes,
  double,
  int,
  list,
  long,
  mapOf,
  nullable,
  record,
  string,
  type TypeOf,
  word,
} from './avro.ts'

export type ItemKind = 'file' | 'directory' | 'symlink' | 'special'
export type Outcome =
  | 'pending'
  | 'verified'
  | 'already_there'
  | 'mismatched'
  | 'missing'
  | 'failed'
  | 'changed'
  | 'skipped'
  | 'unverifiable'

/** One version of an item (rule 7). All numbers that may pass 2^53 are decimal strings. */
export const identity = record('Identity', {
  size: long,
  mtimeNs: string,
  ctimeNs: string,
  /** `device:inode` */
  inode: string,
})
export type Identity = TypeOf<typeof identity>

export const attributes = record('Attributes', { mode: int, uid: long, gid: long })
export type Attributes = TypeOf<typeof attributes>

/** Where one generation of an item stands in the log. */
export const place = record('Place', {
  /** `upload`: chunks of its own, from `chunk` on; `pack`: one extent of a chunk; `page`: settled by its page. */
  form: word<'upload' | 'pack' | 'page'>(),
  /** First chunk's id (`pass.page.n`), or the page's (`pass.page`). */
  chunk: string,
  /** Place among the extents of the chunk, or among the items of the page. */
  index: int,
  /** Number of chunks. */
  count: int,
  generation: int,
  bytes: long,
  /** Outcome and code, for the form `page` only. */
  outcome: nullable(word<Outcome>()),
  code: nullable(string),
})
export type Place = TypeOf<typeof place>

export const listedItem = record('ListedItem', {
  /** `pass.page.index` of the first listing of this name; carried by every later page. */
  item: string,
  generation: int,
  name: bytes,
  kind: word<ItemKind>(),
  identity,
  attributes,
  /** What a symbolic link says. */
  link: nullable(bytes),
  /** Seal of the object of ours that the new generation may replace. */
  replaces: nullable(string),
  /** Where the previous generation stands: superseded by this entry. */
  previous: nullable(place),
  /** Unchanged since an earlier pass: nothing is planned, the outcome there is carried. */
  carried: nullable(place),
  /** Repair of an upload only: numbers (from 0) of the chunks that are read at the source again; the others are copied. */
  bad: nullable(list(int)),
  /** Set when nothing is to be moved: skipped, failed, changed, or the carried outcome. */
  outcome: nullable(word<Outcome>()),
  code: nullable(string),
  /** Number of chunks of its own; 0: packed with others, or not to be moved. */
  chunks: int,
})
export type ListedItem = TypeOf<typeof listedItem>

export const pageCounts = record('PageCounts', {
  items: long,
  bytes: long,
  chunks: long,
  /** Items that get an upload of their own (more than one chunk). */
  uploads: long,
})
export type PageCounts = TypeOf<typeof pageCounts>

/** `count` chunks in a row that go to `partition`. */
export const placement = record('Placement', { partition: int, count: int })
export type Placement = TypeOf<typeof placement>

/** One item's share of a chunk, with all that a worker needs to move it. */
export const extent = record('Extent', {
  item: string,
  generation: int,
  name: bytes,
  kind: word<ItemKind>(),
  key: bytes,
  offset: long,
  length: long,
  identity,
  attributes,
  link: nullable(bytes),
  replaces: nullable(string),
})
export type Extent = TypeOf<typeof extent>

/** Bytes of a verified range of an earlier object, copied inside the target. */
export const copyOrigin = record('CopyOrigin', { seal: string, offset: long, length: long, digest: bytes })
export type CopyOrigin = TypeOf<typeof copyOrigin>

/** What became of one extent when its chunk was moved. */
export const transferredEntry = record('TransferredEntry', {
  item: string,
  generation: int,
  /** written, given (found there, nothing sent), changed, failed, conflict (another object is there). */
  outcome: word<'written' | 'given' | 'changed' | 'failed' | 'conflict'>(),
  code: nullable(string),
  digest: bytes,
  bytes: long,
  /** Tag of the part, for a part of an upload. */
  tag: nullable(string),
  /** Seal of the object, for whole items. */
  seal: nullable(string),
  isOurs: boolean,
})
export type TransferredEntry = TypeOf<typeof transferredEntry>

/** Something to know about items that were written all the same: OWNER_NOT_SET, MARK_NOT_KEPT. */
export const noteCount = record('NoteCount', { code: string, count: long })
export type NoteCount = TypeOf<typeof noteCount>

export const verifiedEntry = record('VerifiedEntry', {
  item: string,
  generation: int,
  /** Bytes of the extent, as planned. */
  bytes: long,
  /** SHA-256 of what the target returned; empty when nothing could be read. */
  digest: bytes,
  /** SHA-256 of what was read at the source. */
  expected: bytes,
  outcome: word<'verified' | 'mismatch' | 'missing' | 'unverifiable' | 'not_written'>(),
  code: nullable(string),
})
export type VerifiedEntry = TypeOf<typeof verifiedEntry>

/** One reading of a chunk's stored bytes by a verifier (rule 6): one entry for each extent. */
export const proof = record('Proof', {
  generation: int,
  /** Seal of the upload for a part; for whole items the seals of the transferred entries hold. */
  seal: nullable(string),
  round: int,
  reader: string,
  bypassedCache: boolean,
  targetBytesRead: long,
  entries: list(verifiedEntry),
})
export type Proof = TypeOf<typeof proof>

export const selectionRule = record('SelectionRule', { action: word<'include' | 'exclude'>(), glob: string })

/** What was asked for, normalised: no secrets, sizes in bytes, rates in bytes a second. */
export const jobRequest = record('JobRequest', {
  source: string,
  target: string,
  /**
   * How the target is reached (endpoint, region) and what is set on every object (storage class, encryption, metadata,
   * tags; libs/domain/object-options.ts); never credentials.
   */
  targetOptions: mapOf(string),
  layout: word<'objects'>(),
  chunkBytes: long,
  rules: list(selectionRule),
  /** Names from --files-from, as SHA-256 of the list; the list itself is a file in the job's folder. */
  filesFromDigest: nullable(string),
  sizeBytesMin: nullable(long),
  sizeBytesMax: nullable(long),
  modifiedAfterMs: nullable(long),
  symlinks: word<'keep' | 'skip'>(),
  /** Links and empty directories on S3 become small objects. */
  storesEntries: boolean,
  overwrite: word<'never' | 'different' | 'always'>(),
  verify: word<'full' | 'sample' | 'none'>(),
  samplePercent: int,
  reconcile: word<'listing' | 'full' | 'none'>(),
  throughputBytesPerSecond: nullable(long),
  sourcePeakBytesPerSecond: nullable(long),
  workersMax: nullable(int),
  priority: word<'low' | 'normal' | 'high'>(),
  errorsMax: nullable(string),
  /** Other limits at other hours (libs/domain/timetable.ts); `throughputBytesPerSecond` holds at all other times. */
  throughputTimetable: added(nullable(string), null),
})
export type JobRequest = TypeOf<typeof jobRequest>

/** What a later run of a job may ask for in another way than the first one did; the rest of the request stays. */
export const runSettings = record('RunSettings', {
  overwrite: word<'never' | 'different' | 'always'>(),
  verify: word<'full' | 'sample' | 'none'>(),
  samplePercent: int,
  reconcile: word<'listing' | 'full' | 'none'>(),
  errorsMax: nullable(string),
})
export type RunSettings = TypeOf<typeof runSettings>

/** What the target can do, found by trying (architecture.md "From source to proof"). */
export const targetAbilities = record('TargetAbilities', {
  kind: word<'files' | 's3' | 'memory'>(),
  /** Nothing was found under the job's prefix: no look before the first write. */
  isEmpty: boolean,
  createsOnlyIfAbsent: boolean,
  replacesOnlyIfMatch: boolean,
  checksUploads: boolean,
  readsRanges: boolean,
  copiesParts: boolean,
  keepsMarks: boolean,
  listsOddNames: boolean,
  bypassesCache: boolean,
  objectBytesMax: long,
  partBytesMin: long,
  partBytesMax: long,
  partsMax: int,
  keyBytesMax: int,
  clockOffsetMs: long,
  server: string,
})
export type TargetAbilities = TypeOf<typeof targetAbilities>

export const differingObject = record('DifferingObject', {
  key: bytes,
  item: string,
  reason: word<'missing' | 'size' | 'tag'>(),
  place,
})
export type DifferingObject = TypeOf<typeof differingObject>

export const rateSignal = record('RateSignal', {
  name: string,
  value: double,
  ageMs: long,
  /** What it is when the source is quiet; null where that is not known, or not asked. */
  baseline: added(nullable(double), null),
  /** Above this the rate is halved; null: the number is not compared. */
  threshold: added(nullable(double), null),
})
export type RateSignal = TypeOf<typeof rateSignal>
