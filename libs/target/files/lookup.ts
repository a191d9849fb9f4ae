// Looking for an object without reading it.
import type { BigIntStats } from 'node:fs'
import type { Bytes } from '#schemas/avro'
import type { ObjectState } from '../target.ts'
import type { FileCalls } from './file-calls.ts'
import { stateOf } from './file-dress.ts'
import { isAbsent, isUnreachable, readError } from './file-errors.ts'
import { joinPath, placeOf } from './file-keys.ts'
import { type FileRoot, openDirectoryNow } from './file-root.ts'

/** lstat; null when nothing has the name. @throws the system's error otherwise. */
export async function lookAt(calls: FileCalls, path: Bytes): Promise<BigIntStats | null> {
  try {
    return await calls.lookAt(path)
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

/** What is under the key now; null where nothing can be. */
export async function findObject(fileRoot: FileRoot, key: Bytes): Promise<ObjectState | null> {
  const { parent, name } = placeOf(key)
  const root = await fileRoot.find()
  if (root === null) return null
  try {
    const directory = await openDirectoryNow(root, parent)
    try {
      const path = joinPath(directory.path, name)
      const stats = await lookAt(root.calls, path)
      return stats === null ? null : stateOf(path, stats)
    } finally {
      await root.calls.close(directory.fd)
    }
  } catch (error) {
    if (isUnreachable(error)) return null
    throw readError(error)
  }
}
