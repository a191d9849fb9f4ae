// The target ports: one for each role, since each has its own connections and may have its own credentials.
// Adapters: files, s3, memory.
//
// Traps, kept by test/contracts/target.contract.ts:
// * Nothing outside the job's root or prefix is written or deleted (I6).
// * A seal names one stored version: an ETag or version id on S3, `device:inode` on files. Equal bytes written again may
//   get another seal.
// * `put` and `seal` never replace in silence: with `condition.absent` an object that is there gives TARGET_EXISTS, with
//   `condition.match` another seal gives TARGET_EXISTS. What the store cannot condition is told by the probe, and the
//   adapter then looks first.
// * An error of a write does not say that nothing was written: the answer may have been lost. The caller looks (`find`)
//   and adopts what carries the job's own mark and the right size.
// * A reader returns what is stored now under the key, never what a writer's process remembers.
// * Buffers handed to a port are used again once its call is over: a call settles only when nothing of it touches them any
//   more, also one that was aborted or failed.
// * No adapter retries: libs/target/retrying.ts wraps the ports.
// * Codes are those of libs/domain/errors.ts; TARGET_BUSY, TARGET_TIMEOUT, TARGET_UNREACHABLE may be tried again.
import type { Bytes } from '#schemas/avro'
import type { Attributes, ItemKind, TargetAbilities } from '#schemas/records'

/** Written as `job/item/generation`; ours is what carries the same job. */
export interface Mark {
  readonly job: string
  readonly item: string
  readonly generation: number
}

export interface ObjectState {
  readonly seal: string
  readonly size: number
  readonly kind: ItemKind
  readonly mark: Mark | null
}

export type Condition = { readonly kind: 'absent' } | { readonly kind: 'match'; readonly seal: string }

/**
 * `same`: that version holds these very bytes already, and only its dress is out of date. It is renewed without sending
 * them where the store can do that; else, and where the object is gone, it is as `match`.
 */
export type PutCondition = Condition | { readonly kind: 'same'; readonly seal: string }

export interface PutResult {
  readonly seal: string
  /** Findings (owner could not be set, mark not kept), codes only. */
  readonly notes: readonly string[]
  /** False when only the dress was renewed. */
  readonly isSent: boolean
}

/** What is set on an object beside its bytes. */
export interface ObjectDress {
  readonly mark: Mark
  readonly attributes: Attributes
  readonly mtimeNs: string
}

export interface PutRequest {
  readonly key: Bytes
  readonly kind: ItemKind
  /** The whole item: its bytes, or a link's text; empty for a directory. */
  readonly body: Buffer
  readonly digest: Buffer
  readonly dress: ObjectDress
  readonly condition: PutCondition
  /** Claim of the writer: names its folder of temporary files. */
  readonly claim: string
}

export interface PartRequest {
  readonly key: Bytes
  readonly upload: string
  /** 1-based */
  readonly part: number
  readonly offset: number
  readonly body: Buffer
  readonly digest: Buffer
}

export interface CopyPartRequest {
  readonly key: Bytes
  readonly upload: string
  readonly part: number
  /** Place in the object that is there (its seal is the condition) and in the new one: the same. */
  readonly offset: number
  readonly length: number
  readonly seal: string
}

export interface TargetWriter {
  /** Before the first write under a claim: makes its folder, moves away those of older claims. */
  takeOver(claim: string, signal: AbortSignal): Promise<void>
  find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null>
  put(request: PutRequest, signal: AbortSignal): Promise<PutResult>
  /** Makes what was put durable: called once for a chunk, before its event. */
  settle(keys: readonly Bytes[], signal: AbortSignal): Promise<void>
  writePart(request: PartRequest, signal: AbortSignal): Promise<{ readonly tag: string }>
  copyPart(request: CopyPartRequest, signal: AbortSignal): Promise<{ readonly tag: string }>
  close(): Promise<void>
}

export interface OpenUploadRequest {
  readonly key: Bytes
  readonly size: number
  readonly dress: ObjectDress
  /** A repair that copies parts inside the target: opened without a checksum algorithm. */
  readonly copiesParts: boolean
}

export interface SealPart {
  readonly part: number
  readonly tag: string
  readonly digest: Buffer
  readonly length: number
}

