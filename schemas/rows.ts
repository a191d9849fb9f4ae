// Rows of the state store, folded from the log. Fields that end in `At` are positions in the log: they are left out of
// the state digest. A row's kind is the first segment of its key (libs/domain/keys.ts).
import { boolean, bytes, double, int, list, long, nullable, record, string, type TypeOf, word } from './avro.ts'
import type { RateAction } from './events.ts'
import { jobRequest, noteCount, type Outcome, place, placement, rateSignal, targetAbilities } from './records.ts'

/** Who holds a partition, and the chunks leased under that claim. */
export const partitionRow = record('PartitionRow', {
  claim: string,
  epoch: int,
  writer: string,
  cause: word<'start' | 'takeover'>(),
  /** Keys of chunk rows. */
  leased: list(string),
})
export type PartitionRow = TypeOf<typeof partitionRow>

export const jobRow = record('JobRow', {
  request: jobRequest,
  /** A rejected request leaves no row. */
  control: word<'running' | 'paused' | 'cancelled'>(),
  controlActor: string,
  controlReason: string,
  controlCode: nullable(string),
  throughputBytesPerSecond: nullable(long),
  throughputTimetable: nullable(string),
  sourcePeakBytesPerSecond: nullable(long),
  workersMax: nullable(int),
  priority: word<'low' | 'normal' | 'high'>(),
  /** Partition and position of its JobAccepted. */
  acceptedIn: int,
  acceptedAt: long,
  abilities: nullable(targetAbilities),
  findings: list(string),
  /** 0 before the first pass. */
  pass: int,
  /** Pass that a JobResumed on a finished job asked for; 0: none. */
  passAsked: int,
  /** Identity of the source's root when the pass was opened; empty before the first. */
  sourceRoot: string,
  readView: string,
  passesCompleted: int,
  /** Position of the last PassCompleted; -1: none. */
  completedAt: long,
  isLastPassCancelled: boolean,
  /** Findings that were counted when the pass before this one ended, and when the last one did. */
  codesBefore: list(noteCount),
  codesAtEnd: list(noteCount),
  probedForPass: int,
  /** Of the last probe: an earlier one of the same writer comes too late. */
  probedBy: string,
  probeSequence: long,
  /** Last page of the open pass, once its listing ended. */
  lastPage: nullable(int),
  vanished: long,
  listingFindings: list(string),
  round: int,
  roundCause: word<'first' | 'reconcile' | 'verify'>(),
  mayRepair: boolean,
  /** Reconcile rounds opened for the current pass. */
  roundPass: int,
  /** Last sequence of each writer of commands, newest first, at most 64: drops repeated commands. */
  commands: list(record('CommandSeen', { writer: string, sequence: long })),
})
export type JobRow = TypeOf<typeof jobRow>

/** Where one pass of a job stands on the listings topic. */
export const listingRow = record('ListingRow', {
  /** Pages that count: 0 .. pages - 1. */
  pages: int,
  /** Cursor of the walk after the last listing page; null before the first and after the last. */
  cursor: nullable(bytes),
  isWalked: boolean,
  pagesPlanned: int,
  uploadsOpen: int,
  seals: long,
  /** Pages when the last comparison with the target began: a correction adds a page, so it is compared again. */
  comparedPages: int,
  compared: record('Comparison', {
    /** Pages of all comparisons of the pass; the other fields are of the last one. */
    pages: int,
    cursor: nullable(bytes),
    through: nullable(bytes),
    isDone: boolean,
    objects: long,
    bytes: long,
    differing: long,
    strangers: long,
    strangerSamples: list(bytes),
  }),
  /** Items of earlier passes that the source has no more. */
  vanished: long,
  directoryPages: int,
  directoriesDone: boolean,
  directoriesFailed: list(string),
})
export type ListingRow = TypeOf<typeof listingRow>

