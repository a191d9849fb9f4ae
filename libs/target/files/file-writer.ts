// Writes whole items and parts of uploads (architecture.md "From source to proof").
//
// Durable means: after `settle` for whole items, after `writePart` for parts. A settle of many files is one syncfs (18 ms
// and 2 us of CPU a file for 1,000 x 16 KiB, against 140 ms and 100 us with one fdatasync a file, measured on ext4); of
// few files fdatasync each and fsync of the directories above them. A file may thus stand under its final name before its
// bytes are on the disk: after a loss of power its chunk is moved again, finds it, and reads and compares it.
// When a sync fails, what did not reach the disk is taken away from its final name before the chunk fails.
import { constants } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { WaybillError } from '#libs/domain/errors'
import { syncFileSystem } from '#libs/runtime/native'
import type { Bytes } from '#schemas/avro'
import type { TargetAbilities } from '#schemas/records'
import type {
  Condition,
  CopyPartRequest,
  ObjectState,
  PartRequest,
  PutRequest,
  PutResult,
  TargetWriter,
} from '../target.ts'
import type { AlignedBuffers } from './aligned-buffers.ts'
import { writeBody } from './direct-write.ts'
import { syncBytes } from './file-calls.ts'
import { dressFile, dressLink, firstMode, prepareDirectory, readMark, sealOf, writeMark } from './file-dress.ts'
import { isAbsent, isPresent, throwIfAborted, writeError } from './file-errors.ts'
import { joinPath, placeOf } from './file-keys.ts'
import { type Directory, DirectoryCache, type FileRoot, type Root } from './file-root.ts'
import { findObject } from './lookup.ts'
import { publish } from './publication.ts'
import { renewDress } from './renewal.ts'
import { settleSingly } from './settling.ts'
import { fileName, openJobFolder, removeFile, takeOverFolders } from './temporary-files.ts'
import { copyRange, openUploadFile } from './upload-file.ts'

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
/** Below this many files their own syncs are quicker than one of the whole file system, which may hold others' bytes. */
const singleSyncsMax = 4
/** Whole items are written on the loop; after so many the others get their turn. */
const putsATurn = 16

interface Opened {
  readonly root: Root
  readonly folder: Directory
  readonly directories: DirectoryCache
}

export class FileWriter implements TargetWriter {
  readonly #fileRoot: FileRoot
  readonly #job: string
  readonly #abilities: TargetAbilities
  readonly #buffers: AlignedBuffers | null
  #opened: Promise<Opened> | null = null
  #puts = 0
  #temporaries = 0

  constructor(fileRoot: FileRoot, job: string, abilities: TargetAbilities, buffers: AlignedBuffers) {
    this.#fileRoot = fileRoot
    this.#job = job
    this.#abilities = abilities
    this.#buffers = abilities.bypassesCache ? buffers : null
  }

  /** Called for each claim, and again after `clear`, which removes the job's folder. Puts of other claims may be under way. */
  async takeOver(claim: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    try {
      const opened = await this.#open()
      const isRemoved = (await opened.root.calls.stat(opened.folder.fd)).nlink === 0n
      if (isRemoved) await this.close()
      const { root, folder } = isRemoved ? await this.#open() : opened
      await takeOverFolders(root, folder, claim, signal)
    } catch (error) {
      throw writeError(error)
    }
  }

