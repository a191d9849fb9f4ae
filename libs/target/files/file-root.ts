// The root of a file target, and the only ways into it.
//
// I6: a key never leads out of the root. A link in the middle of a path is followed by the kernel without a word
// (O_NOFOLLOW guards the last segment only), so no path of several segments is used unchecked:
// * a directory is opened from its parent's descriptor, segment by segment, with O_NOFOLLOW, and names in it are reached
//   as `/proc/self/fd/N/name`. That also has no limit of 4,096 bytes (PATH_MAX), and a directory that is swapped for a
//   link later changes nothing;
// * readers open the whole path at once and then ask the kernel what they got (`/proc/self/fd/N`): only the very path
//   that was asked for is accepted. One question instead of one open a segment, and always the tree as it is now.
// Where there is no /proc (macOS, best effort) each level is opened with O_NOFOLLOW by its path; a swap between that and
// the use is not seen there.
import fs, { constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { makeFolder } from '#libs/runtime/folders'
import type { Bytes } from '#schemas/avro'
import { type FileCalls, fileSystemKind, pooledCalls } from './file-calls.ts'
import { isAbsent, isBelowFile, isNotEmpty, isPresent, isUnreachable, linkOnTheWay, writeError } from './file-errors.ts'
import { joinPath, slash } from './file-keys.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
/** Longest path that is opened in one call and asked back: the kernel's answer must fit a page too. */
const pathBytesMax = 3072
const handlesMax = 128

export const directoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW

/** An open directory of the target. */
export interface Directory {
  readonly fd: number
  /** What names in it are appended to. */
  readonly path: Bytes
  uses: number
  isDropped: boolean
}

export interface Root {
  /** Real path: no links in it. */
  readonly path: Bytes
  readonly calls: FileCalls
  readonly kindName: string
  /** The kernel names open files, and names the root as we do. */
  readonly namesFiles: boolean
}

/** Path of an open directory itself: the dot makes calls that follow no links act on the directory. */
export function itself(directory: { readonly path: Bytes }): Bytes {
  return joinPath(directory.path, Buffer.from('.'))
}

/**
 * Called before anything is written below the root. `isNew`: it was made just now.
 * @returns the mode that the root had, when it had to be opened for writing; else null.
 */
export type PrepareRoot = (root: Root, isNew: boolean) => Promise<number | null>

export interface MadeRoot {
  readonly root: Root
  /** The topmost directory that was not there. */
  readonly firstMade: string | null
  /** Mode of a root that could not be written. */
  readonly shutMode: number | null
}

export class FileRoot {
  readonly #given: string
  readonly #prepare: PrepareRoot
  #root: Promise<Root> | null = null
  #isPrepared = false

  constructor(path: string, prepare: PrepareRoot = () => Promise.resolve(null)) {
    this.#given = path
    this.#prepare = prepare
  }

  /** null while there is no such directory. @throws TARGET_NOT_WRITABLE when something else is there. */
  async find(): Promise<Root | null> {
    try {
      return await this.#established()
    } catch (error) {
      if (isAbsent(error)) return null
      if (isBelowFile(error)) throw this.#notADirectory(error)
      throw writeError(error, { root: this.#given })
    }
  }

  /** Makes the directory, and those above it, where needed. @throws TARGET_NOT_WRITABLE, TARGET_FULL. */
  async make(): Promise<Root> {
    // The usual case of a call for every write: it is there, and was looked at.
    if (this.#root !== null && this.#isPrepared) return this.#root
    return (await this.makeNoting()).root
  }

  /** Like make, telling what it did. */
  async makeNoting(): Promise<MadeRoot> {
    try {
      const firstMade = await makeFolder(resolve(this.#given))
      const root = await this.#established()
      const shutMode = await this.#prepare(root, firstMade !== null)
      this.#isPrepared = true
      return { root, firstMade, shutMode }
    } catch (error) {
      if (isPresent(error) || isBelowFile(error)) throw this.#notADirectory(error)
      // What is there takes no directory, as /proc does.
      if (isAbsent(error)) throw new WaybillError('TARGET_NOT_WRITABLE', { root: this.#given }, { cause: error })
      throw writeError(error, { root: this.#given })
    }
  }

  /** The root got its final mode: it is prepared again before the next write. */
  finished(): void {
    this.#isPrepared = false
  }

  /** Takes back what makeNoting did: removes what it made, as far as it is empty, from the root upwards. */
  async unmake({ root, firstMade, shutMode }: MadeRoot): Promise<void> {
    this.#isPrepared = false
    if (shutMode !== null) await fs.promises.chmod(root.path, shutMode)
    if (firstMade === null) return
    this.#root = null
    const last = dirname(resolve(firstMade))
    for (let path = resolve(this.#given); path !== last && path.length > last.length; path = dirname(path)) {
      try {
        await fs.promises.rmdir(path)
      } catch (error) {
        if (isNotEmpty(error)) return
        throw writeError(error, { root: this.#given })
      }
    }
  }

  #established(): Promise<Root> {
    if (this.#root !== null) return this.#root
    const root = this.#establish()
    this.#root = root
    // A root that is not there yet is looked for again the next time; who awaits `root` gets the error itself.
    root.catch(() => {
      this.#root = null
    })
    return root
  }

  #notADirectory(cause: unknown): WaybillError {
    return new WaybillError('TARGET_NOT_WRITABLE', { root: this.#given, reason: 'not_a_directory' }, { cause })
  }

  async #establish(): Promise<Root> {
    const path = await fs.promises.realpath(this.#given, { encoding: 'buffer' })
    const stats = await fs.promises.stat(path)
    if (!stats.isDirectory()) throw this.#notADirectory(null)
    const { name, calls } = fileSystemKind((await fs.promises.statfs(path)).type)
    const handle = await fs.promises.open(path, directoryFlags)
    try {
      const seen = await fs.promises.readlink(`/proc/self/fd/${handle.fd}`, { encoding: 'buffer' })
      return { path, calls, kindName: name, namesFiles: seen.equals(path) }
    } catch (error) {
      if (isUnreachable(error)) return { path, calls: pooledCalls, kindName: name, namesFiles: false }
      throw error
    } finally {
      await handle.close()
    }
  }
}

/** Opens one directory from its parent, without following a link; throws the system's error. */
async function openDirectory(root: Root, parentPath: Bytes, name: Bytes): Promise<Directory> {
  const path = joinPath(parentPath, name)
  const fd = await root.calls.open(path, directoryFlags, 0)
  return { fd, path: root.namesFiles ? Buffer.from(`/proc/self/fd/${fd}`) : path, uses: 1, isDropped: false }
}

async function openRoot(root: Root): Promise<Directory> {
  const fd = await root.calls.open(root.path, directoryFlags, 0)
  const path = root.namesFiles ? Buffer.from(`/proc/self/fd/${fd}`) : root.path
  return { fd, path, uses: 1, isDropped: false }
}

function segmentEnds(key: Bytes): number[] {
  const ends: number[] = []
  for (let at = key.indexOf(slash); at >= 0; at = key.indexOf(slash, at + 1)) ends.push(at)
  if (key.length > 0) ends.push(key.length)
  return ends
}

async function openBySteps(root: Root, key: Bytes): Promise<Directory> {
  let directory = await openRoot(root)
  let start = 0
  for (const end of segmentEnds(key)) {
    const parent = directory
    try {
      directory = await openDirectory(root, parent.path, key.subarray(start, end))
    } finally {
      await root.calls.close(parent.fd)
    }
    start = end + 1
  }
  return directory
}

/**
 * Opens what is under the key now, through no link and from no cache. The caller closes the descriptor.
 * @param key of the root when empty. @throws the system's error, ELOOP for a link on the way.
 */
export async function openNow(root: Root, key: Bytes, flags: number, calls: FileCalls = root.calls): Promise<number> {
  const path = key.length === 0 ? root.path : joinPath(root.path, key)
  if (!root.namesFiles || path.length > pathBytesMax) {
    const cut = key.lastIndexOf(slash)
    const parent = await openBySteps(root, cut < 0 ? Buffer.alloc(0) : key.subarray(0, cut))
    try {
      const name = key.length === 0 ? Buffer.from('.') : key.subarray(cut + 1)
      return await calls.open(joinPath(parent.path, name), flags | O_NOFOLLOW | O_NONBLOCK, 0)
    } finally {
      await root.calls.close(parent.fd)
    }
  }
  const fd = await calls.open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0)
  try {
    const seen = await root.calls.readLink(Buffer.from(`/proc/self/fd/${fd}`))
    if (seen.equals(path)) return fd
  } catch (error) {
    await root.calls.close(fd)
    throw error
  }
  await root.calls.close(fd)
  throw linkOnTheWay()
}

/** Like openNow for a directory, as a place to reach names in. The caller closes `fd`. */
export async function openDirectoryNow(root: Root, key: Bytes): Promise<Directory> {
  const fd = await openNow(root, key, directoryFlags)
  const plain = key.length === 0 ? root.path : joinPath(root.path, key)
  return { fd, path: root.namesFiles ? Buffer.from(`/proc/self/fd/${fd}`) : plain, uses: 1, isDropped: false }
}

/**
 * Directories kept open by a writer, so that the next file in the same one costs no walk. Bounded; one that is in use is
 * closed when its last user lets go, since a closed number might name another file a moment later.
 */
export class DirectoryCache {
  readonly #root: Root
  readonly #prepare: (directory: Directory, isNew: boolean) => Promise<void>
  readonly #open = new Map<string, Directory>()

  /** @param prepare called for each directory that was opened for writing, `isNew` when it was made on demand. */
  constructor(root: Root, prepare: (directory: Directory, isNew: boolean) => Promise<void>) {
    this.#root = root
    this.#prepare = prepare
  }

  /** Makes what is missing, mode 0700. @throws the system's error: ENOTDIR or ELOOP where a file or link is in the way. */
  async acquire(key: Bytes): Promise<Directory> {
    // Without descriptors as paths a kept directory would be a kept path: walked anew, so that a swap is seen.
    if (!this.#root.namesFiles) await this.drop()
    const ends = segmentEnds(key)
    let depth = ends.length
    let held = this.#held(key, ends, depth)
    while (held === null && depth > 0) {
      depth -= 1
      held = this.#held(key, ends, depth)
    }
    let directory = held ?? (await this.#keep('', () => openRoot(this.#root)))
    for (; depth < ends.length; depth += 1) {
      const parent = directory
      const end = ends[depth] ?? 0
      const start = depth === 0 ? 0 : (ends[depth - 1] ?? 0) + 1
      try {
        const place = key.toString('latin1', 0, end)
        directory = await this.#keep(place, () => this.#step(parent, key.subarray(start, end)))
      } finally {
        await this.release(parent)
      }
    }
    return directory
  }

  async release(directory: Directory): Promise<void> {
    directory.uses -= 1
    if (directory.uses === 0 && directory.isDropped) await this.#root.calls.close(directory.fd)
  }

  /** Forgets all: the next use walks from the root again and sees what was moved or replaced meanwhile. */
  async drop(): Promise<void> {
    for (const place of [...this.#open.keys()]) await this.#dropOne(place)
  }

  #held(key: Bytes, ends: readonly number[], depth: number): Directory | null {
    const place = depth === 0 ? '' : key.toString('latin1', 0, ends[depth - 1])
    const directory = this.#open.get(place)
    if (directory === undefined) return null
    this.#open.delete(place)
    this.#open.set(place, directory)
    directory.uses += 1
    return directory
  }

  async #keep(place: string, open: () => Promise<Directory>): Promise<Directory> {
    const directory = await open()
    const raced = this.#open.get(place)
    if (raced !== undefined) {
      await this.#root.calls.close(directory.fd)
      raced.uses += 1
      return raced
    }
    this.#open.set(place, directory)
    for (const oldest of [...this.#open.keys()].slice(0, Math.max(0, this.#open.size - handlesMax))) {
      await this.#dropOne(oldest)
    }
    return directory
  }

  async #dropOne(place: string): Promise<void> {
    const directory = this.#open.get(place)
    if (directory === undefined) return
    this.#open.delete(place)
    directory.isDropped = true
    if (directory.uses === 0) await this.#root.calls.close(directory.fd)
  }

  async #step(parent: Directory, name: Bytes): Promise<Directory> {
    let isNew = false
    let directory: Directory
    try {
      directory = await openDirectory(this.#root, parent.path, name)
    } catch (error) {
      if (!isAbsent(error)) throw error
      isNew = await this.#make(joinPath(parent.path, name))
      directory = await openDirectory(this.#root, parent.path, name)
    }
    try {
      await this.#prepare(directory, isNew)
    } catch (error) {
      await this.#root.calls.close(directory.fd)
      throw error
    }
    return directory
  }

  /** False when another writer was quicker. */
  async #make(path: Bytes): Promise<boolean> {
    try {
      await this.#root.calls.makeDirectory(path, 0o700)
      return true
    } catch (error) {
      if (isPresent(error)) return false
      throw error
    }
  }
}
