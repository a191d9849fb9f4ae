// The walk: one directory's names at a time per level, in the port's order, from any cursor.
//
// The order needs to know which names are directories (`a.txt` stands before `a/`), and the names come without types. But only
// names that begin with a directory's name can stand between: so a directory found at its name waits on a small stack until
// the next name is greater than its name with the slash.
//
// A cursor is the last listed name; with a slash behind a directory that was entered, with two behind one that was not.
import type { BigIntStats } from 'node:fs'
import { WaybillError } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { SourceEntry } from '../source.ts'
import { errnoOf, type FileCalls, failureOf } from './calls.ts'
import { type Directory, descend, inodeText, openChild, pathOf } from './directories.ts'
import { type Bounds, entryOf, type Found, findEntry } from './entry.ts'
import { type Names, readNames } from './names.ts'

export interface Tree {
  readonly root: Directory
  readonly calls: FileCalls
  readonly bounds: Bounds
  /** Names of one directory held at once when it looks huge. */
  readonly namesMax: number
  /** Size that lstat gives for a directory from which on it looks huge. */
  readonly hugeDirectoryBytes: number
  /** False for directories that are listed and not entered: the selection wants nothing below them. */
  readonly enters: (name: Bytes) => boolean
}

/** Descriptors of the walk: the nearest levels keep theirs, those above are opened again when the walk comes back. */
const openLevelsMax = 16
const lookAheadMax = 64
const openAttemptsMax = 2

interface Level {
  /** Full name with `/` at its end; empty for the root. */
  readonly prefix: string
  inode: string
  directory: Directory | null
  isHuge: boolean
  /** Keys up to this one, relative to the level, were listed before. */
  floor: string
  names: Names | null
  next: number
  /** Answers for the names from `next` on, the next one last. */
  ahead: (Found | null)[]
  /** Directories that wait for names between `a` and `a/`; the smallest key last. */
  readonly waiting: { readonly key: string; readonly found: Found }[]
}

interface OpenedPlace {
  readonly prefix: string
  readonly directory: Directory
  readonly stats: BigIntStats
}

/** Names of a remote directory come without types, which streaming them needs; there they are read whole. */
function levelOf({ prefix, directory, stats }: OpenedPlace, tree: Tree): Level {
  const isHuge = tree.calls.isLocal && stats.size >= BigInt(tree.hugeDirectoryBytes)
  const inode = inodeText(stats)
  return { prefix, inode, directory, isHuge, floor: '', names: null, next: 0, ahead: [], waiting: [] }
}

function isDirectory(found: Found): boolean {
  return found.stats?.isDirectory() ?? false
}

/** A listing that cannot go on: what could not be read has been listed as readable before. */
function listingError(error: unknown): WaybillError {
  const code = failureOf(error) === 'denied' ? 'SOURCE_UNREADABLE' : 'SOURCE_READ_ERROR'
  return new WaybillError(code, { errno: errnoOf(error) }, { cause: error })
}

export function cursorAfter(entry: SourceEntry, enters: Tree['enters']): Bytes {
  const name = entry.name.toString('latin1')
  if (entry.kind !== 'directory') return pathOf(name)
  return pathOf(entry.outcome === null && enters(entry.name) ? `${name}/` : `${name}//`)
}

export class Walk {
  readonly #tree: Tree
  readonly #levels: Level[] = []
  #held: SourceEntry | null = null

  private constructor(tree: Tree) {
    this.#tree = tree
  }

  /** Throws SOURCE_UNREADABLE, SOURCE_READ_ERROR. */
  static async from(tree: Tree, cursor: Bytes | null): Promise<Walk> {
    const walk = new Walk(tree)
    try {
      const stats = await tree.calls.stat(tree.root.fd)
      walk.#levels.push(levelOf({ prefix: '', directory: tree.root, stats }, tree))
      await walk.#goTo(cursor === null ? '' : cursor.toString('latin1'))
      return walk
    } catch (error) {
      await walk.close()
      throw error instanceof WaybillError ? error : listingError(error)
    }
  }

