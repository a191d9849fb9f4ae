// The one temporary file of an item of more than one chunk, while it is open for parts.
//
// It is made in its full size (sparse): a file system that cannot hold such a file says so before any byte is moved, a
// part never changes the size, and a late part can only repeat the same bytes in its own range. What is free is compared
// first; blocks are not reserved, since the copies of one job would then need their space twice while they wait.
// A file knows no parts: whether each one arrived is known from the log, and proven when the object is read back.

import { createHash } from 'node:crypto'
// The one temporary file of an item of more than one chunk, while it is open for parts.
//
// It is made in its full size (sparse): a file system that cannot hold such a file says so before any byte is moved, a
// part never changes the size, and a late part can only repeat the same bytes in its own range. What is free is compared
// first; blocks are not reserved, since the copies of one job would then need their space twice while they wait.
// A file knows no parts: whether each one arrived is known from the log, and proven when the object is read back.
import fs, { constants } from 'node:fs'
import { WaybillError } from '#libs/domain/errors'
import type { CopyPartRequest } from '../target.ts'
import type { AlignedBuffers } from './aligned-buffers.ts'
import { writeBody } from './direct-write.ts'
import { syncBytes, syncFile, truncate } from './file-calls.ts'
import { sealOf } from './file-dress.ts'
import { isAbsent, isPresent, readError, throwIfAborted, writeError } from './file-errors.ts'
import { joinPath } from './file-keys.ts'
import { type FileRoot, openNow, type Root } from './file-root.ts'
import { fileName, openJobFolder, removeFile } from './temporary-files.ts'

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
const copyBytes = 4 * 1024 * 1024
const namesTriedMax = 100

/** Makes the file of an upload, durably. @returns its id. @throws TARGET_FULL, ITEM_TOO_LARGE, TARGET_NOT_WRITABLE. */
export async function makeUploadFile(root: Root, job: string, size: number, nextId: () => string): Promise<string> {
  const folder = await openJobFolder(root, job, true)
  if (folder === null) throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'folder_vanished' })
  try {
    const { bavail, bsize } = await fs.promises.statfs(root.path)
    if (bavail * bsize < size) throw new WaybillError('TARGET_FULL', { bytesFree: bavail * bsize, bytesNeeded: size })
    for (let tries = 0; tries < namesTriedMax; tries += 1) {
      const id = nextId()
      const path = joinPath(folder.path, fileName(id))
      try {
        await makeSized(root, path, size)
      } catch (error) {
        if (isPresent(error)) continue
        await removeFile(root, path)
        throw error
      }
      await syncFile(folder.fd)
      return id
    }
    throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'no_free_upload_name' })
  } finally {
    await root.calls.close(folder.fd)
  }
}

async function makeSized(root: Root, path: Buffer, size: number): Promise<void> {
  const fd = await root.calls.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    await truncate(fd, size)
    await syncFile(fd)
  } finally {
    await root.calls.close(fd)
  }
}

/** Opens the file for a part, by its path and never making one. The caller closes `fd`. @throws UPLOAD_LOST. */
export async function openUploadFile(
  fileRoot: FileRoot,
  job: string,
  upload: string,
): Promise<{ root: Root; fd: number }> {
  const root = await fileRoot.find()
  const folder = root === null ? null : await openJobFolder(root, job, false)
  if (root === null || folder === null) throw new WaybillError('UPLOAD_LOST')
  try {
    return { root, fd: await root.calls.open(joinPath(folder.path, fileName(upload)), O_WRONLY | O_NOFOLLOW, 0) }
  } catch (error) {
    if (isAbsent(error)) throw new WaybillError('UPLOAD_LOST', {}, { cause: error })
    throw error
  } finally {
    await root.calls.close(folder.fd)
  }
}

export interface CopyPlace {
  readonly fileRoot: FileRoot
  readonly job: string
  /** null where the file system has no O_DIRECT. */
  readonly buffers: AlignedBuffers | null
}

/**
 * Copies a range of the object that is there into the upload: through this process, since Node reaches no call that
 * clones ranges. The source is not touched.
 * @returns the SHA-256 of what was copied, in hex. @throws TARGET_REPLACED, TARGET_MISSING, TARGET_SHORT_READ, UPLOAD_LOST.
 */
export async function copyRange(
  { fileRoot, job, buffers }: CopyPlace,
  request: CopyPartRequest,
  signal: AbortSignal,
): Promise<string> {
  const { root, fd } = await openForPart(fileRoot, job, request.upload)
  try {
    const origin = await openOrigin(root, request)
    try {
      const hash = createHash('sha256')
      const buffer = Buffer.allocUnsafe(Math.min(copyBytes, Math.max(request.length, 1)))
      for (let done = 0; done < request.length; ) {
        throwIfAborted(signal)
        const at = request.offset + done
        const bytes = buffer.subarray(0, Math.min(buffer.length, request.length - done))
        await readFully(origin, bytes, at)
        hash.update(bytes)
        await writeBody({ root, fd, body: bytes, at, buffers }, signal)
        done += bytes.length
      }
      await syncBytes(fd)
      return hash.digest('hex')
    } finally {
      await root.calls.close(origin)
    }
  } catch (error) {
    throw writeError(error)
  } finally {
    await root.calls.close(fd)
  }
}

async function openForPart(fileRoot: FileRoot, job: string, upload: string): Promise<{ root: Root; fd: number }> {
  try {
    return await openUploadFile(fileRoot, job, upload)
  } catch (error) {
    throw writeError(error)
  }
}

async function openOrigin(root: Root, request: CopyPartRequest): Promise<number> {
  let fd: number
  try {
    fd = await openNow(root, request.key, O_RDONLY)
  } catch (error) {
    throw readError(error)
  }
  const stats = await root.calls.stat(fd)
  if (stats.isFile() && sealOf(stats) === request.seal) return fd
  await root.calls.close(fd)
  throw new WaybillError('TARGET_REPLACED')
}

async function readFully(fd: number, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const count = await new Promise<number>((resolve, reject) => {
      fs.read(fd, bytes, done, bytes.length - done, at + done, (error, given) => {
        if (error === null) resolve(given)
        else reject(readError(error))
      })
    })
    if (count === 0) throw new WaybillError('TARGET_SHORT_READ')
    done += count
  }
}
