// The materializer: the only reader of the log in a process. It folds every topic and partition into one store; rows and
// the positions they were folded up to are one commit, so a crash between fold and commit folds again and changes nothing.

import { WaybillError } from '#libs/domain/errors'
import { foldEvent, keysOf } from '#libs/domain/fold'
import { keyOf, kindOf } from '#libs/domain/keys'
import type { Rows } from '#libs/domain/rows'
import type { Verdict } from '#libs/domain/verdict'
import { type EventLog, type LogRecord, type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import type { StateStore, StoreChange } from '#libs/store/state-store'
import type { Topic, WaybillEvent } from '#schemas/events'
import { decodeRow, encodeRow, rowFormat } from '#schemas/row-wire'
import type { RowKind, RowOf } from '#schemas/rows'
import { decodeEvent, WireError } from '#schemas/wire'
import { poisonedJob } from './poison.ts'
import { type CommittedRow, RowCache } from './row-cache.ts'
import type { RowReader } from './row-reader.ts'

/** Keys outside the rows: format and positions. */
const metaKey = '!meta'

interface Meta {
  readonly format: number
  readonly positions: readonly (readonly [PartitionId, number])[]
}

export interface FoldCounts {
  readonly folded: number
  readonly known: number
  readonly stale: number
  readonly poison: number
}

export interface Projection {
  readonly rows: RowReader
  /** Next position to fold, by partition. */
  positions(): Positions
  /** Rises when a commit begins and when it ends: rows read at different versions may show different states. */
  version(): number
  counts(): FoldCounts
  /** Resolves once a commit began or ended after `version`; rejects with the signal's reason. */
  changed(version: number, signal: AbortSignal): Promise<void>
  /** Resolves once the position of that partition is folded. */
  foldedUpTo(topic: Topic, partition: number, position: number, signal: AbortSignal): Promise<void>
  /** Resolves once everything that the log held at the call is folded. */
  caughtUp(signal: AbortSignal): Promise<void>
  /**
   * Hands over what each commit folded, in log order within a partition, right after the commit. Listeners must not throw,
   * and must copy bytes that they keep. Returns the way to stop it.
   */
  observe(listener: FoldListener): () => void
  /** Folds until the signal aborts. Throws what the log and the store throw. */
  run(signal: AbortSignal): Promise<void>
}

/** A record that was folded. */
export interface FoldedRecord {
  readonly record: LogRecord
  /** null: poison. */
  readonly event: WaybillEvent | null
  readonly kind: Verdict['kind']
}

export type FoldListener = (folded: readonly FoldedRecord[]) => void

interface HeldRow {
  /** null: the store has none. */
  row: RowOf<RowKind> | null
  isChanged: boolean
}

/** Rows by key. */
type Cache = Map<string, HeldRow>

interface Decoded {
  readonly record: LogRecord
  readonly event: WaybillEvent | null
  readonly reason: string
}

function decode(record: LogRecord): Decoded {
  if (record.value === null) return { record, event: null, reason: 'null value' }
  try {
    return { record, event: decodeEvent(record.value), reason: '' }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return { record, event: null, reason: error.message }
  }
}

/** Rows of one batch: what was loaded, and what changed. */
function batchRows(cache: Cache, changed: string[]): Rows {
  return {
    get: (key) => {
      const held = cache.get(key)
      if (held === undefined) throw new Error(`row ${key} was not loaded: keysOf does not name it`)
      return (held.row ?? undefined) as never
    },
    set: (key, row) => {
      const held = cache.get(key)
      if (held === undefined) cache.set(key, { row, isChanged: true })
      else held.row = row
      if (held?.isChanged === true) return
      if (held !== undefined) held.isChanged = true
      changed.push(key)
    },
  }
}

/** Rows for `keysOf`: what is not loaded yet reads as absent, and the next round asks again. */
const loadedRows = (cache: Cache): Rows => ({
  get: (key) => (cache.get(key)?.row ?? undefined) as never,
  set: () => {
    throw new Error('keysOf reads only')
  },
})

async function loadRows(store: StateStore, cache: Cache, decoded: readonly Decoded[]): Promise<void> {
  const rows = loadedRows(cache)
  let asking = decoded
  while (asking.length > 0) {
    const missing = new Set<string>()
    // Only events that miss a row are asked again: what they get may lead to others.
    asking = asking.filter(({ event, record }) => {
      if (event === null) return false
      let isMissing = false
      for (const key of keysOf(rows, event, record.topic, record)) {
        if (cache.has(key)) continue
        missing.add(key)
        isMissing = true
      }
      return isMissing
    })
    if (missing.size === 0) return
    const keys = [...missing]
    const values = await store.getMany(keys)
    for (const [index, key] of keys.entries()) {
      const value = values[index]
      cache.set(key, { row: value === undefined ? null : decodeRow(kindOf(key), value), isChanged: false })
    }
  }
}

function foldRecord(rows: Rows, { record, event, reason }: Decoded): Verdict {
  const verdict: Verdict = event === null ? { kind: 'poison', reason } : foldEvent(rows, event, record.topic, record)
  if (verdict.kind === 'poison') {
    const key = keyOf.poison(poisonedJob(event, record), record.topic, record.partition, record.position)
    rows.set(key, { reason: verdict.reason })
  }
  return verdict
}

function changesOf(committed: readonly EncodedRow[], positions: Positions): readonly StoreChange[] {
  const meta: Meta = { format: rowFormat, positions: [...positions] }
  return [...committed, { key: metaKey, value: Buffer.from(JSON.stringify(meta)) }]
}

interface EncodedRow extends CommittedRow, StoreChange {}

function encodeRows(cache: Cache, changed: readonly string[]): readonly EncodedRow[] {
  return changed.map((key) => {
    const row = cache.get(key)?.row ?? null
    const value = row === null ? null : encodeRow(kindOf(key), row)
    return { key, row, value, bytes: value?.length ?? 0 }
  })
}

async function storedPositions(store: StateStore): Promise<Map<PartitionId, number>> {
  const [value] = await store.getMany([metaKey])
  if (value === undefined) return new Map()
  const meta = JSON.parse(value.toString('utf8')) as Meta
  if (meta.format !== rowFormat) throw new WaybillError('STORE_DAMAGED', { format: meta.format })
  return new Map(meta.positions)
}

interface Waiter {
  readonly isDone: () => boolean
  readonly resolve: () => void
}

/** Promises that a commit may resolve. */
function createWaiters(): { wait(isDone: () => boolean, signal: AbortSignal): Promise<void>; check(): void } {
  const waiters = new Set<Waiter>()
  return {
    wait: (isDone, signal) => {
      if (signal.aborted) return Promise.reject(signal.reason)
      if (isDone()) return Promise.resolve()
      return new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          waiters.delete(waiter)
          reject(signal.reason)
        }
        const waiter: Waiter = {
          isDone,
          resolve: () => {
            signal.removeEventListener('abort', onAbort)
            resolve()
          },
        }
        signal.addEventListener('abort', onAbort, { once: true })
        waiters.add(waiter)
      })
    },
    check: () => {
      for (const waiter of waiters) {
        if (!waiter.isDone()) continue
        waiters.delete(waiter)
        waiter.resolve()
      }
    },
  }
}

