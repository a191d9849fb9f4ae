// Opens, seals, aborts and sweeps uploads, and finishes directories: the coordinator's side of a file target.
//
// The seal is built so that a crash between any two steps leaves either the upload or the object, whole:
//   rename to `<upload>.<claim>`   parts find nothing any more; an heir finds the file by its prefix
//   mark, owner, mode, time, fsync
//   link to the final name         fails when anything is there; the same file means that a predecessor came this far
//   unlink, fsync of the directories
// After that nothing of the upload is left, and the mark on the object tells an heir that this very generation is there.
import fs, { constants } from 'node:fs'
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { TargetAbilities } from '#schemas/records'
import { isSameMark } from '../mark.ts'
import type { MayAbort, ObjectState, OpenUploadRequest, SealRequest, TargetUploads } from '../target.ts'
import { syncFile } from './file-calls.ts'
import { dressAttributes, dressFile, prepareDirectory, readMark, sealOf } from './file-dress.ts'
import { isDenied, isUnreachable, throwIfAborted, writeError } from './file-errors.ts'
import { joinPath, placeOf } from './file-keys.ts'
import { type Directory, DirectoryCache, type FileRoot, itself, openDirectoryNow, type Root } from './file-root.ts'
import { findObject } from './lookup.ts'
import { publish } from './publication.ts'
import { syncAbove } from './settling.ts'
import { allUploads, fileName, openJobFolder, removeFile, removeGone, uploadNames } from './temporary-files.ts'
import { makeUploadFile } from './upload-file.ts'

const { O_RDWR, O_NOFOLLOW } = constants

type DirectoryEntry = Parameters<TargetUploads['finishDirectories']>[0][number]
type FailedDirectory = { readonly key: Bytes; readonly code: ErrorCode }

export class FileUploads implements TargetUploads {
  readonly #fileRoot: FileRoot
  readonly #job: string
  readonly #abilities: TargetAbilities
  readonly #nextId: () => string

  constructor(fileRoot: FileRoot, job: string, abilities: TargetAbilities, nextId: () => string) {
    this.#fileRoot = fileRoot
    this.#job = job
    this.#abilities = abilities
    this.#nextId = nextId
  }

  async find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
    throwIfAborted(signal)
    return await findObject(this.#fileRoot, key)
  }

  async open(request: OpenUploadRequest, signal: AbortSignal): Promise<string> {
    throwIfAborted(signal)
    placeOf(request.key)
    try {
      return await makeUploadFile(await this.#fileRoot.make(), this.#job, request.size, this.#nextId)
    } catch (error) {
      throw writeError(error)
    }
  }

  async seal(request: SealRequest, signal: AbortSignal): Promise<{ seal: string; isAdopted: boolean }> {
    throwIfAborted(signal)
    refuseIncomplete(request)
    try {
      const root = await this.#fileRoot.make()
      const folder = await openJobFolder(root, this.#job, false)
      if (folder === null) return await this.#adopt(request)
      try {
        const sealing = await moveToSeal(root, folder, request)
        return sealing === null ? await this.#adopt(request) : await this.#sealFile(root, sealing, request)
      } finally {
        await root.calls.close(folder.fd)
      }
    } catch (error) {
      throw writeError(error)
    }
  }

  async abort(_key: Bytes, upload: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await this.#inFolder(async (root, folder) => {
      for (const name of await uploadNames(folder, upload))
        await removeFile(root, joinPath(folder.path, Buffer.from(name)))
    })
  }

