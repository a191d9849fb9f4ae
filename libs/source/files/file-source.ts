// The source port over a file tree. Walk: walk.ts. Reading: reader.ts. Links in the middle of names: directories.ts.
//
// What a user should know, and docs say: a btrfs subvolume is another file system; a hard link is one item a name; what is
// created behind the walk's place is seen by the next pass; access times change as with any reader.
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { Bytes } from '#schemas/avro'
import type { Identity } from '#schemas/records'
import type { ItemReader, ListLimits, Source, SourceDescription, SourceEntry, SourcePage } from '../source.ts'
import { errnoOf, type FileSystem, failureOf, fileSystemOf, flags, openPath } from './calls.ts'
import { type Directory, descend, directoryAt, OpenDirectories } from './directories.ts'
import { attributesOf, entryOf, findEntry } from './entry.ts'
import { openReader, type ReaderPlace, readNow } from './reader.ts'
import { cursorAfter, type Tree, Walk } from './walk.ts'

export interface FileSourceOptions {
  /** May be a link itself: the tree is what it leads to when the source is first used. */
  readonly root: string | Buffer
  /** Other file systems below the root are listed as skipped and not entered. */
  readonly isSameFileSystemOnly: boolean
  /** False for directories that the walk lists and does not enter; absent: it enters all. */
  readonly enters?: (name: Bytes) => boolean
  /** Treats the file system as a remote one whatever its type says: a local one stacked over NFS, for instance. */
  readonly isRemote?: boolean
  /** Names of one huge directory held at once; 150 bytes each. */
  readonly namesMax?: number
  /** Directories of this size are read in pieces; ext4 has 4 MiB at about 100,000 entries, XFS and btrfs alike. */
  readonly hugeDirectoryBytes?: number
  /** Directories kept open for the files read in them. */
  readonly openDirectoriesMax?: number
  /** Tells how long calls take, so that those that come back at once need no thread; absent: all go to the pool. */
  readonly clock?: Pick<Clock, 'monotonic'>
}

interface Opened {
  readonly tree: Tree
  readonly directories: OpenDirectories
}

interface PlacedWalk {
  readonly walk: Walk
  /** The cursor it stands at. */
  readonly cursor: string
}

function rootError(error: unknown): WaybillError {
  const facts = { errno: errnoOf(error) }
  const failure = failureOf(error)
  switch (failure) {
    case 'gone':
    case 'replaced':
      return new WaybillError('SOURCE_MISSING', facts, { cause: error })
    case 'denied':
      return new WaybillError('SOURCE_UNREADABLE', facts, { cause: error })
    case 'stale':
    case 'broken':
      return new WaybillError('SOURCE_READ_ERROR', facts, { cause: error })
  }
}

async function openRoot(
  root: Buffer,
  { isRemote = false, clock = null }: { readonly isRemote?: boolean; readonly clock?: Pick<Clock, 'monotonic'> | null },
): Promise<{ directory: Directory; fileSystem: FileSystem }> {
  // statfs says ENOTDIR only for a file in the middle of the path, open also for one at its end.
  let fileSystem: FileSystem
  try {
    fileSystem = await fileSystemOf(root, { isRemote, clock })
  } catch (error) {
    throw rootError(error)
  }
  try {
    const fd = await openPath(root, flags.root)
    return { directory: directoryAt(fd, root.toString('latin1')), fileSystem }
  } catch (error) {
    if (failureOf(error) === 'gone') throw new WaybillError('SOURCE_NOT_A_TREE', {}, { cause: error })
    throw rootError(error)
  }
}

/** An empty segment, `.` or `..`, or a zero byte. */
const wrongName = /(?:^|\/)\.{0,2}(?:\/|$)|\0/

/** A name from the log is never trusted with the way: `..` in it would lead out of the root (I7). */
function splitName(name: Bytes): { readonly prefix: string; readonly last: string } {
  const text = name.toString('latin1')
  if (wrongName.test(text)) throw new TypeError('not the name of an item')
  const start = text.lastIndexOf('/') + 1
  return { prefix: text.slice(0, start), last: text.slice(start) }
}

function placeOf({ tree, directories }: Opened, name: Bytes, expected: Identity): ReaderPlace {
  const { prefix, last } = splitName(name)
  const { calls, bounds } = tree
  return { directories, calls, rootDevice: bounds.rootDevice, prefix, name: last, expected }
}

class FileSource implements Source {
  readonly #root: Buffer
  readonly #options: FileSourceOptions
  #opened: Promise<Opened> | null = null
  /** What `#opened` gave, until the source is closed. */
  #tree: Opened | null = null
  /** Where the last page ended: the next one goes on there without reading directories again. */
  #placed: PlacedWalk | null = null

