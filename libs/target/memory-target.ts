// The target in memory, for the simulation and as the model of the contract suite. It behaves like S3: parts, ETags as
// seals (equal bytes give an equal seal, a flip at rest changes none), conditions, marks as metadata. What goes wrong is
// decided through `store` (memory-store.ts).
// Links and directories are objects of a kind, size 0 in `find` and `list`; directories sort as `key/`.
import { createHash } from 'node:crypto'
import { WaybillError } from '#libs/domain/errors'
import { type Bytes, longMax } from '#schemas/avro'
import type { TargetAbilities } from '#schemas/records'
import { isSameMark } from './mark.ts'
import { flipped, MemoryStore, md5, placeOf, type StoredObject, type StoredUpload } from './memory-store.ts'
import type {
  CopyPartRequest,
  MayAbort,
  ObjectState,
  PartRequest,
  PutCondition,
  PutRequest,
  PutResult,
  ReadRequest,
  ReadResult,
  SealRequest,
  Target,
  TargetObject,
  TargetReader,
  TargetSurvey,
  TargetUploads,
  TargetWriter,
} from './target.ts'

export interface MemoryTargetOptions {
  /** Abilities that differ from a store that can do everything. */
  readonly abilities?: Partial<TargetAbilities>
  /** Bytes a reader gives at once. */
  readonly sliceBytes?: number
}

export interface MemoryTarget extends Target {
  /** The side that a stranger, a fault or a test touches. */
  readonly store: MemoryStore
}

const MiB = 1024 * 1024

const fullAbilities: TargetAbilities = {
  kind: 'memory',
  isEmpty: false,
  createsOnlyIfAbsent: true,
  replacesOnlyIfMatch: true,
  checksUploads: true,
  readsRanges: true,
  copiesParts: true,
  keepsMarks: true,
  listsOddNames: true,
  bypassesCache: true,
  objectBytesMax: longMax,
  partBytesMin: 1,
  partBytesMax: 5 * 1024 * MiB,
  partsMax: 10_000,
  keyBytesMax: 1024,
  clockOffsetMs: 0,
  server: 'memory',
}

function hasDigest(body: Buffer, digest: Buffer): boolean {
  return createHash('sha256').update(body).digest().equals(digest)
}

function sizeOf(object: StoredObject): number {
  return object.kind === 'file' ? object.body.length : 0
}

function stateOf(object: StoredObject | undefined): ObjectState | null {
  if (object === undefined) return null
  return { seal: object.seal, size: sizeOf(object), kind: object.kind, mark: object.mark }
}

/** With `match` an object that is gone is no obstacle: nothing of anybody is replaced. */
function meets(condition: PutCondition, found: StoredObject | undefined): boolean {
  if (found === undefined) return true
  return condition.kind !== 'absent' && condition.seal === found.seal
}

/** Directories stand right before what is in them, as in the source's listing. */
function orderKey(object: StoredObject): Bytes {
  return object.kind === 'directory' ? Buffer.concat([object.key, Buffer.from('/')]) : object.key
}

/** Where the store cannot condition, the client looks first; between the look and the write others may come. */
async function conditionCheck(
  store: MemoryStore,
  request: { readonly key: Bytes; readonly condition: PutCondition },
  abilities: TargetAbilities,
): Promise<() => void> {
  const isMet = (): boolean => meets(request.condition, store.objects.get(placeOf(request.key)))
  const wasMet = isMet()
  await Promise.resolve()
  return () => {
    const isRefused = isAtomic(request.condition, abilities) ? !isMet() : !wasMet
    if (isRefused) throw new WaybillError('TARGET_EXISTS')
  }
}

function isAtomic(condition: PutCondition, abilities: TargetAbilities): boolean {
  return condition.kind === 'absent' ? abilities.createsOnlyIfAbsent : abilities.replacesOnlyIfMatch
}

class MemoryWriter implements TargetWriter {
  readonly #store: MemoryStore
  readonly #abilities: TargetAbilities