  async sweep(mayAbort: MayAbort, signal: AbortSignal): Promise<number> {
    throwIfAborted(signal)
    let count = 0
    await this.#inFolder(async (root, folder) => {
      for (const { upload, name } of await allUploads(folder)) {
        throwIfAborted(signal)
        if (!(await mayAbort(null, upload))) continue
        if (await removeFile(root, joinPath(folder.path, Buffer.from(name)))) count += 1
      }
      await removeGone(root, folder, signal)
    })
    return count
  }

  async finishDirectories(
    entries: readonly DirectoryEntry[],
    signal: AbortSignal,
  ): Promise<readonly FailedDirectory[]> {
    const failed: FailedDirectory[] = []
    const root = await this.#fileRoot.find()
    for (const entry of entries) {
      throwIfAborted(signal)
      const code = root === null ? 'TARGET_MISSING' : await this.#finishDirectory(root, entry)
      if (code !== null) failed.push({ key: entry.key, code })
    }
    return failed
  }

  async close(): Promise<void> {
    // Nothing is held between calls: uploads are few, and each call looks anew.
  }

  async #inFolder(work: (root: Root, folder: Directory) => Promise<void>): Promise<void> {
    try {
      const root = await this.#fileRoot.find()
      const folder = root === null ? null : await openJobFolder(root, this.#job, false)
      if (root === null || folder === null) return
      try {
        await work(root, folder)
      } finally {
        await root.calls.close(folder.fd)
      }
    } catch (error) {
      throw writeError(error)
    }
  }

  /** The upload is gone: sealed before (our mark of this generation is on the object), or lost. */
  async #adopt(request: SealRequest): Promise<{ seal: string; isAdopted: boolean }> {
    const found = await findObject(this.#fileRoot, request.key)
    if (found === null || found.size !== request.size || !isSameMark(found.mark, request.dress.mark)) {
      throw new WaybillError('UPLOAD_LOST')
    }
    const root = await this.#fileRoot.make()
    await syncAbove(root, [request.key])
    return { seal: found.seal, isAdopted: true }
  }

  async #sealFile(root: Root, temporary: Bytes, request: SealRequest): Promise<{ seal: string; isAdopted: boolean }> {
    const seal = await dressUpload(root, temporary, request)
    const { parent, name } = placeOf(request.key)
    const directories = new DirectoryCache(root, (directory, isNew) =>
      prepareDirectory(root.calls, directory, { job: this.#job, isNew }),
    )
    const directory = await directories.acquire(parent)
    try {
      const hasHardLinks = this.#abilities.createsOnlyIfAbsent
      const final = joinPath(directory.path, name)
      const result = await publish(root.calls, { temporary, final, seal, condition: request.condition, hasHardLinks })
      await syncAbove(root, [request.key])
      return { seal, isAdopted: result === 'adopted' }
    } finally {
      await directories.release(directory)
      await directories.drop()
    }
  }

  /**
   * Mode, owner and time of one directory; null when all was set. A directory of somebody else that the tree was moved
   * into keeps its own (TARGET_EXISTS unless they are equal); where no marks are kept, all count as ours. The root is ours
   * only when we made it, and keeps its own otherwise without a word: most targets are there before.
   */
  async #finishDirectory(root: Root, entry: DirectoryEntry): Promise<ErrorCode | null> {
    try {
      const isRoot = entry.key.length === 0
      if (!isRoot) placeOf(entry.key)
      const directory = await openDirectoryNow(root, entry.key)
      try {
        const stats = await root.calls.stat(directory.fd)
        const path = itself(directory)
        if (isRoot && readMark(path)?.job !== this.#job) return null
        if (isRoot) this.#fileRoot.finished()
        if (this.#abilities.keepsMarks && readMark(path)?.job !== this.#job) {
          const { mode, uid, gid } = entry.attributes
          const isEqual = Number(stats.uid) === uid && Number(stats.gid) === gid
          return isEqual && (Number(stats.mode) & 0o7777) === (mode & 0o7777) ? null : 'TARGET_EXISTS'
        }
        const notes = await dressAttributes(root.calls, { fd: directory.fd, path, stats }, entry)
        return notes[0] ?? null
      } finally {
        await root.calls.close(directory.fd)
      }
    } catch (error) {
      if (isUnreachable(error)) return 'TARGET_MISSING'
      const classified = writeError(error)
      if (classified instanceof WaybillError) return classified.code
      throw error
    }
  }
}

/** The parts named must cover the object without a gap. @throws PART_REFUSED with the numbers that are not there. */
function refuseIncomplete(request: SealRequest): void {
  const named = new Set(request.parts.map(({ part }) => part))
  const last = Math.max(0, ...named)
  const missing = Array.from({ length: last }, (_, index) => index + 1).filter((part) => !named.has(part))
  const length = request.parts.reduce((sum, part) => sum + part.length, 0)
  if (missing.length > 0) throw new WaybillError('PART_REFUSED', { parts: missing })
  if (length !== request.size) throw new WaybillError('PART_REFUSED', { parts: [last + 1] })
}

/**
 * Renames the upload's file to the claim's name.
 * @returns its path, or null when there is none. @throws PART_REFUSED, nothing renamed, when somebody cut it short.
 */
async function moveToSeal(root: Root, folder: Directory, request: SealRequest): Promise<Bytes | null> {
  const sealing = fileName(`${request.upload}.${request.claim}`)
  const [name] = await uploadNames(folder, request.upload)
  if (name === undefined) return null
  const found = joinPath(folder.path, Buffer.from(name))
  if (Number((await root.calls.lookAt(found)).size) !== request.size) {
    throw new WaybillError('PART_REFUSED', { parts: request.parts.map(({ part }) => part) })
  }
  const path = joinPath(folder.path, sealing)
  if (!found.equals(path)) await root.calls.rename(found, path)
  return path
}

/** Metadata on the temporary file, and all of it durable. @returns the seal. */
async function dressUpload(root: Root, temporary: Bytes, request: SealRequest): Promise<string> {
  const fd = await openToDress(root, temporary)
  try {
    const stats = await root.calls.stat(fd)
    await dressFile(root.calls, { fd, path: temporary, stats }, request.dress)
    await syncFile(fd)
    return sealOf(stats)
  } finally {
    await root.calls.close(fd)
  }
}

async function openToDress(root: Root, temporary: Bytes): Promise<number> {
  try {
    return await root.calls.open(temporary, O_RDWR | O_NOFOLLOW, 0)
  } catch (error) {
    if (!isDenied(error)) throw error
    // An earlier try set a mode that lets its own owner not write; without write permission no mark can be set.
    await fs.promises.chmod(temporary, 0o600)
    return await root.calls.open(temporary, O_RDWR | O_NOFOLLOW, 0)
  }
}
