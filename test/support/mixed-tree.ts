// A tree as people have them: many small files in nested folders, some of a few MiB, one or more large ones, links, empty
// folders, a few names that need care. Everything follows from the seed.
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { seededBytes } from './seeded-bytes.ts'
import { integerBetween, seededRandom } from './seeded-random.ts'

const KiB = 1024
const MiB = 1024 * KiB

export interface MixedTreeOptions {
  readonly seed: number
  readonly smallFiles: number
  readonly middleFiles: number
  readonly largeFilesBytes: readonly number[]
}

export interface MixedTree {
  readonly folder: string
  /** All entries below the root. */
  readonly entries: number
  /** Relative paths of the regular files. */
  readonly files: readonly string[]
  readonly fileBytes: number
  readonly links: number
  /** Bytes of what the links say. */
  readonly linkBytes: number
}

const oddFolders = ['plain', 'mit Leerzeichen', '日本語', '-rf', 'a+b&c', 'deep/er/and/deeper']

/** Makes the tree in `folder`, which must not exist. */
export function makeMixedTree(folder: string, options: MixedTreeOptions): MixedTree {
  const random = seededRandom(options.seed)
  const files: string[] = []
  const folders = new Set<string>()
  let fileBytes = 0
  let [links, linkBytes] = [0, 0]
  const addFolder = (path: string): void => {
    mkdirSync(join(folder, path), { recursive: true })
    for (let at = path; at !== '.'; at = dirname(at)) folders.add(at)
  }
  const addFile = (path: string, size: number): void => {
    addFolder(dirname(path))
    writeFileSync(join(folder, path), seededBytes(`${options.seed} ${path}`, size))
    files.push(path)
    fileBytes += size
  }
  mkdirSync(folder, { recursive: true })
  for (let index = 0; index < options.smallFiles; index += 1) {
    const branch = oddFolders[integerBetween(random, 0, oddFolders.length - 1)] ?? 'plain'
    addFile(`${branch}/${index % 17}/small-${index}`, index % 50 === 0 ? 0 : integerBetween(random, 1, 24 * KiB))
  }
  for (let index = 0; index < options.middleFiles; index += 1) {
    addFile(`middle/file-${index}`, integerBetween(random, MiB, 8 * MiB))
  }
  for (const [index, size] of options.largeFilesBytes.entries()) {
    writeStampedFile(join(folder, `large-${index}`), `${options.seed} ${index}`, size)
    files.push(`large-${index}`)
    fileBytes += size
  }
  for (let index = 0; index < 5; index += 1) addFolder(`empty/${index}/within`)
  for (let index = 0; index < 10; index += 1) {
    const text = index % 2 === 0 ? `middle/file-${index}` : '../nowhere'
    symlinkSync(text, join(folder, `link-${index}`))
    links += 1
    linkBytes += text.length
  }
  if (files[0] !== undefined) chmodSync(join(folder, files[0]), 0o400)
  return { folder, entries: files.length + folders.size + links, files, fileBytes, links, linkBytes }
}

const stampBytes = 4 * KiB

/** A file of holes with seeded bytes at the start of every MiB: no two chunks are equal, and it takes little space. */
export function writeStampedFile(path: string, seed: string, size: number): void {
  const fd = openSync(path, 'wx')
  ftruncateSync(fd, size)
  for (let start = 0; start < size; start += MiB) {
    const stamp = seededBytes(`${seed} ${start}`, Math.min(stampBytes, size - start))
    writeSync(fd, stamp, 0, stamp.length, start)
  }
  closeSync(fd)
}