/** Rows kept decoded from one batch to the next: those that nearly every event touches. */
const hotKinds: ReadonlySet<RowKind> = new Set<RowKind>(['tally', 'partition', 'load', 'job', 'listing'])

function hotRows(cache: Cache): Cache {
  const hot: Cache = new Map()
  for (const [key, { row }] of cache) if (hotKinds.has(kindOf(key))) hot.set(key, { row, isChanged: false })
  return hot
}

/** Opens at the positions that the store was folded up to. Throws STORE_DAMAGED when the store is of another format. */
export async function openProjection(log: EventLog, store: StateStore): Promise<Projection> {
  let positions: Positions = await storedPositions(store)
  const counts = { folded: 0, known: 0, stale: 0, poison: 0 }
  const waiters = createWaiters()
  const listeners = new Set<FoldListener>()
  const reader = new RowCache(store)
  let version = 0
  let cache: Cache = new Map()

  async function foldBatch(records: readonly LogRecord[]): Promise<void> {
    const decoded = records.map(decode)
    await loadRows(store, cache, decoded)
    const changed: string[] = []
    const rows = batchRows(cache, changed)
    const next = new Map(positions)
    const folded: FoldedRecord[] = []
    for (const entry of decoded) {
      const { kind } = foldRecord(rows, entry)
      counts[kind] += 1
      if (listeners.size > 0) folded.push({ record: entry.record, event: entry.event, kind })
      next.set(partitionId(entry.record.topic, entry.record.partition), entry.record.position + 1)
    }
    const encoded = encodeRows(cache, changed)
    version += 1
    await reader.commit(encoded, () => store.commit(changesOf(encoded, next)))
    // Only now: who waits for a position reads the store next, and must find its event there.
    positions = next
    cache = hotRows(cache)
    version += 1
    waiters.check()
    for (const listener of listeners) listener(folded)
  }

  const isFolded = (id: PartitionId, next: number): boolean => (positions.get(id) ?? 0) >= next
  return {
    rows: reader,
    positions: () => positions,
    version: () => version,
    counts: () => ({ ...counts }),
    changed: (since, signal) => waiters.wait(() => version > since, signal),
    foldedUpTo: (topic, partition, position, signal) =>
      waiters.wait(() => isFolded(partitionId(topic, partition), position + 1), signal),
    async caughtUp(signal) {
      const ends = await log.ends()
      await waiters.wait(() => [...ends].every(([id, next]) => next === 0 || isFolded(id, next)), signal)
    },
    observe(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    async run(signal) {
      for await (const records of log.read(new Map(positions), signal)) await foldBatch(records)
    },
  }
}
