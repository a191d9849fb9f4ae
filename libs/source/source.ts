// The source port. Opened read-only (I7). Adapters: files, memory, later postgres and mysql.
//
// Traps, kept by test/contracts/source.contract.ts:
// * Names are bytes, relative to the root, `/` between segments, no leading or trailing slash; the root itself is not
//   listed. Order is that of the full name's bytes with `/` appended to directories, so a directory stands right before
//   what is in it, and `a.txt` before `a/b`.
// * `list` is resumable from its cursor in another process, also when the entry it names has gone.
// * What cannot be read is an entry with an outcome and a code, never an absence (I2): an unreadable directory is
//   failed(SOURCE_UNREADABLE), a device is skipped(SPECIAL_FILE), another file system is skipped(OTHER_FILE_SYSTEM).
// * A directory that was listed as readable and cannot be read on has no place left to say so: `list` throws
//   SOURCE_UNREADABLE or SOURCE_READ_ERROR, and the same cursor may be asked again.
// * Links are never followed, neither at the end of a name nor in the middle of it.
// * `read` fills the whole buffer or throws: a read that ends early is SOURCE_SHORT_READ, not an end.
// * `open` throws SOURCE_CHANGED unless the identity is the expected one, and `confirm` after the last byte does the same.
import type { Bytes } from '#schemas/avro'
import type { Attributes, Identity, ItemKind, Outcome } from '#schemas/records'

export interface SourceEntry {
  readonly name: Bytes
  readonly kind: ItemKind
  readonly identity: Identity
  readonly attributes: Attributes
  /** Text of a symbolic link. */
  readonly link: Bytes | null
  /** Set when the entry cannot or need not be moved. */
  readonly outcome: Extract<Outcome, 'skipped' | 'failed'> | null
  readonly code: string | null
}

export interface SourcePage {
  readonly entries: readonly SourceEntry[]
  /** null: the listing ended with this page. */
  readonly cursor: Bytes | null
}

export interface SourceDescription {
  readonly kind: 'files' | 'memory'
  /** Device and inode of the root, or what stands for it: a mount that vanished shows as another identity. */
  readonly rootIdentity: string
  /** How the source is seen, for the report: live files, a snapshot, ... */
  readonly readView: string
  /** Of the root itself. */
  readonly attributes: Attributes
  readonly mtimeNs: string
}

export interface ItemReader {
  /** Fills `buffer` from `offset` of the item. Throws SOURCE_SHORT_READ, SOURCE_UNREADABLE, SOURCE_READ_ERROR. */
  read(buffer: Buffer, offset: number, signal: AbortSignal): Promise<void>
  /** Throws SOURCE_CHANGED when the item is no longer the version that was opened, SOURCE_READ_ERROR when it cannot tell. */
  confirm(): Promise<void>
  close(): Promise<void>
}

export interface ListLimits {
  readonly entriesMax: number
  /** Bound on the sum of name and link bytes. */
  readonly nameBytesMax: number
}

export interface Source {
  /** Throws SOURCE_MISSING, SOURCE_UNREADABLE, SOURCE_NOT_A_TREE. */
  describe(): Promise<SourceDescription>
  /** The next entries behind the cursor. Throws SOURCE_UNREADABLE, SOURCE_READ_ERROR. */
  list(cursor: Bytes | null, limits: ListLimits, signal: AbortSignal): Promise<SourcePage>
  /** The entry as it is now; null when it is gone. */
  look(name: Bytes): Promise<SourceEntry | null>
  /** Opens a regular file for reading. Throws SOURCE_CHANGED, SOURCE_VANISHED, SOURCE_UNREADABLE, SOURCE_READ_ERROR. */
  open(name: Bytes, expected: Identity): Promise<ItemReader>
  /**
   * Fills `buffer`, as long as the whole item, where that takes no waiting, and compares before and after as a reader does.
   * False: the buffer holds nothing that counts, and `open` says why. Absent: no such way, ask `open`.
   */
  readNow?(name: Bytes, expected: Identity, buffer: Buffer): boolean
  close(): Promise<void>
}
