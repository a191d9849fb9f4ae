// Typed reads of the state store that remember what they found. In a process only the projection changes the store, so a
// row that no commit has touched is still what was read. Roles look at the same few rows and ready lists at every commit;
// each look at the store costs several changes of threads, here it costs nothing until a commit touches that kind of row.
//
// What is kept shows the state before a commit until that has ended. A read of the store would show parts of the commit
// earlier, so it waits for the end: nobody sees a ready list that is newer than the rows it names. A read that was under way
// when a commit began may have seen either state: it is answered, as the store would have answered it, and not remembered.
import { kindOf, rangeOf } from '#libs/domain/keys'
import type { StateStore } from '#libs/store/state-store'
import { decodeRow } from '#schemas/row-wire'
import type { RowKind, RowOf } from '#schemas/rows'
import type { KeyedRow, RowReader } from './row-reader.ts'

/** Encoded bytes of the rows that are kept; decoded they take a few times as much. */
const rowBytesMax = 4 * 1024 * 1024
/** What a key and an absent row count. */
const entryBytes = 100
const slicesMax = 64

/** Ready lists: looked at again and again, and short. Scans of all chunks or uploads are not kept. */
const listedKinds: ReadonlySet<RowKind> = new Set<RowKind>([
  'unplanned',
  'leasable',
  'verifiable',
  'sealable',
  'owed',
  'request',
  'report',
  'poison',
])

type AnyRow = RowOf<RowKind>

interface KeptRow {
  readonly row: AnyRow | undefined
  readonly bytes: number
}

interface KeptSlice {
  readonly kind: RowKind
  readonly prefix: string
  readonly after: string
  readonly limit: number
  /** All rows there are: fewer than the limit. Commits then change it here, and the store need not be asked again. */
  readonly rows: KeyedRow<RowKind>[]
}

/** A commit that changes more rows than this is not followed row by row. */
const followedMax = 500

/** False when the list is no longer known to be whole. */
function follow(slice: KeptSlice, { key, row }: CommittedRow): boolean {
  if (!key.startsWith(slice.prefix) || key <= slice.after) return true
  const { rows, limit } = slice
  const found = rows.findIndex((entry) => entry.key >= key)
  const at = found < 0 ? rows.length : found
  const isThere = rows[at]?.key === key
  if (row === null) rows.splice(at, isThere ? 1 : 0)
  else rows.splice(at, isThere ? 1 : 0, { key, row } as KeyedRow<RowKind>)
  return rows.length < limit
}

export interface CommittedRow {
  readonly key: string
  /** null: deleted. */
  readonly row: AnyRow | null
  readonly bytes: number
}

export class RowCache implements RowReader {
  readonly #store: StateStore
  readonly #rows = new Map<string, KeptRow>()
  readonly #slices = new Map<string, KeptSlice>()
  /** How often commits touched each kind. */
  readonly #touched = new Map<RowKind, number>()
  #bytes = 0
  #forgotten = 0
  #committing: Promise<void> | null = null

  constructor(store: StateStore) {
    this.#store = store
  }

  async get<K extends RowKind>(key: string): Promise<RowOf<K> | undefined> {
    const kept = this.#rows.get(key)
    return (kept === undefined ? (await this.#load([key]))[0] : kept.row) as never
  }

  async getMany<K extends RowKind>(keys: readonly string[]): Promise<readonly (RowOf<K> | undefined)[]> {
    const missing = keys.filter((key) => !this.#rows.has(key))
    if (missing.length === 0) return keys.map((key) => this.#rows.get(key)?.row) as never
    // Taken before the wait: what is kept now may be gone after it.
    const found = new Map(keys.map((key) => [key, this.#rows.get(key)?.row]))
    for (const [index, row] of (await this.#load(missing)).entries()) found.set(missing[index] as string, row)
    return keys.map((key) => found.get(key)) as never
  }

  async slice<K extends RowKind>(
    kind: K,
    prefix: string,
    limit: number,
    after?: string,
  ): Promise<readonly KeyedRow<K>[]> {
    const name = `${prefix} ${limit} ${after ?? ''}`
    const kept = this.#slices.get(name)
    if (kept !== undefined) return kept.rows.slice() as never
    await this.#committing
    const moment = this.#momentOf(kind)
    const { from, to } = rangeOf(prefix)
    const found = await this.#store.range({ from: after === undefined ? from : `${after}\u0000`, to, limit })
    const rows = found.map(({ key, value }) => ({ key, row: decodeRow(kind, value) }))
    if (listedKinds.has(kind) && this.#momentOf(kind) === moment) {
      if (this.#slices.size >= slicesMax) this.#slices.clear()
      this.#slices.set(name, { kind, prefix, after: after ?? '', limit, rows: rows.slice() as never })
    }
    return rows
  }

  /** Makes a commit and takes it over; when it fails, what the store holds is not known, and all is forgotten. */
  async commit(changes: readonly CommittedRow[], write: () => Promise<void>): Promise<void> {
    const writing = write()
    const ended = writing.then(
      () => this.#take(changes),
      () => this.#forget(),
    )
    this.#committing = ended
    await ended
    this.#committing = null
    return writing
  }

  #take(changes: readonly CommittedRow[]): void {
    const kinds = new Set<RowKind>()
    for (const { key, row, bytes } of changes) {
      kinds.add(kindOf(key))
      const kept = this.#rows.get(key)
      if (kept === undefined) continue
      this.#bytes += bytes + entryBytes - kept.bytes
      this.#rows.set(key, { row: row ?? undefined, bytes: bytes + entryBytes })
    }
    for (const kind of kinds) this.#touched.set(kind, (this.#touched.get(kind) ?? 0) + 1)
    for (const [name, slice] of this.#slices) {
      if (kinds.has(slice.kind) && !this.#isFollowed(slice, changes)) this.#slices.delete(name)
    }
  }

  #isFollowed(slice: KeptSlice, changes: readonly CommittedRow[]): boolean {
    if (slice.rows.length >= slice.limit || changes.length > followedMax) return false
    return changes.every((change) => follow(slice, change))
  }

  #forget(): void {
    this.#forgotten += 1
    this.#rows.clear()
    this.#slices.clear()
    this.#bytes = 0
  }

  /** Differs once a commit touched the kind. */
  #momentOf(kind: RowKind): number {
    return (this.#touched.get(kind) ?? 0) + this.#forgotten
  }

  async #load(keys: readonly string[]): Promise<readonly (AnyRow | undefined)[]> {
    await this.#committing
    const moments = keys.map((key) => this.#momentOf(kindOf(key)))
    const values = await this.#store.getMany(keys)
    return values.map((value, index) => {
      const key = keys[index] as string
      const kind = kindOf(key)
      const row = value === undefined ? undefined : decodeRow(kind, value)
      if (this.#momentOf(kind) === moments[index]) this.#keep(key, row, value?.length ?? 0)
      return row
    })
  }

  #keep(key: string, row: AnyRow | undefined, length: number): void {
    if (this.#rows.has(key)) return
    const bytes = length + entryBytes
    this.#rows.set(key, { row, bytes })
    this.#bytes += bytes
    for (const [oldest, kept] of this.#rows) {
      if (this.#bytes <= rowBytesMax) return
      this.#rows.delete(oldest)
      this.#bytes -= kept.bytes
    }
  }
}
