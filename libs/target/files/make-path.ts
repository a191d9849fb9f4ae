// Makes a directory and those above it. Not Node's own recursive mkdir: where a directory is there and refuses to hold
// another with ENOENT (procfs, a directory that was removed while in use), that one tries again for ever.
import fs from 'node:fs'
import { dirname } from 'node:path'
import { isAbsent, isPresent } from './file-errors.ts'

/** Returns the topmost directory that was made, or null when all were there. Throws the system's error. */
export async function makePath(path: string): Promise<string | null> {
  try {
    await fs.promises.mkdir(path)
    return path
  } catch (error) {
    if (isPresent(error) && (await fs.promises.stat(path)).isDirectory()) return null
    if (!isAbsent(error) || dirname(path) === path) throw error
  }
  const firstMade = await makePath(dirname(path))
  try {
    await fs.promises.mkdir(path)
    return firstMade ?? path
  } catch (error) {
    // Another process makes the same one.
    if (isPresent(error)) return firstMade
    throw error
  }
}
