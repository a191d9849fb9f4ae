// Where reports are written to. A file appears under its name only when it is whole: it is written beside it, made
// durable, then renamed.
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { makeFolder } from '#libs/runtime/folders'

export interface Sink {
  /** Takes the bytes; a promise that must be awaited before the next call when the buffer was full, else null. */
  write(bytes: Buffer | string): Promise<void> | null
}

const bufferBytes = 256 * 1024

/** Gathers small writes into `flush` calls of about 256 KiB; call `end` after the last one. */
export function createBufferedSink(flush: (bytes: Buffer) => Promise<void>): Sink & { end(): Promise<void> } {
  const buffer = Buffer.allocUnsafe(bufferBytes)
  let length = 0

  async function drain(): Promise<void> {
    const filled = length
    length = 0
    if (filled > 0) await flush(buffer.subarray(0, filled))
  }

  async function drainBefore(bytes: Buffer): Promise<void> {
    await drain()
    if (bytes.length > bufferBytes) await flush(bytes)
    else length = bytes.copy(buffer)
  }

  return {
    write(text) {
      const bytes = typeof text === 'string' ? Buffer.from(text) : text
      if (length + bytes.length > bufferBytes) return drainBefore(bytes)
      length += bytes.copy(buffer, length)
      return null
    },
    end: drain,
  }
}

/**
 * Lets `produce` write a file and gives it its name when all is on the disk; returns what `produce` returned. Throws
 * REPORT_NOT_WRITTEN; what `produce` throws is passed on. Nothing half-written stays under `path`.
 */
export async function writeWholeFile<T>(path: string, produce: (sink: Sink) => Promise<T>): Promise<T> {
  const partial = `${path}.partial`
  const file = await told(path, open(partial, 'w'))
  try {
    const sink = createBufferedSink((bytes) => told(path, writeAll(file, bytes)))
    const produced = await produce(sink)
    await sink.end()
    await told(path, file.sync())
    await told(path, rename(partial, path))
    await syncDirectory(path)
    return produced
  } catch (error) {
    await removeLeftover(partial)
    throw error
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, offset)
    offset += bytesWritten
  }
}

/** The name is durable only once its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await told(path, open(dirname(path), 'r'))
  try {
    await told(path, directory.sync())
  } finally {
    await directory.close()
  }
}

/** Makes a folder for reports unless it is there. Throws REPORT_NOT_WRITTEN. */
export async function makeReportFolder(path: string, mode: number): Promise<void> {
  await told(path, makeFolder(path, mode))
}

async function removeLeftover(partial: string): Promise<void> {
  try {
    await unlink(partial)
  } catch (error) {
    // Renamed already, or the directory went away: there is nothing left to remove, and the first error is the one to tell.
    if (error instanceof Error && 'code' in error) return
    throw error
  }
}

async function told<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    throw new WaybillError('REPORT_NOT_WRITTEN', { path, reason }, { cause })
  }
}
