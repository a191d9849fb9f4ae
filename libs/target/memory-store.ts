// What stands behind the memory target: objects, uploads, and the ways in which a store fails. It lives on when the
// clients (writer, uploads, reader, survey) are closed, as a server does when our process dies. No timers, no clock,
// no randomness: the simulation decides every fault.
import { createHash } from 'node:crypto'
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { Attributes, ItemKind } from '#schemas/records'
import type { Mark } from './target.ts'

export type MemoryOperation =
  | 'takeOver'
  | 'find'
  | 'put'
  | 'settle'
  | 'writePart'
  | 'copyPart'
  | 'open'
  | 'seal'
  | 'abort'
  | 'sweep'
  | 'finishDirectories'
  | 'read'
  | 'probe'
  | 'list'
  | 'clear'

export interface MemoryCall {
  readonly operation: MemoryOperation
  readonly key: Bytes | null
}

/**
 * fails  the call throws `code`; with `acts` the store had done it before the answer was lost
 * flips  one byte of the body is changed on its way (written or read); a call without a body is not harmed
 */
export type MemoryFault =
  | { readonly kind: 'fails'; readonly code: ErrorCode; readonly acts: boolean }
  | { readonly kind: 'flips' }

export interface StoredObject {
  readonly key: Bytes
  readonly kind: ItemKind
  readonly body: Buffer
  readonly seal: string
  readonly mark: Mark | null
  readonly attributes: Attributes | null
  readonly mtimeNs: string
}

export interface StoredPart {
  readonly body: Buffer
  readonly digest: Buffer
  readonly tag: string
}

export interface StoredUpload {
  readonly key: Bytes
  readonly parts: Map<number, StoredPart>
}

export interface MemoryCounters {
  /** Bytes of bodies the store accepted, parts and whole objects, overwritten ones too. */
  bytesWritten: number
  bytesRead: number
  bytesCopied: number
  readonly calls: Map<MemoryOperation, number>
}

/** Map keys for names that are bytes. */
export function placeOf(key: Bytes): string {
  return key.toString('latin1')
}

export function md5(body: Buffer): Buffer {
  return createHash('md5').update(body).digest()
}

/** A copy with its first byte changed; an empty body stays as it is. */
export function flipped(body: Buffer): Buffer {
  const copy = Buffer.from(body)
  if (copy.length > 0) copy.writeUInt8(copy.readUInt8(0) ^ 0x40, 0)
  return copy
}

export class MemoryStore {
  readonly objects = new Map<string, StoredObject>()
  readonly uploads = new Map<string, StoredUpload>()
  readonly unsettled = new Set<string>()
  readonly counters: MemoryCounters = { bytesWritten: 0, bytesRead: 0, bytesCopied: 0, calls: new Map() }
  /** Decides what goes wrong with a call; null lets it through. */
  faults: (call: MemoryCall) => MemoryFault | null = () => null
  /** Bytes that still fit; null: no end. */
  bytesFree: number | null = null
  #uploadsOpened = 0

  /**
   * One request: the fault is drawn and the abort seen before the store acts. `act` runs in one turn of the loop, so
   * the store itself is atomic; what a client does in several requests is not.
   */
  async request<T>(call: MemoryCall, signal: AbortSignal, act: (flips: boolean) => T): Promise<T> {
    const fault = this.faults(call)
    await Promise.resolve()
    if (signal.aborted) throw new WaybillError('ABORTED', {}, { cause: signal.reason })
    this.counters.calls.set(call.operation, (this.counters.calls.get(call.operation) ?? 0) + 1)
    if (fault === null) return act(false)
    if (fault.kind === 'flips') return act(true)
    if (fault.acts) act(false)
    throw new WaybillError(fault.code)
  }

  /** Throws TARGET_FULL and keeps nothing when `bytes` do not fit. */
  take(bytes: number): void {
    if (this.bytesFree !== null) {
      if (bytes > this.bytesFree) throw new WaybillError('TARGET_FULL', { bytesFree: this.bytesFree })
      this.bytesFree -= bytes
    }
    this.counters.bytesWritten += bytes
  }

  openUpload(key: Bytes): string {
    this.#uploadsOpened += 1
    const id = `upload-${this.#uploadsOpened}`
    this.uploads.set(id, { key: Buffer.from(key), parts: new Map() })
    return id
  }

  /** Changes one byte at rest; the seal stays, as an ETag does when a disk decays. */
  corrupt(key: Bytes, offset: number): void {
    const object = this.mustHave(key)
    const body = Buffer.from(object.body)
    body.writeUInt8(body.readUInt8(offset) ^ 0x01, offset)
    this.objects.set(placeOf(key), { ...object, body })
  }

  remove(key: Bytes): boolean {
    return this.objects.delete(placeOf(key))
  }

  /** Somebody else writes under this key: no mark, another seal. */
  replace(key: Bytes, body: Buffer): void {
    const seal = `"${md5(body).toString('hex')}"`
    const object = { key: Buffer.from(key), kind: 'file', body: Buffer.from(body), seal, mark: null } as const
    this.objects.set(placeOf(key), { ...object, attributes: null, mtimeNs: '0' })
  }

  /** Uploads expire or are aborted from outside; without a key all of them. */
  expireUploads(key?: Bytes): void {
    for (const [id, upload] of this.uploads) if (key === undefined || upload.key.equals(key)) this.uploads.delete(id)
  }

  /** What was put and not settled is gone, as on a file system that lost its power. */
  losePower(): void {
    for (const place of this.unsettled) this.objects.delete(place)
    this.unsettled.clear()
  }

  mustHave(key: Bytes): StoredObject {
    const object = this.objects.get(placeOf(key))
    if (object === undefined) throw new WaybillError('TARGET_MISSING', { key: key.toString('latin1') })
    return object
  }
}
