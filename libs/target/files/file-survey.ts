// Looks at the target as a whole: what its file system can do, and what is in it.
import fs from 'node:fs'
import type { Bytes } from '#schemas/avro'
import type { TargetObject, TargetSurvey } from '../target.ts'
import { isNotEmpty, isPresent, throwIfAborted, writeError } from './file-errors.ts'
import { joinPath, reservedName } from './file-keys.ts'
import { FileListing } from './file-listing.ts'
import { inScratch, type Probed, tryFileSystem } from './file-probe.ts'
import type { FileRoot, Root } from './file-root.ts'
import { clearFolders } from './temporary-files.ts'

export class FileSurvey implements TargetSurvey {
  readonly #fileRoot: FileRoot
  readonly #job: string
  #listing: FileListing | null = null

  constructor(fileRoot: FileRoot, job: string) {
    this.#fileRoot = fileRoot
    this.#job = job
  }

  /** Makes the root for the try and removes it again where it was absent. @throws TARGET_NOT_WRITABLE, TARGET_FULL. */
  async probe(signal: AbortSignal): Promise<Probed> {
    throwIfAborted(signal)
    const made = await this.#fileRoot.makeNoting()
    try {
      return await probeRoot(made.root, signal)
    } catch (error) {
      throw writeError(error)
    } finally {
      await this.#fileRoot.unmake(made)
    }
  }

  async list(
    cursor: Bytes | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ objects: readonly TargetObject[]; cursor: Bytes | null }> {
    throwIfAborted(signal)
    const root = await this.#fileRoot.find()
    if (root === null) return { objects: [], cursor: null }
    this.#listing ??= new FileListing(root)
    return await this.#listing.page(cursor, limit, signal)
  }

  async clear(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    try {
      const root = await this.#fileRoot.find()
      if (root !== null) await clearFolders(root, this.#job, signal)
    } catch (error) {
      throw writeError(error)
    }
  }

  async close(): Promise<void> {
    this.#listing = null
  }
}

async function probeRoot(root: Root, signal: AbortSignal): Promise<Probed> {
  const isEmpty = await holdsNothing(root)
  const folder = joinPath(root.path, reservedName)
  let isNew = true
  try {
    await root.calls.makeDirectory(folder, 0o700)
  } catch (error) {
    if (!isPresent(error)) throw error
    isNew = false
  }
  try {
    return await inScratch(root, folder, (scratch) => tryFileSystem(root, scratch, isEmpty, signal))
  } finally {
    if (isNew) await removeIfEmpty(root, folder)
  }
}

async function removeIfEmpty(root: Root, folder: Bytes): Promise<void> {
  try {
    await root.calls.removeDirectory(folder)
  } catch (error) {
    // Another process began to use it meanwhile.
    if (!isNotEmpty(error)) throw error
  }
}

/** Our own folder apart. Stops at the first name. */
async function holdsNothing(root: Root): Promise<boolean> {
  for await (const entry of await fs.promises.opendir(root.path)) {
    if (entry.name !== reservedName.toString()) return false
  }
  return true
}