  constructor(store: MemoryStore, abilities: TargetAbilities) {
    this.#store = store
    this.#abilities = abilities
  }

  async takeOver(_claim: string, signal: AbortSignal): Promise<void> {
    await this.#store.request({ operation: 'takeOver', key: null }, signal, () => undefined)
  }

  find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
    return findObject(this.#store, key, signal)
  }

  async put(request: PutRequest, signal: AbortSignal): Promise<PutResult> {
    const check = await conditionCheck(this.#store, request, this.#abilities)
    return this.#store.request({ operation: 'put', key: request.key }, signal, (flips) => {
      const body = flips ? flipped(request.body) : Buffer.from(request.body)
      if (this.#abilities.checksUploads && !hasDigest(body, request.digest)) {
        throw new WaybillError('TARGET_REFUSED_DIGEST')
      }
      check()
      const { dress, kind } = request
      const mark = this.#abilities.keepsMarks ? dress.mark : null
      const notes = this.#abilities.keepsMarks ? [] : ['MARK_NOT_KEPT']
      const renewed = { mark, attributes: dress.attributes, mtimeNs: dress.mtimeNs }
      const there = this.#store.objects.get(placeOf(request.key))
      if (request.condition.kind === 'same' && there !== undefined && there.kind === kind) {
        this.#store.objects.set(placeOf(request.key), { ...there, ...renewed })
        return { seal: there.seal, notes, isSent: false }
      }
      this.#store.take(body.length)
      const seal = `"${md5(body).toString('hex')}"`
      this.#store.objects.set(placeOf(request.key), { key: Buffer.from(request.key), kind, body, seal, ...renewed })
      this.#store.unsettled.add(placeOf(request.key))
      return { seal, notes, isSent: true }
    })
  }

  async settle(keys: readonly Bytes[], signal: AbortSignal): Promise<void> {
    await this.#store.request({ operation: 'settle', key: null }, signal, () => {
      for (const key of keys) this.#store.unsettled.delete(placeOf(key))
    })
  }

  writePart(request: PartRequest, signal: AbortSignal): Promise<{ tag: string }> {
    return this.#store.request({ operation: 'writePart', key: request.key }, signal, (flips) => {
      const upload = openedUpload(this.#store, request)
      const body = flips ? flipped(request.body) : Buffer.from(request.body)
      if (this.#abilities.checksUploads && !hasDigest(body, request.digest)) {
        throw new WaybillError('TARGET_REFUSED_DIGEST')
      }
      this.#store.take(body.length)
      return storePart(upload, request.part, body, request.digest)
    })
  }

  copyPart(request: CopyPartRequest, signal: AbortSignal): Promise<{ tag: string }> {
    return this.#store.request({ operation: 'copyPart', key: request.key }, signal, () => {
      if (!this.#abilities.copiesParts) throw new WaybillError('TARGET_REFUSED')
      const upload = openedUpload(this.#store, request)
      const origin = this.#store.mustHave(request.key)
      if (origin.seal !== request.seal) throw new WaybillError('TARGET_REPLACED')
      const body = Buffer.from(origin.body.subarray(request.offset, request.offset + request.length))
      if (body.length !== request.length) throw new WaybillError('TARGET_SHORT_READ')
      this.#store.counters.bytesCopied += body.length
      return storePart(upload, request.part, body, createHash('sha256').update(body).digest())
    })
  }

  async close(): Promise<void> {
    // The store lives on; a client holds nothing.
  }
}

function findObject(store: MemoryStore, key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
  return store.request({ operation: 'find', key }, signal, () => stateOf(store.objects.get(placeOf(key))))
}

function openedUpload(store: MemoryStore, request: { readonly key: Bytes; readonly upload: string }): StoredUpload {
  const upload = store.uploads.get(request.upload)
  if (upload === undefined || !upload.key.equals(request.key)) throw new WaybillError('UPLOAD_LOST')
  return upload
}

function storePart(upload: StoredUpload, part: number, body: Buffer, digest: Buffer): { tag: string } {
  const tag = `"${md5(body).toString('hex')}"`
  upload.parts.set(part, { body, digest: Buffer.from(digest), tag })
  return { tag }
}

