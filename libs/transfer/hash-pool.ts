// SHA-256 of large buffers in threads of their own, so that the loop is free for sockets while a chunk is hashed. Only
// for shared memory (ByteBudget with `isShared`): a copy for each buffer would cost what the thread saves.
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { HashAnswer, HashTask } from './hash-thread.ts'

export interface HashPool {
  /** SHA-256 of `bytes`, which must lie in shared memory and stay as they are until the promise settles. */
  digest(bytes: Buffer): Promise<Buffer>
  close(): Promise<void>
}

interface Pending {
  readonly resolve: (digest: Buffer) => void
  readonly reject: (error: unknown) => void
}

class HashThread {
  readonly pending = new Map<number, Pending>()
  readonly worker: Worker
  #failure: unknown = null

  constructor() {
    // The same file as .ts from a checkout and as .js from the package.
    this.worker = new Worker(new URL(`./hash-thread${extname(import.meta.filename)}`, import.meta.url))
    this.worker.unref()
    this.worker.on('message', ({ id, digest }: HashAnswer) => {
      const pending = this.pending.get(id)
      this.#forget(id)
      pending?.resolve(Buffer.from(digest))
    })
    this.worker.on('error', (error) => this.#fail(error))
    this.worker.on('exit', (code) => this.#fail(new Error(`the hash thread ended with code ${code}`)))
  }

  post(task: HashTask): Promise<Buffer> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.pending.set(task.id, { resolve, reject })
      this.worker.ref()
      this.worker.postMessage(task)
    })
  }

  #forget(id: number): void {
    this.pending.delete(id)
    if (this.pending.size === 0) this.worker.unref()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    for (const [id, { reject }] of this.pending) {
      this.#forget(id)
      reject(error)
    }
  }
}

class ThreadedPool implements HashPool {
  readonly #threads: readonly HashThread[]
  #tasks = 0

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, () => new HashThread())
  }

  digest(bytes: Buffer): Promise<Buffer> {
    const region = bytes.buffer
    if (!(region instanceof SharedArrayBuffer)) throw new TypeError('the bytes are not in shared memory')
    this.#tasks += 1
    const [thread] = this.#threads.toSorted((one, other) => one.pending.size - other.pending.size)
    if (thread === undefined) throw new TypeError('the pool has no thread')
    return thread.post({ id: this.#tasks, region, start: bytes.byteOffset, length: bytes.length })
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
  }
}

/** A pool of `threads` threads, at least one; they keep no process alive while nothing is asked of them. */
export function createHashPool({ threads }: { readonly threads: number }): HashPool {
  if (threads < 1) throw new RangeError('at least one thread')
  return new ThreadedPool(threads)
}
