// Makes a directory and those above it, and asks whether something is there. Not Node's own recursive mkdir: where a directory is there and refuses to hold
// another with ENOENT (procfs, a directory that was removed while in use), that one tries again for ever, at full load.
import fs from 'node:fs'
import { dirname } from 'node:path'

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

/**
 * Returns the topmost directory that was made, or null when all were there. Throws the system's error. Takes one step for
 * each directory of the path.
 * @param mode of every directory that is made, less the process's mask.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<string | null> {
  try {
    await fs.promises.mkdir(path, { mode })
    return path
  } catch (error) {
    if (isCode(error, 'EEXIST') && (await fs.promises.stat(path)).isDirectory()) return null
    if (!isCode(error, 'ENOENT') || dirname(path) === path) throw error
  }
  const firstMade = await makeFolder(dirname(path), mode)
  try {
    await fs.promises.mkdir(path, { mode })
    return firstMade ?? path
  } catch (error) {
    // Another process makes the same one.
    if (isCode(error, 'EEXIST')) return firstMade
    throw error
  }
}

/** False only where nothing is there: what cannot be looked at is no absence. Throws the system's error. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await fs.promises.stat(path)
    return true
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
}
