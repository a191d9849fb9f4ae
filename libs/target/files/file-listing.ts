// Walks the target in key order for the reconciliation: bytes of the whole key, a directory as `key/`, so it stands right
// before what is in it. That is the order of the source's listing, and for files the order of S3.
//
// Listed are files with their size, and links, directories and special files with size 0; `.waybill` at the root is not.
// A directory that we may not enter is listed itself, and what is in it is not.
//
// Memory: one window of names for each level of the path to the place of the walk. A directory of more names than a window
// is read again for each window, smallest names first, so no directory is too large.
import fs from 'node:fs'
import type { Bytes } from '#schemas/avro'
import type { TargetObject } from '../target.ts'
import { kindOf } from './file-dress.ts'
import { isDenied, isUnreachable, readError, throwIfAborted } from './file-errors.ts'
import { joinPath, reservedName } from './file-keys.ts'
import { type Directory, openDirectoryNow, type Root } from './file-root.ts'
import { lookAt } from './lookup.ts'

const windowNames = 65_536
const namesATurn = 1_024

interface Level {
  /** Key of the directory; empty for the root. */
  readonly key: Bytes
  /** Names as latin1, so that strings compare as their bytes do; directories end in a slash. */
  names: readonly string[]
  next: number
  /** No name of the directory is behind the window. */
  isWhole: boolean
}

function orderOf(entry: fs.Dirent): string {
  return entry.isDirectory() ? `${entry.name}/` : entry.name
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

/** The smallest names after `after`, at most a window of them. */
async function readNames(
  path: Bytes,
  { after, namesMax }: { readonly after: string; readonly namesMax: number },
  signal: AbortSignal,
): Promise<Pick<Level, 'names' | 'isWhole'>> {
  let names: string[] = []
  let bound: string | null = null
  let seen = 0
  // Node's types leave out that a directory's names can be had as latin1.
  const entries = await fs.promises.opendir(path, { encoding: 'latin1', bufferSize: 256 })
  for await (const entry of entries) {
    seen += 1
    if (seen % namesATurn === 0) throwIfAborted(signal)
    const order = orderOf(entry)
    if (order <= after || (bound !== null && order >= bound)) continue
    names.push(order)
    if (names.length === 2 * namesMax) {
      names = names.sort(compare).slice(0, namesMax)
      bound = names.at(-1) ?? null
    }
  }
  names.sort(compare)
  const isWhole = bound === null && names.length <= namesMax
  return { names: isWhole ? names : names.slice(0, namesMax), isWhole }
}

export class FileListing {
  readonly #root: Root
  readonly #namesMax: number
  #levels: Level[] = []
  /** Where the last page ended: a caller that goes on from there finds the walk as it was left. */
  #cursor: Bytes | null = null

  /** @param namesMax names of one directory that are held at once. */
  constructor(root: Root, namesMax: number = windowNames) {
    this.#root = root
    this.#namesMax = namesMax
  }

  /** @throws TARGET_UNREADABLE for a directory that cannot be read for another reason than its permissions. */
  async page(
    cursor: Bytes | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ objects: readonly TargetObject[]; cursor: Bytes | null }> {
    try {
      if (cursor === null || this.#cursor === null || !cursor.equals(this.#cursor)) await this.#start(cursor, signal)
      const objects: TargetObject[] = []
      while (objects.length < limit) {
        const level = this.#levels.at(-1)
        if (level === undefined) break
        if (level.next < level.names.length) await this.#emit(level, objects, limit, signal)
        else await this.#leaveOrGoOn(level, signal)
      }
      const isAtEnd = this.#levels.length === 0
      this.#cursor = isAtEnd ? null : this.#place()
      return { objects, cursor: this.#cursor }
    } catch (error) {
      this.#cursor = null
      throw readError(error)
    }
  }

  /** Order key of the last name that was taken. */
  #place(): Bytes {
    const level = this.#levels.at(-1)
    const last = level === undefined || level.next === 0 ? undefined : level.names[level.next - 1]
    if (level === undefined) return Buffer.alloc(0)
    if (last === undefined) return Buffer.concat([level.key, Buffer.from('/')])
    return joinPath(level.key, Buffer.from(last, 'latin1'))
  }

  /** Builds the levels down to the cursor; what is gone meanwhile is skipped. */
  async #start(cursor: Bytes | null, signal: AbortSignal): Promise<void> {
    this.#levels = []
    const text = cursor?.toString('latin1') ?? ''
    let start = 0
    for (let cut = text.indexOf('/'); cut >= 0; cut = text.indexOf('/', start)) {
      await this.#enter(
        Buffer.from(text.slice(0, Math.max(0, start - 1)), 'latin1'),
        text.slice(start, cut + 1),
        signal,
      )
      start = cut + 1
    }
    await this.#enter(Buffer.from(text.slice(0, Math.max(0, start - 1)), 'latin1'), text.slice(start), signal)
  }

  async #enter(key: Bytes, after: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#inDirectory(key, async ({ path }) => {
        this.#levels.push({ key, next: 0, ...(await readNames(path, { after, namesMax: this.#namesMax }, signal)) })
      })
    } catch (error) {
      // Gone or replaced since its parent was read, or not for us to enter.
      if (!isUnreachable(error) && !isDenied(error)) throw error
    }
  }

  async #leaveOrGoOn(level: Level, signal: AbortSignal): Promise<void> {
    this.#levels.pop()
    if (!level.isWhole) await this.#enter(level.key, level.names.at(-1) ?? '', signal)
  }

  /** Gives names of one directory up to the next directory in it, which is entered, or the end of the page. */
  async #emit(level: Level, objects: TargetObject[], limit: number, signal: AbortSignal): Promise<void> {
    let entered: Bytes | null = null
    await this.#inDirectory(level.key, async (directory) => {
      while (objects.length < limit && entered === null) {
        const order = level.names[level.next]
        if (order === undefined) return
        throwIfAborted(signal)
        level.next += 1
        const isDirectory = order.endsWith('/')
        const name = Buffer.from(isDirectory ? order.slice(0, -1) : order, 'latin1')
        if (level.key.length === 0 && name.equals(reservedName)) continue
        const stats = await lookAt(this.#root.calls, joinPath(directory.path, name))
        if (stats === null) continue
        const key = joinPath(level.key, name)
        objects.push({ key, kind: kindOf(stats), size: stats.isFile() ? Number(stats.size) : 0, tag: null })
        if (isDirectory) entered = key
      }
    })
    if (entered !== null) await this.#enter(entered, '', signal)
  }

  async #inDirectory(key: Bytes, work: (directory: Directory) => Promise<void>): Promise<void> {
    const directory = await openDirectoryNow(this.#root, key)
    try {
      await work(directory)
    } finally {
      await this.#root.calls.close(directory.fd)
    }
  }
}
