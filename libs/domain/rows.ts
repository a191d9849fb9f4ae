// The view that folds work on, and rows as they are before the first event that touches them.
import { noBytes } from '#schemas/avro'
import type { ChunkRow, ListingRow, PageRow, RowKind, RowOf, TallyRow, UploadRow } from '#schemas/rows'
import { type Key, keyOf } from './keys.ts'
import { noCounts } from './tally.ts'

/** Rows that were loaded for a batch of events; `get` of a key that `keysOf` did not name is a mistake and throws. */
export interface Rows {
  get<K extends RowKind>(key: Key<K>): RowOf<K> | undefined
  /** null deletes. */
  set<K extends RowKind>(key: Key<K>, row: RowOf<K> | null): void
}

/** Where a record stands; positions may be kept in rows, never decided upon. */
export interface RecordPlace {
  readonly partition: number
  readonly position: number
}

export const emptyChunk: ChunkRow = {
  local: 'unknown',
  partition: -1,
  generation: 0,
  item: '',
  entries: 0,
  bytes: 0,
  attempt: 0,
  epoch: 0,
  takeovers: 0,
  failures: 0,
  code: null,
  plannedAt: -1,
  transferredAt: -1,
  tag: '',
  noted: [],
  disproved: [],
  superseded: [],
  round: 0,
  proofSeal: null,
  provenAt: -1,
  sourceBytesRead: 0,
  targetBytesWritten: 0,
  targetBytesRead: 0,
  bypassedCache: false,
}

/** A part keeps its last transfer also while it is leased again: the seal may stand on it (rule 4). */
export function wasTransferred(row: ChunkRow): boolean {
  return row.local === 'transferred' || (row.item !== '' && row.transferredAt >= 0)
}

export const emptyUpload: UploadRow = {
  isListed: false,
  firstChunk: '',
  chunks: 0,
  bytes: 0,
  opened: null,
  planned: 0,
  transferred: 0,
  refused: 0,
  failed: 0,
  code: null,
  proofs: [],
  sealed: null,
  isSuperseded: false,
}

export const emptyListing: ListingRow = {
  pages: 0,
  cursor: null,
  isWalked: false,
  pagesPlanned: 0,
  uploadsOpen: 0,
  seals: 0,
  comparedPages: 0,
  compared: {
    pages: 0,
    cursor: null,
    through: null,
    isDone: false,
    objects: 0,
    bytes: 0,
    differing: 0,
    strangers: 0,
    strangerSamples: [],
  },
  vanished: 0,
  directoryPages: 0,
  directoriesDone: false,
  directoriesFailed: [],
}

export const emptyPage: PageRow = {
  isListed: false,
  kind: 'listing',
  firstName: noBytes,
  listedAt: -1,
  partition: -1,
  items: 0,
  chunks: 0,
  placements: null,
  chunksPlanned: 0,
  isPlanned: false,
}

const none = { items: 0, bytes: 0 }

export const emptyTally: TallyRow = {
  listed: none,
  verified: none,
  already_there: none,
  mismatched: none,
  missing: none,
  failed: none,
  changed: none,
  skipped: none,
  unverifiable: none,
  ...noCounts,
  owed: 0,
  rounds: [],
  codes: [],
}

export function changeTally(rows: Rows, job: string, change: (tally: TallyRow) => TallyRow): void {
  const key = keyOf.tally(job)
  rows.set(key, change(rows.get(key) ?? emptyTally))
}