export const pageRow = record('PageRow', {
  isListed: boolean,
  kind: word<'listing' | 'relist' | 'repair'>(),
  /** Of its first item, as the listing orders names: a directory's with its slash. */
  firstName: bytes,
  listedAt: long,
  partition: int,
  items: long,
  chunks: long,
  placements: nullable(list(placement)),
  chunksPlanned: long,
  isPlanned: boolean,
})
export type PageRow = TypeOf<typeof pageRow>

/** An extent that did not simply become verified. */
export const exception = record('Exception', {
  index: int,
  item: string,
  generation: int,
  bytes: long,
  outcome: word<Outcome>(),
  code: nullable(string),
})
export type Exception = TypeOf<typeof exception>

export const chunkRow = record('ChunkRow', {
  local: word<'unknown' | 'planned' | 'leased' | 'transferred' | 'failed'>(),
  partition: int,
  generation: int,
  /** Item of a part; empty for whole items. */
  item: string,
  entries: int,
  bytes: long,
  attempt: int,
  /** Epoch of the claim it is leased under. */
  epoch: int,
  takeovers: int,
  failures: int,
  code: nullable(string),
  plannedAt: long,
  transferredAt: long,
  tag: string,
  /** Extents that were not simply written, from the transfer; `already_there` counts once it is proven. */
  noted: list(exception),
  /** Extents that a verifier did not find equal, from the proof. */
  disproved: list(exception),
  /** Extents of other generations now: left out of all sums. */
  superseded: list(record('SupersededExtent', { index: int, bytes: long })),
  round: int,
  proofSeal: nullable(string),
  provenAt: long,
  sourceBytesRead: long,
  targetBytesWritten: long,
  targetBytesRead: long,
  bypassedCache: boolean,
})
export type ChunkRow = TypeOf<typeof chunkRow>

/** One generation of an item that has chunks of its own. */
export const uploadRow = record('UploadRow', {
  isListed: boolean,
  /** `pass.page.n` of its first chunk. */
  firstChunk: string,
  chunks: int,
  bytes: long,
  opened: nullable(
    record('OpenedUpload', {
      upload: nullable(string),
      givenSeal: nullable(string),
      isOurs: boolean,
      replaces: nullable(string),
      partBytes: long,
      openedAt: long,
      code: nullable(string),
    }),
  ),
  planned: int,
  transferred: int,
  /** Parts whose source was another version or that failed for good, and the code of one of them. */
  refused: int,
  failed: int,
  code: nullable(string),
  proofs: list(
    record('ProofCount', { seal: string, round: int, verified: int, mismatched: int, missing: int, unverifiable: int }),
  ),
  sealed: nullable(
    record('Sealed', {
      seal: nullable(string),
      size: long,
      isAdopted: boolean,
      isOurs: boolean,
      code: nullable(string),
    }),
  ),
  isSuperseded: boolean,
})
export type UploadRow = TypeOf<typeof uploadRow>

/** An item that was corrected, or is owed a correction. */
export const itemRow = record('ItemRow', {
  /** Where the highest generation stands. */
  place,
  /** Corrections in `round`; at most 3. */
  corrections: int,
  round: int,
})
export type ItemRow = TypeOf<typeof itemRow>

export type OwedReason = 'changed' | 'failed' | 'mismatch' | 'missing' | 'lost' | 'differs'
export const owedCorrection = record('OwedCorrection', {
  place,
  reason: word<OwedReason>(),
  code: nullable(string),
  /** The object there was found, not written: a stranger's may not be replaced unless the job says so. */
  isGiven: boolean,
  isOurs: boolean,
})
export type OwedCorrection = TypeOf<typeof owedCorrection>

export const owedRow = record('OwedRow', {
  /** Asked for by the item's own transfer, proof or seal. */
  proven: nullable(owedCorrection),
  /** Asked for by a comparison with the target's listing. */
  listed: nullable(owedCorrection),
})
export type OwedRow = TypeOf<typeof owedRow>

