// Reads back what the disk holds: O_DIRECT passes the page cache by, so the bytes are those of the device and not those
// that a writer left in memory. Where the file system has no O_DIRECT the reads are buffered and say so.
// Nothing is kept between reads: every one walks from the root, through no link (file-root.ts).
import fs, { constants } from 'node:fs'
import { WaybillError } from '#libs/domain/errors'
import type { ReadRequest, ReadResult, TargetReader } from '../target.ts'
import { type AlignedBuffers, alignment, sliceBytes } from './aligned-buffers.ts'
import { pooledCalls } from './file-calls.ts'
import { kindOf, sealOf } from './file-dress.ts'
import { isRefused, readError, throwIfAborted } from './file-errors.ts'
import { joinPath, placeOf } from './file-keys.ts'
import { type FileRoot, openDirectoryNow, openNow, type Root } from './file-root.ts'

const { O_RDONLY } = constants
/** Not on macOS. */
const directFlag: number | undefined = constants.O_DIRECT

type Consume = (bytes: Buffer) => void

/** The file system refused a direct read after a direct open; nothing was given to the consumer yet. */
class DirectRefused extends Error {}

export class FileReader implements TargetReader {
  readonly #fileRoot: FileRoot
  readonly #buffers: AlignedBuffers
  #readsDirect: boolean

  constructor(fileRoot: FileRoot, buffers: AlignedBuffers, readsDirect: boolean) {
    this.#fileRoot = fileRoot
    this.#buffers = buffers
    this.#readsDirect = readsDirect && directFlag !== undefined
  }

  async read(request: ReadRequest, consume: Consume, signal: AbortSignal): Promise<ReadResult> {
    throwIfAborted(signal)
    const root = await this.#fileRoot.find()
    if (root === null) throw new WaybillError('TARGET_MISSING')
    try {
      if (request.kind !== 'file') return await readEntry(root, request, consume)
      try {
        return await this.#readFile(root, request, consume, signal)
      } catch (error) {
        if (!(error instanceof DirectRefused)) throw error
        this.#readsDirect = false
        return await this.#readFile(root, request, consume, signal)
      }
    } catch (error) {
      throw readError(error)
    }
  }

  async close(): Promise<void> {
    // Nothing is held between reads.
  }

  async #readFile(root: Root, request: ReadRequest, consume: Consume, signal: AbortSignal): Promise<ReadResult> {
    const { fd, isDirect } = await this.#open(root, request)
    try {
      const stats = await root.calls.stat(fd)
      if (!stats.isFile()) throw new WaybillError('TARGET_REPLACED', { reason: 'not_a_file' })
      refuseOther(request, sealOf(stats))
      const end = request.offset + request.length
      if (Number(stats.size) < end) throw new WaybillError('TARGET_SHORT_READ', { size: Number(stats.size) })
      if (request.length > 0) await new RangeRead(fd, this.#buffers, isDirect).run(request, consume, signal)
      return { bytes: request.length, bypassedCache: isDirect, objectBytes: Number(stats.size) }
    } finally {
      await root.calls.close(fd)
    }
  }

  /** In the thread pool: the first look at a directory may wait for the disk. */
  async #open(root: Root, request: ReadRequest): Promise<{ fd: number; isDirect: boolean }> {
    placeOf(request.key)
    if (this.#readsDirect && directFlag !== undefined) {
      try {
        return { fd: await openNow(root, request.key, O_RDONLY | directFlag, pooledCalls), isDirect: true }
      } catch (error) {
        if (!isRefused(error)) throw error
        this.#readsDirect = false
      }
    }
    return { fd: await openNow(root, request.key, O_RDONLY, pooledCalls), isDirect: false }
  }
}

function refuseOther(request: ReadRequest, seal: string): void {
  if (request.seal !== null && request.seal !== seal) throw new WaybillError('TARGET_REPLACED', { seal })
}

async function readEntry(root: Root, request: ReadRequest, consume: Consume): Promise<ReadResult> {
  const { parent, name } = placeOf(request.key)
  const directory = await openDirectoryNow(root, parent)
  try {
    const path = joinPath(directory.path, name)
    const stats = await root.calls.lookAt(path)
    if (kindOf(stats) !== request.kind) throw new WaybillError('TARGET_REPLACED', { kind: kindOf(stats) })
    refuseOther(request, sealOf(stats))
    if (request.kind !== 'symlink') return { bytes: 0, bypassedCache: false, objectBytes: null }
    const text = await root.calls.readLink(path)
    consume(text)
    return { bytes: text.length, bypassedCache: false, objectBytes: null }
  } finally {
    await root.calls.close(directory.fd)
  }
}

function readAt(fd: number, buffer: Buffer, bytes: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, 0, bytes, position, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}

interface Slice {
  readonly buffer: Buffer
  /** Place in the file of the buffer's first byte. */
  readonly position: number
  readonly count: Promise<number>
}

/** One range of one open file, the next slice read while the consumer works on this one. */
class RangeRead {
  readonly #fd: number
  readonly #buffers: AlignedBuffers
  readonly #isDirect: boolean

  constructor(fd: number, buffers: AlignedBuffers, isDirect: boolean) {
    this.#fd = fd
    this.#buffers = buffers
    this.#isDirect = isDirect
  }

  async run(request: ReadRequest, consume: Consume, signal: AbortSignal): Promise<void> {
    const end = request.offset + request.length
    const first = request.offset - (request.offset % alignment)
    const held: Slice[] = [this.#start(await this.#buffers.borrow(), first, end)]
    try {
      for (let slice = held[0]; slice !== undefined; slice = held[0]) {
        const count = await this.#countOf(slice, first)
        throwIfAborted(signal)
        const next = slice.position + count
        const isLast = next >= end
        // A read that stops at no block boundary stopped at the end of the file.
        if (!isLast && (count === 0 || count % alignment !== 0)) throw new WaybillError('TARGET_SHORT_READ')
        const spare = isLast ? null : this.#buffers.borrowIfFree()
        if (spare !== null) held.push(this.#start(spare, next, end))
        const start = Math.max(0, request.offset - slice.position)
        consume(slice.buffer.subarray(start, Math.min(count, end - slice.position)))
        if (!isLast && spare === null) held[0] = this.#start(slice.buffer, next, end)
        else this.#buffers.giveBack((held.shift() ?? slice).buffer)
      }
    } finally {
      for (const slice of held) {
        // The kernel may still write into the buffer: it is lent again only when that read has ended, well or not.
        await Promise.allSettled([slice.count])
        this.#buffers.giveBack(slice.buffer)
      }
    }
  }

  #start(buffer: Buffer, position: number, end: number): Slice {
    const blocks = Math.ceil((end - position) / alignment) * alignment
    return { buffer, position, count: readAt(this.#fd, buffer, Math.min(sliceBytes, blocks), position) }
  }

  async #countOf(slice: Slice, first: number): Promise<number> {
    try {
      return await slice.count
    } catch (error) {
      if (this.#isDirect && slice.position === first && isRefused(error)) throw new DirectRefused()
      throw error
    }
  }
}
