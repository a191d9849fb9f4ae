// What the target holds of ours that is not an object, all under `ROOT/.waybill/<job>/`, mode 0700:
//
// <claim>/         temporary files of whole items. Reached by its path for every file, never through a descriptor: the
//                  next claimant renames it to `<claim>.gone`, and from then on a process that lost its claim can
//                  neither open a file in it nor link one out of it.
// <upload>         a file of more than one chunk, open for parts
// <upload>.<claim> the same while it is sealed: parts find no such file any more, an heir finds it by its prefix
//
// Upload ids hold no dot. Nothing here is an object; `clear` removes it all.
import fs from 'node:fs'
import { WaybillError } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import { isAbsent, isNotEmpty, isPresent, throwIfAborted } from './file-errors.ts'
import { joinPath, reservedName } from './file-keys.ts'
import { type Directory, directoryFlags, type Root } from './file-root.ts'

const goneEnding = '.gone'

/** Job names, claims and upload ids become file names as they are. @throws INTERNAL for what could lead elsewhere. */
export function fileName(text: string): Bytes {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}$/.test(text)) throw new WaybillError('INTERNAL', { unsafeName: text })
  return Buffer.from(text)
}

async function step(root: Root, parent: Bytes, name: Bytes, makes: boolean): Promise<number | null> {
  const path = joinPath(parent, name)
  try {
    if (makes) await root.calls.makeDirectory(path, 0o700)
  } catch (error) {
    if (!isPresent(error)) throw error
  }
  try {
    return await root.calls.open(path, directoryFlags, 0)
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

/**
 * Opens `.waybill/<job>`. The caller closes `fd`.
 * @returns null when it is not there and `makes` is false. @throws the system's error.
 */
export async function openJobFolder(root: Root, job: string, makes: boolean): Promise<Directory | null> {
  const outer = await step(root, root.path, reservedName, makes)
  if (outer === null) return null
  const plain = joinPath(root.path, reservedName)
  const outerPath = root.namesFiles ? Buffer.from(`/proc/self/fd/${outer}`) : plain
  try {
    const name = fileName(job)
    const fd = await step(root, outerPath, name, makes)
    if (fd === null) return null
    const path = root.namesFiles ? Buffer.from(`/proc/self/fd/${fd}`) : joinPath(plain, name)
    return { fd, path, uses: 1, isDropped: false }
  } finally {
    await root.calls.close(outer)
  }
}

async function names(path: Bytes, isWanted: (entry: fs.Dirent) => boolean): Promise<string[]> {
  const entries = await fs.promises.readdir(path, { withFileTypes: true })
  return entries.filter(isWanted).map((entry) => entry.name)
}

/** Removes a folder of plain files; what appears meanwhile, or is gone already, is no error. */
async function removeFolder(root: Root, path: Bytes, signal: AbortSignal): Promise<void> {
  try {
    for await (const entry of await fs.promises.opendir(path)) {
      throwIfAborted(signal)
      await removeFile(root, joinPath(path, Buffer.from(entry.name)))
    }
    await root.calls.removeDirectory(path)
  } catch (error) {
    if (!isAbsent(error) && !isNotEmpty(error)) throw error
  }
}

/** False when there is none. */
export async function removeFile(root: Root, path: Bytes): Promise<boolean> {
  try {
    await root.calls.unlink(path)
    return true
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}

/** What a claim is about: it ends `.TOPIC.PARTITION`, and the heir of a partition has the same ending. */
const heirEnding = (claim: string): string => (claim.includes('.') ? claim.slice(claim.lastIndexOf('.') + 1) : '')

/**
 * Makes the claim's folder; moves those of earlier claims on the same partition away, then removes what was moved, now or
 * before. Other partitions have owners of their own.
 */
export async function takeOverFolders(
  root: Root,
  folder: Directory,
  claim: string,
  signal: AbortSignal,
): Promise<void> {
  const own = fileName(claim)
  await removeGone(root, folder, signal)
  for (const name of await names(folder.path, (entry) => entry.isDirectory())) {
    if (name === claim || name.endsWith(goneEnding) || heirEnding(name) !== heirEnding(claim)) continue
    const path = joinPath(folder.path, Buffer.from(name))
    await root.calls.rename(path, Buffer.concat([path, Buffer.from(goneEnding)]))
  }
  try {
    await root.calls.makeDirectory(joinPath(folder.path, own), 0o700)
  } catch (error) {
    if (!isPresent(error)) throw error
  }
  await removeGone(root, folder, signal)
}

/** Removes folders that were moved away. */
export async function removeGone(root: Root, folder: Directory, signal: AbortSignal): Promise<void> {
  for (const name of await names(folder.path, (entry) => entry.isDirectory() && entry.name.endsWith(goneEnding))) {
    await removeFolder(root, joinPath(folder.path, Buffer.from(name)), signal)
  }
}

/** File names of an upload: itself, or being sealed by this claim or another one. */
export function uploadNames(folder: Directory, upload: string): Promise<string[]> {
  return names(folder.path, ({ name }) => name === upload || name.startsWith(`${upload}.`))
}

/** All uploads by their ids, with their file names. */
export async function allUploads(folder: Directory): Promise<{ readonly upload: string; readonly name: string }[]> {
  const found = await names(folder.path, (entry) => entry.isFile())
  return found.map((name) => ({ upload: name.split('.', 1)[0] ?? name, name }))
}

/** Removes the job's folder with all in it, and `.waybill` itself unless another job uses it. */
export async function clearFolders(root: Root, job: string, signal: AbortSignal): Promise<void> {
  const folder = await openJobFolder(root, job, false)
  if (folder === null) return
  try {
    for (const { name } of await allUploads(folder)) await removeFile(root, joinPath(folder.path, Buffer.from(name)))
    for (const name of await names(folder.path, (entry) => entry.isDirectory())) {
      await removeFolder(root, joinPath(folder.path, Buffer.from(name)), signal)
    }
  } finally {
    await root.calls.close(folder.fd)
  }
  const outer = joinPath(root.path, reservedName)
  for (const path of [joinPath(outer, fileName(job)), outer]) {
    try {
      await root.calls.removeDirectory(path)
    } catch (error) {
      if (!isAbsent(error) && !isNotEmpty(error)) throw error
    }
  }
}