const count = record('Count', { items: long, bytes: long })
export const tallyRow = record('TallyRow', {
  listed: count,
  verified: count,
  already_there: count,
  mismatched: count,
  missing: count,
  failed: count,
  changed: count,
  skipped: count,
  unverifiable: count,
  chunksNamed: long,
  chunksPlanned: long,
  chunksLeased: long,
  chunksTransferred: long,
  chunksVerified: long,
  chunksFailed: long,
  bytesTransferred: long,
  bytesVerified: long,
  sourceBytesRead: long,
  targetBytesWritten: long,
  targetBytesRead: long,
  retries: long,
  owed: long,
  /** Chunks whose stored bytes were read without passing the page cache. */
  chunksUncached: long,
  /** Chunks that a round has to read: transferred or sealed, not superseded. */
  readable: long,
  /** Those of them with a proof, by round. */
  rounds: list(record('RoundCount', { round: int, chunks: long })),
  /** Failed attempts and findings by code. */
  codes: list(record('CodeCount', { code: string, count: long })),
})
export type TallyRow = TypeOf<typeof tallyRow>

/** Chunks that one partition still owes: for placement and the planning window. */
export const loadRow = record('LoadRow', { chunks: long, bytes: long })
export type LoadRow = TypeOf<typeof loadRow>

export const readyRow = record('ReadyRow', { chunk: string })
export type ReadyRow = TypeOf<typeof readyRow>

export const poisonRow = record('PoisonRow', { reason: string })
export type PoisonRow = TypeOf<typeof poisonRow>

export const requestRow = record('RequestRow', { request: jobRequest, partition: int, position: long })
export type RequestRow = TypeOf<typeof requestRow>

/** A job that was asked for and refused; gone once a request of its name is accepted. Outside the state digest. */
export const rejectedRow = record('RejectedRow', { code: string })
export type RejectedRow = TypeOf<typeof rejectedRow>

/** Outside the state digest, like all of the rates topic. */
export const reportRow = record('ReportRow', {
  worker: string,
  /** Of the event: another process of the same name numbers its reports anew. */
  writer: string,
  job: string,
  source: string,
  reportSequence: long,
  hasWork: boolean,
  readBytesPerSecond: double,
  grantSequence: long,
  reads: long,
  readMsP50: double,
  readMsP95: double,
  /** Of the claim on the rates that stood when it was folded: who reported to an earlier one may be gone. */
  epoch: int,
})
export type ReportRow = TypeOf<typeof reportRow>

export const grantRow = record('GrantRow', {
  worker: string,
  reportSequence: long,
  bytesPerSecond: nullable(long),
  lifeMs: int,
})
export type GrantRow = TypeOf<typeof grantRow>

/** The last RateDecided of a source: with it a successor goes on where the one before ended. */
export const rateRow = record('RateRow', {
  bytesPerSecond: nullable(long),
  reason: string,
  action: word<RateAction>(),
  capBytesPerSecond: nullable(long),
  allowedBytesPerSecond: nullable(long),
  signals: list(rateSignal),
  /** Of the decision: an earlier one of the same writer comes too late. */
  writer: string,
  sequence: long,
})
export type RateRow = TypeOf<typeof rateRow>

export const rowRecords = {
  partition: partitionRow,
  job: jobRow,
  listing: listingRow,
  page: pageRow,
  chunk: chunkRow,
  upload: uploadRow,
  item: itemRow,
  owed: owedRow,
  tally: tallyRow,
  load: loadRow,
  unplanned: readyRow,
  leasable: readyRow,
  sealable: readyRow,
  verifiable: readyRow,
  poison: poisonRow,
  request: requestRow,
  rejected: rejectedRow,
  report: reportRow,
  grant: grantRow,
  rate: rateRow,
} as const
export type RowKind = keyof typeof rowRecords
export type RowOf<K extends RowKind> = TypeOf<(typeof rowRecords)[K]>
