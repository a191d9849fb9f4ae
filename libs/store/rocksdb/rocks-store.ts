// The state store over RocksDB (rocksdb-native, pinned).
//
// * Nothing is synced: the write-ahead log is written before a commit resolves, so a commit survives kill -9; after a
//   power cut the store may be older than it was, never torn, since a commit is one batch, and the log fills the gap.
// * TOLERATE_CORRUPTED_TAIL_RECORDS takes a torn end of the write-ahead log for what it is; damage before it, in it or in
//   any table, is an error at open or at the read that meets it. A write-ahead log that is missing altogether is not noticed.
// * After "no space left" the handle refuses everything for good. The next call after STORE_FULL opens the folder again.
// * `close` waits for ever for an iterator that is not destroyed; `for await` destroys it on every way out.
// * An open in a folder that cannot be made never answers, so the folder is made first.
// * Memory: a block cache of 32 MiB (fixed by the binding; it holds index and filter blocks too), two write buffers of
//   16 MiB, at most 256 open tables. Blocks of 8 KiB and 10 bits of Bloom filter a key are the binding's defaults.
import { strict as assert } from 'node:assert'
import { rename, rm } from 'node:fs/promises'
import RocksDB from 'rocksdb-native'
import { WaybillError } from '#libs/domain/errors'
import { makeFolder } from '#libs/runtime/folders'
import type { StateStore, StoreChange, StoreRange, StoreRow } from '#libs/store/state-store'
import { storeError } from './rocks-error.ts'

const MiB = 1024 * 1024
const options = {
  walRecoveryMode: RocksDB.constants.walRecoveryMode.TOLERATE_CORRUPTED_TAIL_RECORDS,
  maxBackgroundJobs: 2,
  maxOpenFiles: 256,
  writeBufferSize: 16 * MiB,
  maxWriteBufferNumber: 2,
}
/** Rows fetched from an iterator at a time. */
const iteratorRowsMax = 1024

async function openDatabase(folder: string): Promise<RocksDB> {
  const database = new RocksDB(folder, options)
  await database.ready()
  return database
}

class RocksStore implements StateStore {
  readonly #folder: string
  #opening: Promise<RocksDB>
  /** The handle met "no space left" and refuses everything from then on. */
  #isSpent: boolean = false
  #isClosed: boolean = false

  constructor(folder: string, database: RocksDB) {
    this.#folder = folder
    this.#opening = Promise.resolve(database)
  }

  getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    return this.#use('read', async (database) => {
      if (keys.length === 0) return []
      const batch = database.read({ capacity: keys.length, autoDestroy: true })
      const values = keys.map((key) => batch.get(key))
      // All at once, so that no rejection is left without someone who takes it.
      const [, ...found] = await Promise.all([batch.flush(), ...values])
      return found.map((value) => value ?? undefined)
    })
  }

  range({ from, to, limit }: StoreRange): Promise<readonly StoreRow[]> {
    return this.#use('read', async (database) => {
      // To the binding an empty bound is no bound.
      if (limit <= 0 || to <= from) return []
      const rows: StoreRow[] = []
      const capacity = Math.min(limit, iteratorRowsMax)
      for await (const { key, value } of database.iterator({ gte: from, lt: to }, { limit, capacity })) {
        rows.push({ key: key.toString('latin1'), value })
      }
      return rows
    })
  }

  commit(changes: readonly StoreChange[]): Promise<void> {
    return this.#use('write', async (database) => {
      if (changes.length === 0) return
      const batch = database.write({ capacity: changes.length, autoDestroy: true })
      for (const { key, value } of changes) {
        if (value === null) batch.tryDelete(key)
        else batch.tryPut(key, value)
      }
      await batch.flush()
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      await (await this.#opening).close()
    } catch (error) {
      throw storeError(error, { doing: 'close', folder: this.#folder })
    }
  }

  async #use<T>(doing: string, action: (database: RocksDB) => Promise<T>): Promise<T> {
    assert(!this.#isClosed, 'the store is closed')
    try {
      if (this.#isSpent) this.#reopen()
      return await action(await this.#opening)
    } catch (error) {
      const classified = storeError(error, { doing, folder: this.#folder })
      if (classified.code === 'STORE_FULL') this.#isSpent = true
      throw classified
    }
  }

  #reopen(): void {
    const spent = this.#opening
    this.#isSpent = false
    this.#opening = spent.then(
      async (database) => {
        await database.close()
        return openDatabase(this.#folder)
      },
      // The last attempt to open failed: there is nothing to close.
      () => openDatabase(this.#folder),
    )
  }
}

/**
 * Opens or makes the store in a folder of its own, which only one handle may hold.
 * @throws WaybillError STORE_DAMAGED, STORE_FULL, STORE_REFUSED (permissions, limits), JOB_HELD (open elsewhere).
 */
export async function openRocksStore({ folder }: { readonly folder: string }): Promise<StateStore> {
  try {
    await makeFolder(folder)
  } catch (error) {
    const classified = storeError(error, { doing: 'create', folder })
    throw classified.code === 'STORE_FULL'
      ? classified
      : new WaybillError('STORE_REFUSED', { folder }, { cause: error })
  }
  try {
    return new RocksStore(folder, await openDatabase(folder))
  } catch (error) {
    throw storeError(error, { doing: 'open', folder })
  }
}

/**
 * Renames a damaged store away, so that a new one can be built from the log. The one moved aside before is deleted.
 * @returns where it is now, or null when there was none.
 */
export async function moveAside(folder: string): Promise<string | null> {
  const aside = `${folder}.damaged`
  try {
    await rm(aside, { recursive: true, force: true })
    await rename(folder, aside)
    return aside
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new WaybillError('STORE_REFUSED', { doing: 'move aside', folder }, { cause: error })
  }
}
