// The part of rocksdb-native 3.18.1 that is used here; the package has no types.
declare module 'rocksdb-native' {
  interface Options {
    readonly walRecoveryMode?: number
    readonly maxBackgroundJobs?: number
    readonly maxOpenFiles?: number
    readonly writeBufferSize?: number
    readonly maxWriteBufferNumber?: number
    readonly tableBlockSize?: number
  }

  interface BatchOptions {
    /** Operations expected; grows by doubling. */
    readonly capacity: number
    /** Frees the batch when its flush has ended, in whatever way. */
    readonly autoDestroy: boolean
  }

  interface ReadBatch {
    /** Settles with the flush: null when there is no such key. */
    get(key: string): Promise<Buffer | null>
    /** Rejects with an AggregateError when any get failed. */
    flush(): Promise<void>
  }

  interface WriteBatch {
    tryPut(key: string, value: Buffer): void
    tryDelete(key: string): void
    /** Rejects with the reason as its cause. */
    flush(): Promise<void>
  }

  interface Row {
    readonly key: Buffer
    readonly value: Buffer
  }

  class RocksDB {
    static readonly constants: { readonly walRecoveryMode: { readonly TOLERATE_CORRUPTED_TAIL_RECORDS: number } }
    constructor(folder: string, options?: Options)
    ready(): Promise<void>
    read(options: BatchOptions): ReadBatch
    write(options: BatchOptions): WriteBatch
    /** Must have ended or been destroyed before `close`, which waits for it for ever. */
    iterator(range: { gte: string; lt: string }, options: { limit: number; capacity: number }): AsyncIterable<Row>
    flush(): Promise<void>
    close(): Promise<void>
  }

  export = RocksDB
}
