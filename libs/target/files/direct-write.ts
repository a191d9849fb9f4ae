// Writing large bodies past the page cache.
//
// 512 MiB through the page cache with fdatasync cost 0.5 to 1 s of CPU in the kernel, with O_DIRECT 0.04 s (ext4, Linux
// 6.18, measured with dd); a copy into aligned memory is the price, about 0.1 s a GiB. It also leaves the machine's cache
// to those who need it. Whole blocks go this way; the rest of a body, and all of it where O_DIRECT is refused, is written
// through the file's ordinary descriptor. Both are durable after one fdatasync: it belongs to the file.
import { constants } from 'node:fs'
import { type AlignedBuffers, sliceBytes } from './aligned-buffers.ts'
import { pooledCalls, writeSlices } from './file-calls.ts'
import { isRefused, throwIfAborted } from './file-errors.ts'
import type { Root } from './file-root.ts'

const { O_WRONLY } = constants
/** Not on macOS. */
const directFlag: number | undefined = constants.O_DIRECT
const directBytesMin = 1024 * 1024
const inFlightMax = 2
/**
 * What goes past the cache and what goes through it must not share a page, or the kernel may write an old copy of one
 * over the other; pages are 64 KiB at most.
 */
const blockBytes = 64 * 1024

export interface Writing {
  readonly root: Root
  /** Ordinary descriptor of the file, open for writing. */
  readonly fd: number
  readonly body: Buffer
  /** Place of the body's first byte in the file. */
  readonly at: number
  /** null where the file system has no O_DIRECT. */
  readonly buffers: AlignedBuffers | null
}

/** Writes the whole body; not durable yet. @throws ABORTED, or the system's error. */
export async function writeBody({ root, fd, body, at, buffers }: Writing, signal: AbortSignal): Promise<void> {
  const isDirect = buffers !== null && body.length >= directBytesMin && at % blockBytes === 0
  const done = isDirect ? await writeBlocks({ root, fd, body, at, buffers }, signal) : 0
  await writeSlices(root.calls, fd, body.subarray(done), { at: at + done, signal })
}

/** @returns bytes written, 0 when the file system wants none of it. */
async function writeBlocks(
  writing: Writing & { readonly buffers: AlignedBuffers },
  signal: AbortSignal,
): Promise<number> {
  const { root, fd, body, at, buffers } = writing
  if (directFlag === undefined || !root.namesFiles) return 0
  const bytes = body.length - (body.length % blockBytes)
  try {
    // The same file again, not what has its name by now.
    const direct = await root.calls.open(Buffer.from(`/proc/self/fd/${fd}`), O_WRONLY | directFlag, 0)
    try {
      await writeThrough({ fd: direct, body: body.subarray(0, bytes), at, buffers }, signal)
    } finally {
      await root.calls.close(direct)
    }
    return bytes
  } catch (error) {
    if (isRefused(error)) return 0
    throw error
  }
}

interface InFlight {
  readonly buffer: Buffer
  /** The error, when it failed: awaited late, so it must not be a rejection until then. */
  readonly end: Promise<unknown>
}

async function writeThrough(
  {
    fd,
    body,
    at,
    buffers,
  }: { readonly fd: number; readonly body: Buffer; readonly at: number; readonly buffers: AlignedBuffers },
  signal: AbortSignal,
): Promise<void> {
  const inFlight: InFlight[] = []
  /** Ends the oldest write and gives its buffer. */
  const reap = async (): Promise<Buffer | null> => {
    const oldest = inFlight[0]
    if (oldest === undefined) return null
    const error = await oldest.end
    if (error !== null) throw error
    inFlight.shift()
    return oldest.buffer
  }
  try {
    for (let done = 0; done < body.length; done += sliceBytes) {
      throwIfAborted(signal)
      const free = inFlight.length < inFlightMax ? buffers.borrowIfFree() : null
      const buffer = free ?? (await reap()) ?? (await buffers.borrow())
      const count = body.copy(buffer, 0, done, done + sliceBytes)
      const written = Promise.resolve(pooledCalls.write(fd, buffer.subarray(0, count), at + done))
      inFlight.push({ buffer, end: written.then(() => null).catch((error: unknown) => error) })
    }
    for (let buffer = await reap(); buffer !== null; buffer = await reap()) buffers.giveBack(buffer)
  } finally {
    // The kernel may still read from the buffers of writes under way.
    for (const { buffer, end } of inFlight) {
      await end
      buffers.giveBack(buffer)
    }
  }
}