  /** Down to where the cursor stands, as far as the way still exists; names are read when the walk comes back to them. */
  async #goTo(cursor: string): Promise<void> {
    const keys = cursor.match(/[^/]+\/?/g) ?? []
    const enteredMax = cursor.endsWith('//') ? keys.length - 1 : keys.length
    for (const [index, key] of keys.entries()) {
      const level = this.#levels.at(-1)
      if (level === undefined) return
      level.floor = key
      if (!key.endsWith('/') || index >= enteredMax) return
      if (!(await this.#resume(level, key))) return
    }
  }

  async #resume(level: Level, key: string): Promise<boolean> {
    const parent = await this.#directoryOf(level)
    if (parent === null) return false
    let child: Directory
    try {
      child = await openChild(parent, key.slice(0, -1), { how: 'directory', calls: this.#tree.calls })
    } catch (error) {
      if (failureOf(error) === 'gone' || failureOf(error) === 'replaced') return false
      throw listingError(error)
    }
    const stats = await this.#tree.calls.stat(child.fd)
    if (this.#isBeyond(stats)) {
      await this.#tree.calls.close(child.fd)
      return false
    }
    await this.#push(levelOf({ prefix: `${level.prefix}${key}`, directory: child, stats }, this.#tree))
    return true
  }

  #isBeyond(stats: BigIntStats): boolean {
    const { isSameFileSystemOnly, rootDevice } = this.#tree.bounds
    return isSameFileSystemOnly && stats.dev !== rootDevice
  }

  async #push(level: Level): Promise<void> {
    this.#levels.push(level)
    const far = this.#levels[this.#levels.length - 1 - openLevelsMax]
    if (far !== undefined) await this.#closeLevel(far)
  }

  /** Before the lower level is closed its `..` opens the one above: one call where the way from the root takes one a level. */
  async #pop(level: Level): Promise<void> {
    this.#levels.pop()
    const above = this.#levels.at(-1)
    if (above !== undefined && above.directory === null && level.directory !== null) {
      try {
        const directory = await openChild(level.directory, '..', { how: 'directory', calls: this.#tree.calls })
        if (inodeText(await this.#tree.calls.stat(directory.fd)) === above.inode) above.directory = directory
        else await this.#tree.calls.close(directory.fd)
      } catch (error) {
        // The way from the root will say what is wrong.
        failureOf(error)
      }
    }
    await this.#closeLevel(level)
  }

  async #closeLevel(level: Level): Promise<void> {
    const { directory } = level
    level.directory = null
    if (directory !== null && directory !== this.#tree.root) await this.#tree.calls.close(directory.fd)
  }

  /** The level's open directory; null when it is gone. One that was replaced meanwhile is read anew from where we were. */
  async #directoryOf(level: Level): Promise<Directory | null> {
    if (level.directory !== null) return level.directory
    const { root, calls } = this.#tree
    if (level.prefix === '') {
      level.directory = root
      return root
    }
    let directory: Directory
    try {
      directory = await descend(root, level.prefix, { last: 'directory', calls })
    } catch (error) {
      if (failureOf(error) === 'gone' || failureOf(error) === 'replaced') return null
      throw listingError(error)
    }
    level.directory = directory
    const inode = inodeText(await calls.stat(directory.fd))
    if (inode !== level.inode) {
      level.inode = inode
      level.names = null
      level.ahead = []
      level.waiting.length = 0
    }
    return directory
  }

  /** The next entry, held until `take`; null at the end. `ahead` bounds how many are looked at beforehand. */
  async peek(ahead: number): Promise<SourceEntry | null> {
    while (this.#held === null) {
      const level = this.#levels.at(-1)
      if (level === undefined) return null
      const step = await this.#nextIn(level, Math.max(1, Math.min(ahead, lookAheadMax)))
      if (step === null) {
        await this.#pop(level)
        continue
      }
      level.floor = step.key
      this.#held = isDirectory(step.found)
        ? await this.#enter(level, step.key, step.found)
        : this.#entry(`${level.prefix}${step.key}`, step.found)
    }
    return this.#held
  }

  take(): void {
    this.#held = null
  }

  /** What was looked at beforehand is looked at again after a pause between pages. */
  forgetAhead(): void {
    const level = this.#levels.at(-1)
    if (level !== undefined) level.ahead = []
  }

  #entry(name: string, found: Found): SourceEntry {
    return entryOf(pathOf(name), found, this.#tree.bounds)
  }

  async #nextIn(level: Level, ahead: number): Promise<{ readonly key: string; readonly found: Found } | null> {
    for (;;) {
      const name = await this.#nameIn(level)
      const waiting = level.waiting.at(-1)
      if (waiting !== undefined && (name === null || waiting.key < name)) {
        level.waiting.pop()
        return waiting
      }
      if (name === null) return null
      const found = await this.#find(level, ahead)
      level.next += 1
      if (found === null) continue
      const key = isDirectory(found) ? `${name}/` : name
      if (key <= level.floor) continue
      if (!isDirectory(found)) return { key, found }
      level.waiting.push({ key, found })
    }
  }

  /** The name at the level's place; reads names at first, after a resume, and when a window of a huge directory is used up. */
  async #nameIn(level: Level): Promise<string | null> {
    const known = level.names?.sorted[level.next]
    if (known !== undefined) return known
    if (level.names !== null && !level.names.isPartial) return null
    const directory = await this.#directoryOf(level)
    if (directory === null) {
      level.names = { sorted: [], isPartial: false }
      return null
    }
    try {
      await this.#readNames(level, directory)
    } catch (error) {
      throw listingError(error)
    }
    return level.names?.sorted[0] ?? null
  }

