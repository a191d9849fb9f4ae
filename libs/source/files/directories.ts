// Open directories, and the way to them. Each is opened by its one name from its parent's descriptor, with O_NOFOLLOW, so a
// link put in the middle of a name while we work leads nowhere, and no path is longer than one segment: 2,000 levels and more
// than PATH_MAX bytes work. On Linux "from the descriptor" is /proc/self/fd/N/NAME; elsewhere (macOS, best effort) it is the
// joined path, so there a swapped link in the middle is followed and PATH_MAX holds.
import type { BigIntStats } from 'node:fs'
import os from 'node:os'
import { type FileCalls, flags } from './calls.ts'

/** Text of names is latin1: one character a byte, so comparing strings compares bytes. */
export interface Directory {
  readonly fd: number
  /** What stands before the name of a child, with `/` at its end. */
  readonly place: string
}

const opensByDescriptor = os.platform() === 'linux'

export function pathOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

export function directoryAt(fd: number, path: string): Directory {
  return { fd, place: opensByDescriptor ? `/proc/self/fd/${fd}/` : path.endsWith('/') ? path : `${path}/` }
}

export async function openChild(
  parent: Directory,
  name: string,
  { how, calls }: { readonly how: 'directory' | 'passage'; readonly calls: FileCalls },
): Promise<Directory> {
  const path = `${parent.place}${name}`
  return directoryAt(await calls.open(pathOf(path), flags[how]), path)
}

/**
 * Goes down from `start` to `prefix` (`a/b/`, or empty) and opens the last directory for reading or for passing through.
 * `start` stays open. Throws what open throws.
 */
export async function descend(
  start: Directory,
  prefix: string,
  options: { readonly last: 'directory' | 'passage'; readonly calls: FileCalls },
): Promise<Directory> {
  const segments = prefix.split('/')
  segments.pop()
  let at = start
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    const parent = at
    try {
      at = await openChild(parent, segment, { how: isLast ? options.last : 'passage', calls: options.calls })
    } finally {
      if (parent !== start) await options.calls.close(parent.fd)
    }
  }
  return at
}

export function inodeText(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`
}

/** Bytes of a prefix; all its levels are open while it is opened through kept parents, so this bounds descriptors. */
const openedThroughParentsMax = 256

interface Kept {
  readonly opened: Promise<Directory>
  /** What `opened` gave, once it did. */
  directory: Directory | null
  users: number
}

/**
 * Directories kept open between the opens of files in them, the least used closed first. A kept one may meanwhile have
 * another name: callers compare the identity of what they find and ask again with `isFresh` before they believe a miss.
 */
export class OpenDirectories {
  readonly #root: Directory
  readonly #calls: FileCalls
  readonly #keptMax: number
  /** In order of use. */
  readonly #kept = new Map<string, Kept>()

  constructor(root: Directory, calls: FileCalls, keptMax: number) {
    this.#root = root
    this.#calls = calls
    this.#keptMax = keptMax
  }

  /** The directory at `prefix` if it is open, for use at once; null: ask `within`. */
  openNow(prefix: string): Directory | null {
    if (prefix === '') return this.#root
    const kept = this.#kept.get(prefix)
    if (kept === undefined || kept.directory === null) return null
    this.#kept.delete(prefix)
    this.#kept.set(prefix, kept)
    return kept.directory
  }

  /** Calls `work` with the directory at `prefix`, which stays open until it has returned. */
  async within<T>(prefix: string, isFresh: boolean, work: (directory: Directory) => Promise<T>): Promise<T> {
    if (prefix === '') return work(this.#root)
    if (isFresh) await this.#forget(prefix)
    const kept = this.#kept.get(prefix) ?? { opened: this.#open(prefix, isFresh), directory: null, users: 0 }
    this.#kept.delete(prefix)
    this.#kept.set(prefix, kept)
    kept.users += 1
    let isOpen = false
    try {
      const directory = await kept.opened
      kept.directory = directory
      isOpen = true
      return await work(directory)
    } finally {
      kept.users -= 1
      // What could not be opened is asked again the next time.
      if (!isOpen && this.#kept.get(prefix) === kept) this.#kept.delete(prefix)
      await this.#trim(prefix, kept)
    }
  }

  /** From its parent, which is kept as well: siblings follow each other, and each then needs one open. */
  #open(prefix: string, isFresh: boolean): Promise<Directory> {
    if (isFresh || prefix.length > openedThroughParentsMax) {
      return descend(this.#root, prefix, { last: 'passage', calls: this.#calls })
    }
    const parent = prefix.slice(0, prefix.lastIndexOf('/', prefix.length - 2) + 1)
    const name = prefix.slice(parent.length, -1)
    return this.within(parent, false, (directory) => openChild(directory, name, { how: 'passage', calls: this.#calls }))
  }

  async #forget(prefix: string): Promise<void> {
    const kept = this.#kept.get(prefix)
    this.#kept.delete(prefix)
    if (kept !== undefined && kept.users === 0) await this.#closeKept(kept)
  }

  async #trim(prefix: string, used: Kept): Promise<void> {
    // Forgotten while it was used: the last user closes it.
    if (this.#kept.get(prefix) !== used && used.users === 0) await this.#closeKept(used)
    for (const [name, kept] of this.#kept) {
      if (this.#kept.size <= this.#keptMax) return
      if (kept.users > 0) continue
      this.#kept.delete(name)
      await this.#closeKept(kept)
    }
  }

  async #closeKept(kept: Kept): Promise<void> {
    const opened = await kept.opened.catch(() => null)
    if (opened !== null) await this.#calls.close(opened.fd)
  }

  async close(): Promise<void> {
    const all = [...this.#kept.values()]
    this.#kept.clear()
    for (const kept of all) if (kept.users === 0) await this.#closeKept(kept)
  }
}