  async find(key: Bytes, signal: AbortSignal): Promise<ObjectState | null> {
    throwIfAborted(signal)
    return await findObject(this.#fileRoot, key)
  }

  async put(request: PutRequest, signal: AbortSignal): Promise<PutResult> {
    throwIfAborted(signal)
    const { parent, name } = placeOf(request.key)
    this.#puts += 1
    if (this.#puts % putsATurn === 0) await nextTurn()
    try {
      const opened = await this.#open()
      const directory = await opened.directories.acquire(parent)
      try {
        return await this.#putIn(opened, joinPath(directory.path, name), request, signal)
      } finally {
        await opened.directories.release(directory)
      }
    } catch (error) {
      throw writeError(error)
    }
  }

  async settle(keys: readonly Bytes[], signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (keys.length === 0) return
    const { root, folder, directories } = await this.#open()
    await directories.drop()
    if (keys.length > singleSyncsMax && (await syncFileSystem(folder.fd))) return
    await settleSingly(root, this.#job, keys)
  }

  async writePart(request: PartRequest, signal: AbortSignal): Promise<{ tag: string }> {
    throwIfAborted(signal)
    try {
      const { root, fd } = await openUploadFile(this.#fileRoot, this.#job, request.upload)
      try {
        const writing = { root, fd, body: request.body, at: request.offset, buffers: this.#buffers }
        await writeBody(writing, signal)
        await syncBytes(fd)
      } finally {
        await root.calls.close(fd)
      }
    } catch (error) {
      throw writeError(error)
    }
    // A file knows no parts: the tag says which bytes this one was meant to be.
    return { tag: request.digest.toString('hex') }
  }

  async copyPart(request: CopyPartRequest, signal: AbortSignal): Promise<{ tag: string }> {
    throwIfAborted(signal)
    const place = { fileRoot: this.#fileRoot, job: this.#job, buffers: this.#buffers }
    return { tag: await copyRange(place, request, signal) }
  }

  async close(): Promise<void> {
    const opening = this.#opened
    this.#opened = null
    if (opening === null) return
    const { root, folder, directories } = await opening
    await directories.drop()
    await root.calls.close(folder.fd)
  }

  #open(): Promise<Opened> {
    if (this.#opened !== null) return this.#opened
    const opening = this.#openFolder()
    this.#opened = opening
    // A failed opening is tried again by the next call; who awaits it gets the error itself.
    opening.catch(() => {
      this.#opened = null
    })
    return opening
  }

  async #openFolder(): Promise<Opened> {
    const root = await this.#fileRoot.make()
    const folder = await openJobFolder(root, this.#job, true)
    if (folder === null) throw new WaybillError('TARGET_WRITE_ERROR', { reason: 'folder_vanished' })
    const directories = new DirectoryCache(root, (directory, isNew) =>
      prepareDirectory(root.calls, directory, { job: this.#job, isNew }),
    )
    return { root, folder, directories }
  }

  async #putIn(opened: Opened, final: Bytes, request: PutRequest, signal: AbortSignal): Promise<PutResult> {
    const { kind, condition, dress } = request
    if (condition.kind === 'same') {
      const notes = await renewDress(opened.root.calls, final, { kind, seal: condition.seal, dress })
      if (notes !== null) return { seal: condition.seal, notes, isSent: false }
    }
    switch (kind) {
      case 'file':
        return this.#putFile(opened, final, request, signal)
      case 'symlink':
        return this.#putLink(opened, final, request)
      case 'directory':
        return this.#putDirectory(opened.root, final, request)
      case 'special':
        throw new WaybillError('TARGET_REFUSED', { kind })
    }
  }

  #temporary(opened: Opened, claim: string): Bytes {
    const folder = joinPath(opened.folder.path, fileName(claim))
    this.#temporaries += 1
    return joinPath(folder, Buffer.from(`t${this.#temporaries}`))
  }

  async #putFile(opened: Opened, final: Bytes, request: PutRequest, signal: AbortSignal): Promise<PutResult> {
    const { calls } = opened.root
    const temporary = this.#temporary(opened, request.claim)
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
    const fd = await fenced(() => calls.open(temporary, flags, firstMode(request.dress.attributes)))
    try {
      let dressed: PutResult
      try {
        await writeBody({ root: opened.root, fd, body: request.body, at: 0, buffers: this.#buffers }, signal)
        const stats = await calls.stat(fd)
        const notes = await dressFile(calls, { fd, path: temporary, stats }, request.dress)
        dressed = { seal: sealOf(stats), notes, isSent: true }
      } finally {
        // A network file system may tell only here that the bytes did not fit: then nothing was linked yet.
        await calls.close(fd)
      }
      await this.#publish(opened, temporary, final, dressed.seal, request)
      return dressed
    } catch (error) {
      await removeFile(opened.root, temporary)
      throw error
    }
  }

  async #putLink(opened: Opened, final: Bytes, request: PutRequest): Promise<PutResult> {
    const { calls } = opened.root
    const temporary = this.#temporary(opened, request.claim)
    await fenced(() => calls.makeLink(request.body, temporary))
    try {
      const stats = await calls.lookAt(temporary)
      const notes = await dressLink(calls, { path: temporary, stats }, request.dress)
      await this.#publish(opened, temporary, final, sealOf(stats), request)
      return { seal: sealOf(stats), notes, isSent: true }
    } catch (error) {
      await removeFile(opened.root, temporary)
      throw error
    }
  }

  async #publish(opened: Opened, temporary: Bytes, final: Bytes, seal: string, request: PutRequest): Promise<void> {
    const hasHardLinks = this.#abilities.createsOnlyIfAbsent
    const condition = conditionOf(request)
    await publish(opened.root.calls, { temporary, final, seal, condition, hasHardLinks })
  }

  /** A directory that is there is taken as it is, whoever made it: nothing of it is replaced. Its mode comes at the end. */
  async #putDirectory(root: Root, final: Bytes, request: PutRequest): Promise<PutResult> {
    const { calls } = root
    let isNew = await makeDirectory(root, final)
    let stats = await calls.lookAt(final)
    if (!isNew && !stats.isDirectory()) {
      const { condition } = request
      if (condition.kind === 'absent' || condition.seal !== sealOf(stats)) throw new WaybillError('TARGET_EXISTS')
      await calls.unlink(final)
      isNew = await makeDirectory(root, final)
      stats = await calls.lookAt(final)
    }
    const isOurs = isNew || readMark(final)?.job === this.#job
    const isMarked = !isOurs || writeMark(final, request.dress.mark)
    return { seal: sealOf(stats), notes: isMarked ? [] : ['MARK_NOT_KEPT'], isSent: true }
  }
}

/** Where the dress alone could not be renewed, the object is written again over the version that was named. */
function conditionOf({ condition }: PutRequest): Condition {
  return condition.kind === 'same' ? { kind: 'match', seal: condition.seal } : condition
}

async function makeDirectory(root: Root, path: Bytes): Promise<boolean> {
  try {
    await root.calls.makeDirectory(path, 0o700)
    return true
  } catch (error) {
    if (isPresent(error)) return false
    throw error
  }
}

/** The claim's folder is gone: a newer claim moved it away, or nobody took over. This process writes no more. */
async function fenced<T>(create: () => T | Promise<T>): Promise<T> {
  try {
    return await create()
  } catch (error) {
    if (isAbsent(error)) throw new WaybillError('ABORTED', { reason: 'claim_folder_gone' }, { cause: error })
    throw error
  }
}