/** Parts that are missing, differ from what the caller names, or are too small to stand before the last one. */
function refusedParts(upload: StoredUpload, request: SealRequest, partBytesMin: number): number[] {
  return request.parts.flatMap((named, index) => {
    const stored = upload.parts.get(named.part)
    const isSame =
      stored !== undefined &&
      stored.tag === named.tag &&
      stored.body.length === named.length &&
      stored.digest.equals(named.digest)
    const isLast = index === request.parts.length - 1
    return isSame && (isLast || named.length >= partBytesMin) ? [] : [named.part]
  })
}

class MemoryUploads implements TargetUploads {
  readonly #store: MemoryStore
  readonly #abilities: TargetAbilities

  constructor(store: MemoryStore, abilities: TargetAbilities) {
    this.#store = store
    this.#abilities = abilities
  }

  find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
    return findObject(this.#store, key, signal)
  }

  open(request: { readonly key: Bytes }, signal: AbortSignal): Promise<string> {
    return this.#store.request({ operation: 'open', key: request.key }, signal, () =>
      this.#store.openUpload(request.key),
    )
  }

  async seal(request: SealRequest, signal: AbortSignal): Promise<{ seal: string; isAdopted: boolean }> {
    const { key, dress, upload: id } = request
    const check = await conditionCheck(this.#store, request, this.#abilities)
    return this.#store.request({ operation: 'seal', key }, signal, () => {
      const found = this.#store.objects.get(placeOf(key))
      if (found !== undefined && isSameMark(found.mark, dress.mark) && found.body.length === request.size) {
        this.#store.uploads.delete(id)
        return { seal: found.seal, isAdopted: true }
      }
      const upload = openedUpload(this.#store, request)
      const refused = refusedParts(upload, request, this.#abilities.partBytesMin)
      const length = request.parts.reduce((sum, part) => sum + part.length, 0)
      if (refused.length > 0 || length !== request.size) throw new WaybillError('PART_REFUSED', { parts: refused })
      check()
      const parts = request.parts.map((named) => upload.parts.get(named.part)?.body ?? Buffer.alloc(0))
      const seal = `"${md5(Buffer.concat(parts.map(md5))).toString('hex')}-${parts.length}"`
      const mark = this.#abilities.keepsMarks ? dress.mark : null
      const object = { key: Buffer.from(key), kind: 'file', body: Buffer.concat(parts), seal, mark } as const
      this.#store.objects.set(placeOf(key), { ...object, attributes: dress.attributes, mtimeNs: dress.mtimeNs })
      this.#store.uploads.delete(id)
      return { seal, isAdopted: false }
    })
  }

  async abort(key: Bytes, upload: string, signal: AbortSignal): Promise<void> {
    await this.#store.request({ operation: 'abort', key }, signal, () => {
      this.#store.uploads.delete(upload)
    })
  }

  async sweep(mayAbort: MayAbort, signal: AbortSignal): Promise<number> {
    const list = (): readonly (readonly [string, StoredUpload])[] => [...this.#store.uploads]
    let count = 0
    for (const [id, { key }] of await this.#store.request({ operation: 'sweep', key: null }, signal, list)) {
      if (!(await mayAbort(key, id))) continue
      await this.abort(key, id, signal)
      count += 1
    }
    return count
  }

  finishDirectories(
    entries: Parameters<TargetUploads['finishDirectories']>[0],
    signal: AbortSignal,
  ): Promise<readonly { readonly key: Bytes; readonly code: string }[]> {
    return this.#store.request({ operation: 'finishDirectories', key: null }, signal, () =>
      entries.flatMap(({ key, attributes, mtimeNs }) => {
        const found = this.#store.objects.get(placeOf(key))
        if (found === undefined) return [{ key, code: 'TARGET_MISSING' }]
        this.#store.objects.set(placeOf(key), { ...found, attributes, mtimeNs })
        return []
      }),
    )
  }

  async close(): Promise<void> {
    // The store lives on; a client holds nothing.
  }
}