export interface SealRequest {
  readonly key: Bytes
  readonly upload: string
  readonly size: number
  readonly parts: readonly SealPart[]
  readonly copiesParts: boolean
  readonly dress: ObjectDress
  readonly condition: Condition
  readonly claim: string
}

export type MayAbort = (key: Bytes | null, upload: string) => Promise<boolean>

/** Thrown codes of `seal`: UPLOAD_LOST (next generation), PART_REFUSED (facts.parts: the refused part numbers), TARGET_EXISTS. */
export interface TargetUploads {
  find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null>
  /** Returns the upload's id. */
  open(request: OpenUploadRequest, signal: AbortSignal): Promise<string>
  seal(request: SealRequest, signal: AbortSignal): Promise<{ readonly seal: string; readonly isAdopted: boolean }>
  /** Aborts until the store says there is no such upload. */
  abort(key: Bytes, upload: string, signal: AbortSignal): Promise<void>
  /**
   * Shows `mayAbort` every unfinished upload under the job's prefix, also those of strangers, and aborts what it answers
   * with true; returns how many. The key is null where uploads lie in a folder that is the job's alone.
   */
  sweep(mayAbort: MayAbort, signal: AbortSignal): Promise<number>
  /** Mode, owner and time of directories, deepest first; an empty key is the root. Returns the keys that failed, with codes. */
  finishDirectories(
    entries: readonly { readonly key: Bytes; readonly attributes: Attributes; readonly mtimeNs: string }[],
    signal: AbortSignal,
  ): Promise<readonly { readonly key: Bytes; readonly code: string }[]>
  close(): Promise<void>
}

export interface ReadRequest {
  readonly key: Bytes
  readonly kind: ItemKind
  /** The version to read: another one is TARGET_REPLACED. null reads what is there. */
  readonly seal: string | null
  readonly offset: number
  readonly length: number
  /** Use a connection that was not used before (second look at a mismatch). */
  readonly isFresh: boolean
}

export interface ReadResult {
  readonly bytes: number
  readonly bypassedCache: boolean
  /** Size of the whole stored object, of which this may be a range; null for links and directories, or not told. */
  readonly objectBytes: number | null
}

export interface TargetReader {
  /**
   * Gives the stored bytes of the range to `consume`, in order; a link gives its text, a directory nothing. Buffers are
   * valid during the call only. Throws TARGET_MISSING, TARGET_REPLACED, TARGET_SHORT_READ, TARGET_UNREADABLE.
   */
  read(request: ReadRequest, consume: (bytes: Buffer) => void, signal: AbortSignal): Promise<ReadResult>
  close(): Promise<void>
}

export interface TargetObject {
  readonly key: Bytes
  /** What it is stored as: a small object that stands for a link or a directory is a file here. */
  readonly kind: ItemKind
  readonly size: number
  /** ETag where the store has one, else null. */
  readonly tag: string | null
}

export interface TargetSurvey {
  /** Tries what the store can do and leaves nothing behind. Throws TARGET_MISSING_BUCKET, TARGET_DENIED, TARGET_UNREACHABLE, ... */
  probe(signal: AbortSignal): Promise<{ readonly abilities: TargetAbilities; readonly findings: readonly string[] }>
  /** Objects under the job's root or prefix in key order, our own temporary files left out; null cursor: the end. */
  list(
    cursor: Bytes | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ readonly objects: readonly TargetObject[]; readonly cursor: Bytes | null }>
  /** Removes the folder of temporary files once a pass is complete; nothing where there is none. */
  clear(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** One injective, reversible rule from names to keys (docs/keys.md). */
export interface KeyEncoding {
  /** The key (without the job's prefix), or the code of the reason why there is none. */
  keyOf(name: Bytes, kind: ItemKind): { readonly key: Bytes } | { readonly code: string }
  /** The name of the file or link whose key this is; null: no name has it; hashed: a form that cannot be undone. */
  nameOf(key: Bytes): Bytes | 'hashed' | null
  /** True when the key is not simply the name. */
  isEncoded(name: Bytes): boolean
}

export interface Target {
  readonly keys: KeyEncoding
  survey(): TargetSurvey
  writer(abilities: TargetAbilities): TargetWriter
  uploads(abilities: TargetAbilities): TargetUploads
  reader(abilities: TargetAbilities): TargetReader
}
