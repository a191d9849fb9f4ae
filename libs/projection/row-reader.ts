// Typed reads of the state store, for roles, views and reports.

import { type Key, kindOf, rangeOf } from '#libs/domain/keys'
import type { StateStore } from '#libs/store/state-store'
import { decodeRow } from '#schemas/row-wire'
import type { RowKind, RowOf } from '#schemas/rows'

export interface KeyedRow<K extends RowKind> {
  readonly key: Key<K>
  readonly row: RowOf<K>
}

export interface RowReader {
  get<K extends RowKind>(key: Key<K>): Promise<RowOf<K> | undefined>
  getMany<K extends RowKind>(keys: readonly Key<K>[]): Promise<readonly (RowOf<K> | undefined)[]>
  /** At most `limit` rows whose key starts with `prefix` (`kind/...`) and lies behind `after`. */
  slice<K extends RowKind>(kind: K, prefix: string, limit: number, after?: string): Promise<readonly KeyedRow<K>[]>
}

export function readRows(store: StateStore): RowReader {
  return {
    async get(key) {
      const [value] = await store.getMany([key])
      return value === undefined ? undefined : (decodeRow(kindOf(key), value) as never)
    },
    async getMany(keys) {
      const values = await store.getMany(keys)
      return values.map((value, index) =>
        value === undefined ? undefined : (decodeRow(kindOf(keys[index] as string), value) as never),
      )
    },
    async slice(kind, prefix, limit, after) {
      const { from, to } = rangeOf(prefix)
      const rows = await store.range({ from: after === undefined ? from : `${after}\u0000`, to, limit })
      return rows.map(({ key, value }) => ({ key, row: decodeRow(kind, value) }))
    },
  }
}
