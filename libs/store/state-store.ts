// The state store port: ordered keys to bytes. It holds what the log can rebuild, so nothing here needs fsync; but a
// commit is all or nothing, also across kill -9. Adapters: rocksdb, memory.
//
// Traps, kept by test/contracts/state-store.contract.ts:
// * Keys are ASCII strings, ordered by their bytes. Values are never empty.
// * A commit that throws may not have happened; the projection stops and starts again from the stored positions.
// * `range` gives one bounded slice at the moment of the call; it is no snapshot across calls.
// * A damaged store is an error (STORE_DAMAGED), never a wrong answer: it is moved aside and rebuilt from the log.

export interface StoreChange {
  readonly key: string
  /** null deletes */
  readonly value: Buffer | null
}

export interface StoreRow {
  readonly key: string
  readonly value: Buffer
}

export interface StoreRange {
  /** First key of the range, included. */
  readonly from: string
  /** End of the range, not included. */
  readonly to: string
  readonly limit: number
}

export interface StateStore {
  /** One value or undefined per key, in the order of the keys. */
  getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]>
  range(range: StoreRange): Promise<readonly StoreRow[]>
  /** Atomic. A later change of one key in the list wins. Throws STORE_FULL, STORE_DAMAGED. */
  commit(changes: readonly StoreChange[]): Promise<void>
  close(): Promise<void>
}