class MemoryReader implements TargetReader {
  readonly #store: MemoryStore
  readonly #abilities: TargetAbilities
  readonly #sliceBytes: number

  constructor(store: MemoryStore, abilities: TargetAbilities, sliceBytes: number) {
    this.#store = store
    this.#abilities = abilities
    this.#sliceBytes = sliceBytes
  }

  async read(request: ReadRequest, consume: (bytes: Buffer) => void, signal: AbortSignal): Promise<ReadResult> {
    const { key, kind, offset } = request
    const [body, objectBytes] = await this.#store.request({ operation: 'read', key }, signal, (flips) => {
      const object = this.#store.mustHave(key)
      if (object.kind !== kind || (request.seal !== null && request.seal !== object.seal)) {
        throw new WaybillError('TARGET_REPLACED')
      }
      if (kind === 'directory') return [Buffer.alloc(0), null] as const
      const range = kind === 'symlink' ? object.body : object.body.subarray(offset, offset + request.length)
      if (kind === 'file' && range.length !== request.length) throw new WaybillError('TARGET_SHORT_READ')
      this.#store.counters.bytesRead += range.length
      return [flips ? flipped(range) : Buffer.from(range), kind === 'file' ? object.body.length : null] as const
    })
    for (let start = 0; start < body.length; start += this.#sliceBytes) {
      consume(body.subarray(start, start + this.#sliceBytes))
    }
    return { bytes: body.length, bypassedCache: this.#abilities.bypassesCache, objectBytes }
  }

  async close(): Promise<void> {
    // The store lives on; a client holds nothing.
  }
}

class MemorySurvey implements TargetSurvey {
  readonly #store: MemoryStore
  readonly #abilities: TargetAbilities

  constructor(store: MemoryStore, abilities: TargetAbilities) {
    this.#store = store
    this.#abilities = abilities
  }

  probe(signal: AbortSignal): Promise<{ abilities: TargetAbilities; findings: readonly string[] }> {
    return this.#store.request({ operation: 'probe', key: null }, signal, () => ({
      abilities: { ...this.#abilities, isEmpty: this.#store.objects.size === 0 },
      findings: this.#abilities.keepsMarks ? [] : ['MARK_NOT_KEPT'],
    }))
  }

  list(
    cursor: Bytes | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ objects: readonly TargetObject[]; cursor: Bytes | null }> {
    return this.#store.request({ operation: 'list', key: null }, signal, () => {
      const sorted = [...this.#store.objects.values()]
        .map((object) => ({ object, order: orderKey(object) }))
        .filter(({ order }) => cursor === null || order.compare(cursor) > 0)
        .sort((left, right) => left.order.compare(right.order))
      const page = sorted.slice(0, limit)
      const objects = page.map(({ object }) => ({
        key: object.key,
        kind: object.kind,
        size: sizeOf(object),
        tag: object.seal,
      }))
      const last = page.at(-1)
      return { objects, cursor: sorted.length > page.length && last !== undefined ? last.order : null }
    })
  }

  async clear(signal: AbortSignal): Promise<void> {
    await this.#store.request({ operation: 'clear', key: null }, signal, () => undefined)
  }

  async close(): Promise<void> {
    // The store lives on; a client holds nothing.
  }
}

/** A target in memory; `store` outlives the ports made from it. Never fails by itself: faults come from `store.faults`. */
export function openMemoryTarget(options: MemoryTargetOptions = {}): MemoryTarget {
  const store = new MemoryStore()
  const sliceBytes = options.sliceBytes ?? MiB
  return {
    store,
    keys: { keyOf: (name) => ({ key: name }), nameOf: (key) => key, isEncoded: () => false },
    survey: () => new MemorySurvey(store, { ...fullAbilities, ...options.abilities }),
    writer: (abilities) => new MemoryWriter(store, abilities),
    uploads: (abilities) => new MemoryUploads(store, abilities),
    reader: (abilities) => new MemoryReader(store, abilities, sliceBytes),
  }
}