  constructor(options: FileSourceOptions) {
    this.#root = Buffer.from(options.root)
    this.#options = options
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#openTree().catch((error: unknown) => {
      this.#opened = null
      throw error
    })
    return this.#opened
  }

  async #openTree(): Promise<Opened> {
    const { isSameFileSystemOnly, openDirectoriesMax = 16 } = this.#options
    const { namesMax = 200_000, hugeDirectoryBytes = 4 * 1024 * 1024, enters = () => true } = this.#options
    const { directory, fileSystem } = await openRoot(this.#root, this.#options)
    const { calls } = fileSystem
    const stats = await calls.stat(directory.fd)
    const bounds = { rootDevice: stats.dev, isSameFileSystemOnly }
    this.#tree = {
      tree: { root: directory, calls, bounds, namesMax, hugeDirectoryBytes, enters },
      directories: new OpenDirectories(directory, calls, openDirectoriesMax),
    }
    return this.#tree
  }

  /** Asks the path and not the open directory: an unmounted root shows here. */
  async describe(): Promise<SourceDescription> {
    const { directory, fileSystem } = await openRoot(this.#root, this.#options)
    try {
      const stats = await fileSystem.calls.stat(directory.fd)
      // The type of the file system stands for the device, whose number changes from mount to mount.
      const rootIdentity = `${fileSystem.type.toString(16)}:${stats.ino}`
      const attributes = attributesOf(stats)
      return { kind: 'files', rootIdentity, readView: 'live files', attributes, mtimeNs: String(stats.mtimeNs) }
    } catch (error) {
      throw rootError(error)
    } finally {
      await fileSystem.calls.close(directory.fd)
    }
  }

  async #walkFrom(cursor: Bytes | null): Promise<Walk> {
    const { tree } = await this.#open()
    const placed = this.#placed
    this.#placed = null
    if (placed !== null && cursor !== null && placed.cursor === cursor.toString('latin1')) return placed.walk
    await placed?.walk.close()
    return Walk.from(tree, cursor)
  }

  async list(cursor: Bytes | null, limits: ListLimits, signal: AbortSignal): Promise<SourcePage> {
    const walk = await this.#walkFrom(cursor)
    let page: SourcePage | null = null
    try {
      page = await fillPage(walk, limits, this.#options.enters ?? (() => true), signal)
    } finally {
      if (page === null || page.cursor === null) await walk.close()
    }
    if (page.cursor !== null) {
      walk.forgetAhead()
      await this.#place({ walk, cursor: page.cursor.toString('latin1') })
    }
    return page
  }

  /** Two listings at once each have their walk; the later one's is kept. */
  async #place(placed: PlacedWalk): Promise<void> {
    const other = this.#placed
    this.#placed = placed
    await other?.walk.close()
  }

  async look(name: Bytes): Promise<SourceEntry | null> {
    const { prefix, last } = splitName(name)
    const { tree } = await this.#open()
    const { root, calls, bounds } = tree
    let directory: Directory
    try {
      directory = await descend(root, prefix, { last: 'passage', calls })
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'gone' || failure === 'replaced') return null
      const code = failure === 'denied' ? 'SOURCE_UNREADABLE' : 'SOURCE_READ_ERROR'
      return entryOf(name, { stats: null, link: null, code }, bounds)
    }
    try {
      const found = await findEntry(directory.place, last, calls)
      return found === null ? null : entryOf(name, found, bounds)
    } finally {
      if (directory !== root) await calls.close(directory.fd)
    }
  }

  async open(name: Bytes, expected: Identity): Promise<ItemReader> {
    return openReader(placeOf(await this.#open(), name, expected))
  }

  readNow(name: Bytes, expected: Identity, buffer: Buffer): boolean {
    return this.#tree !== null && readNow(placeOf(this.#tree, name, expected), buffer)
  }

  /** Calls in flight must have settled: descriptors are numbers, and numbers are used again. */
  async close(): Promise<void> {
    const opening = this.#opened
    this.#opened = null
    await this.#placed?.walk.close()
    this.#placed = null
    const opened = await opening?.catch(() => null)
    this.#tree = null
    if (opened === null || opened === undefined) return
    await opened.directories.close()
    await opened.tree.calls.close(opened.tree.root.fd)
  }
}

async function fillPage(
  walk: Walk,
  limits: ListLimits,
  enters: Tree['enters'],
  signal: AbortSignal,
): Promise<SourcePage> {
  const entries: SourceEntry[] = []
  let nameBytes = 0
  for (;;) {
    signal.throwIfAborted()
    const entry = await walk.peek(limits.entriesMax - entries.length)
    if (entry === null) return { entries, cursor: null }
    nameBytes += entry.name.length + (entry.link?.length ?? 0)
    const last = entries.at(-1)
    // One entry always fits, or a listing could stand still.
    if (last !== undefined && (entries.length >= limits.entriesMax || nameBytes > limits.nameBytesMax)) {
      return { entries, cursor: cursorAfter(last, enters) }
    }
    walk.take()
    entries.push(entry)
  }
}

/**
 * A source over the tree at `root`, opened at first use.
 *
 * Beyond the port: `list` throws SOURCE_READ_ERROR or SOURCE_UNREADABLE when a directory that was listed as readable cannot be
 * read on, since its remaining entries have no place in the page; `look` and `open` throw a TypeError for what is no name.
 */
export function openFileSource(options: FileSourceOptions): Source {
  return new FileSource(options)
}
