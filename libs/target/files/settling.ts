// Durability of a few files, one by one; of many it is one call for the file system (file-writer.ts).
import { constants } from 'node:fs'
import { syncFileSystem } from '#libs/runtime/native'
import type { Bytes } from '#schemas/avro'
import { syncBytes, syncFile } from './file-calls.ts'
import { readMark } from './file-dress.ts'
import { isDenied, writeError } from './file-errors.ts'
import { joinPath, placeOf, slash } from './file-keys.ts'
import { directoryFlags, openDirectoryNow, openNow, type Root } from './file-root.ts'
import { lookAt } from './lookup.ts'
import { removeFile } from './temporary-files.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants

/** fsync of the directories above the keys, up to the root: each may have been made on demand. */
export async function syncAbove(root: Root, keys: readonly Bytes[]): Promise<void> {
  const above = new Set<string>([''])
  for (const key of keys) {
    for (let cut = key.lastIndexOf(slash); cut > 0; cut = key.lastIndexOf(slash, cut - 1)) {
      above.add(key.toString('latin1', 0, cut))
    }
  }
  for (const key of above) {
    const fd = await openNow(root, Buffer.from(key, 'latin1'), directoryFlags)
    try {
      await syncFile(fd)
    } finally {
      await root.calls.close(fd)
    }
  }
}

/**
 * fdatasync of each file and fsync of what is above. The file that fails loses its final name if it is ours.
 * @throws TARGET_FULL, TARGET_WRITE_ERROR, ... of the first that failed.
 */
export async function settleSingly(root: Root, job: string, keys: readonly Bytes[]): Promise<void> {
  try {
    for (const key of keys) await settleOne(root, job, key)
    await syncAbove(root, keys)
  } catch (error) {
    throw writeError(error)
  }
}

async function settleOne(root: Root, job: string, key: Bytes): Promise<void> {
  const { parent, name } = placeOf(key)
  const directory = await openDirectoryNow(root, parent)
  try {
    const path = joinPath(directory.path, name)
    const stats = await lookAt(root.calls, path)
    if (stats?.isFile() !== true) return
    const fd = await openToSync(root, path)
    if (fd === null) {
      await syncFileSystem(directory.fd)
      return
    }
    try {
      await syncBytes(fd)
    } catch (error) {
      if (readMark(path)?.job === job) await removeFile(root, path)
      throw error
    } finally {
      await root.calls.close(fd)
    }
  } finally {
    await root.calls.close(directory.fd)
  }
}

/** null for a file whose mode does not let its own owner open it. */
async function openToSync(root: Root, path: Bytes): Promise<number | null> {
  try {
    return await root.calls.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)
  } catch (error) {
    if (isDenied(error)) return null
    throw error
  }
}
