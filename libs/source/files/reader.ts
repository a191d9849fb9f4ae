// One open file: bytes of one version, or an error.
//
// * A write in the same tick of the file system's clock (up to 4 ms before Linux 6.13) that keeps the size leaves the identity
//   as it is; nothing can see that from outside.
// * On remote file systems the attributes of an open file may be those of some seconds ago. Opening by name asks the server
//   (close-to-open consistency), so `confirm` does that there.
import type { BigIntStats } from 'node:fs'
import { WaybillError } from '#libs/domain/errors'
import { isSameIdentity } from '#libs/domain/identity'
import type { Identity } from '#schemas/records'
import type { ItemReader } from '../source.ts'
import { errnoOf, type FileCalls, failureOf, flags } from './calls.ts'
import { type Directory, type OpenDirectories, pathOf } from './directories.ts'
import { identityOf } from './entry.ts'

export interface ReaderPlace {
  readonly directories: OpenDirectories
  readonly calls: FileCalls
  readonly rootDevice: bigint
  /** Of the directory, with `/` at its end; empty for the root. */
  readonly prefix: string
  readonly name: string
  readonly expected: Identity
}

/** Between two of them an abort is seen. A read that hangs in the kernel cannot be left: it would write into the buffer later. */
const readBytesMax = 4 * 1024 * 1024

function openError(error: unknown): WaybillError {
  const facts = { errno: errnoOf(error) }
  const failure = failureOf(error)
  switch (failure) {
    case 'gone':
      return new WaybillError('SOURCE_VANISHED', facts, { cause: error })
    case 'replaced':
      return new WaybillError('SOURCE_CHANGED', facts, { cause: error })
    case 'denied':
      return new WaybillError('SOURCE_UNREADABLE', facts, { cause: error })
    case 'stale':
    case 'broken':
      return new WaybillError('SOURCE_READ_ERROR', facts, { cause: error })
  }
}

function isSame(stats: BigIntStats, place: ReaderPlace): boolean {
  return stats.isFile() && isSameIdentity(identityOf(stats, place.rootDevice), place.expected)
}

function assertSame(stats: BigIntStats, place: ReaderPlace): void {
  if (!isSame(stats, place)) throw new WaybillError('SOURCE_CHANGED', {})
}

/** The whole of a small file where nothing waits; false: nothing is known, ask `openReader`. */
export function readNow(place: ReaderPlace, buffer: Buffer): boolean {
  const directory = place.directories.openNow(place.prefix)
  if (directory === null) return false
  return place.calls.readNow(pathOf(`${directory.place}${place.name}`), buffer, (stats) => isSame(stats, place))
}

async function openIn(directory: Directory, place: ReaderPlace): Promise<number> {
  let fd: number
  try {
    fd = await place.calls.open(pathOf(`${directory.place}${place.name}`), flags.file)
  } catch (error) {
    throw openError(error)
  }
  try {
    assertSame(await place.calls.stat(fd), place)
    return fd
  } catch (error) {
    await place.calls.close(fd)
    throw error instanceof WaybillError ? error : openError(error)
  }
}

async function openOnce(place: ReaderPlace, isFresh: boolean): Promise<number> {
  try {
    return await place.directories.within(place.prefix, isFresh, (directory) => openIn(directory, place))
  } catch (error) {
    throw error instanceof WaybillError ? error : openError(error)
  }
}

/** A kept directory may be another by now, and a handle stale (NFS): a miss counts when the way from the root says it too. */
async function openFile(place: ReaderPlace): Promise<number> {
  try {
    return await openOnce(place, false)
  } catch (error) {
    if (error instanceof WaybillError && error.code === 'SOURCE_UNREADABLE') throw error
    return openOnce(place, true)
  }
}

/** Handles that go stale again and again are an error of the source. */
const reopensMax = 3

class FileReader implements ItemReader {
  readonly #place: ReaderPlace
  /** The last one is read from. Older ones stay open until the end: another read may be using them, and numbers are reused. */
  readonly #fds: number[]
  readonly #reads = new Set<Promise<void>>()

  constructor(place: ReaderPlace, fd: number) {
    this.#place = place
    this.#fds = [fd]
  }

  #fd(): number {
    const fd = this.#fds.at(-1)
    if (fd === undefined) throw new TypeError('the reader is closed')
    return fd
  }

  async read(buffer: Buffer, offset: number, signal: AbortSignal): Promise<void> {
    const work = this.#fill(buffer, offset, signal)
    this.#reads.add(work)
    try {
      await work
    } finally {
      this.#reads.delete(work)
    }
  }

  async #fill(buffer: Buffer, offset: number, signal: AbortSignal): Promise<void> {
    let done = 0
    while (done < buffer.length) {
      signal.throwIfAborted()
      const slice = buffer.subarray(done, Math.min(buffer.length, done + readBytesMax))
      const given = await this.#readAt(slice, offset + done)
      if (given === 0) throw new WaybillError('SOURCE_SHORT_READ', { offset, length: buffer.length, given: done })
      done += given
    }
  }

  async #readAt(slice: Buffer, offset: number): Promise<number> {
    for (;;) {
      const fd = this.#fd()
      try {
        return await this.#place.calls.read(fd, slice, offset)
      } catch (error) {
        if (failureOf(error) !== 'stale' || this.#fds.length > reopensMax) throw openError(error)
      }
      // A server that was restarted forgot the handle; the name leads to the same version or to none.
      if (fd === this.#fd()) this.#fds.push(await openOnce(this.#place, true))
    }
  }

  async confirm(): Promise<void> {
    try {
      if (this.#place.calls.isLocal) assertSame(await this.#place.calls.stat(this.#fd()), this.#place)
      else await this.#place.calls.close(await openOnce(this.#place, true))
    } catch (error) {
      const failed = error instanceof WaybillError ? error : openError(error)
      if (failed.code !== 'SOURCE_VANISHED') throw failed
      // Bytes were read, so it is a change of what was read.
      throw new WaybillError('SOURCE_CHANGED', failed.facts, { cause: error })
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#reads)
    for (const fd of this.#fds.splice(0)) await this.#place.calls.close(fd)
  }
}

/** Throws SOURCE_CHANGED, SOURCE_VANISHED, SOURCE_UNREADABLE, SOURCE_READ_ERROR. */
export async function openReader(place: ReaderPlace): Promise<ItemReader> {
  return new FileReader(place, await openFile(place))
}