  async #readNames(level: Level, directory: Directory): Promise<void> {
    const last = level.names?.sorted.at(-1)
    const { floor } = level
    // A name before the cursor may be that of a directory that stands behind it: `a` when the cursor is `a.txt`.
    const keeps =
      last === undefined
        ? (name: string): boolean => name > floor || floor.startsWith(name)
        : (name: string): boolean => name > last
    level.names = await readNames(directory, { keeps, isHuge: level.isHuge, namesMax: this.#tree.namesMax })
    level.next = 0
    level.ahead = []
  }

  async #find(level: Level, ahead: number): Promise<Found | null> {
    if (level.ahead.length === 0) {
      const directory = await this.#directoryOf(level)
      if (directory === null) {
        level.names = { sorted: [], isPartial: false }
        return null
      }
      const names = level.names?.sorted.slice(level.next, level.next + ahead) ?? []
      level.ahead = (
        await Promise.all(names.map((name) => findEntry(directory.place, name, this.#tree.calls)))
      ).reverse()
    }
    return level.ahead.pop() ?? null
  }

  /** Opens and reads the directory before it is listed, so that its own entry says whether that worked. */
  async #enter(parent: Level, key: string, found: Found): Promise<SourceEntry | null> {
    const name = `${parent.prefix}${key.slice(0, -1)}`
    if (found.stats !== null && this.#isBeyond(found.stats)) return this.#entry(name, found)
    if (!this.#tree.enters(pathOf(name))) return this.#entry(name, found)
    for (let attempt = 1; ; attempt += 1) {
      const directory = await this.#directoryOf(parent)
      if (directory === null) return null
      try {
        return await this.#open({ parent: directory, prefix: `${parent.prefix}${key}`, name })
      } catch (error) {
        const failure = failureOf(error)
        if (failure === 'denied') return this.#entry(name, { ...found, code: 'SOURCE_UNREADABLE' })
        if (failure === 'gone' && (await findEntry(directory.place, key.slice(0, -1), this.#tree.calls)) === null)
          return null
        if (attempt < openAttemptsMax) continue
        // A file has its place now, which would stand before what was listed already.
        if (failure === 'gone' || failure === 'replaced') return this.#entry(name, { ...found, code: 'SOURCE_CHANGED' })
        await this.#assertRoot(error)
        return this.#entry(name, { ...found, code: 'SOURCE_READ_ERROR' })
      }
    }
  }

  async #open(place: { parent: Directory; prefix: string; name: string }): Promise<SourceEntry> {
    const { calls, namesMax } = this.#tree
    const key = place.prefix.slice(place.prefix.lastIndexOf('/', place.prefix.length - 2) + 1, -1)
    const directory = await openChild(place.parent, key, { how: 'directory', calls: this.#tree.calls })
    let isKept = false
    try {
      const stats = await calls.stat(directory.fd)
      // What was opened counts, not what lstat saw before: it may be another directory, or mounted by now.
      const entry = this.#entry(place.name, { stats, link: null, code: null })
      if (this.#isBeyond(stats)) return entry
      const level = levelOf({ prefix: place.prefix, directory, stats }, this.#tree)
      level.names = await readNames(directory, { keeps: () => true, isHuge: level.isHuge, namesMax })
      isKept = true
      await this.#push(level)
      return entry
    } finally {
      if (!isKept) await calls.close(directory.fd)
    }
  }

  /** One directory that cannot be read is an entry; a source that has gone as a whole is an error of the listing. */
  async #assertRoot(cause: unknown): Promise<void> {
    try {
      await this.#tree.calls.stat(this.#tree.root.fd)
    } catch {
      throw listingError(cause)
    }
  }

  async close(): Promise<void> {
    for (const level of this.#levels.splice(0)) await this.#closeLevel(level)
  }
}
