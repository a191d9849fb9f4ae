// The three sets of files that tools are measured on. They are made once and kept while folder, factor and seed agree.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { seededBytes } from '#test/support/seeded-bytes'
import { filesBelow } from '#test/support/tree-files'

export const setNames = ['big', 'small', 'tree'] as const
export type SetName = (typeof setNames)[number]

export interface FileSet {
  readonly name: SetName
  readonly folder: string
  readonly files: number
  readonly bytes: number
}

export interface SetOptions {
  /** Parent folder; best on tmpfs, so that disks are not measured. */
  readonly parent: string
  /** 1: 16 x 256 MiB, 20,000 x 16 KiB, all of /usr/share. Smaller sets have fewer files of the same sizes. */
  readonly factor: number
}

const KiB = 1024
const MiB = 1024 * KiB
const pieceBytes = 16 * MiB
const treeOrigin = '/usr/share'

function writeRandom(path: string, size: number): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
  for (let start = 0; start < size; start += pieceBytes) {
    writeFileSync(path, seededBytes(`${path} ${start}`, Math.min(pieceBytes, size - start)), { flag: 'a' })
  }
}

function makeEqualFiles(folder: string, files: number, size: number): void {
  for (let index = 0; index < files; index += 1) {
    const branch = String(Math.floor(index / 1000)).padStart(3, '0')
    writeRandom(join(folder, branch, `file-${String(index).padStart(6, '0')}`), size)
  }
}

/** Every n-th regular file of /usr/share, so that a small factor keeps the mix. */
function makeTree(folder: string, factor: number): void {
  const stride = Math.max(1, Math.round(1 / factor))
  for (const [index, path] of filesBelow(treeOrigin, { skips: [] }).entries()) {
    if (index % stride !== 0) continue
    const copy = join(folder, relative(treeOrigin, path))
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(path, copy)
  }
}

function make(name: SetName, folder: string, factor: number): void {
  const count = (full: number): number => Math.max(1, Math.round(full * factor))
  switch (name) {
    case 'big':
      makeEqualFiles(folder, count(16), 256 * MiB)
      break
    case 'small':
      makeEqualFiles(folder, count(20_000), 16 * KiB)
      break
    case 'tree':
      makeTree(folder, factor)
      break
  }
}

/** Makes the set unless it is there already. */
export function makeSet(name: SetName, { parent, factor }: SetOptions): FileSet {
  const folder = join(parent, `${name}-${factor}`)
  const note = `${folder}.json`
  if (existsSync(note)) return JSON.parse(readFileSync(note, 'utf8')) as FileSet
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  make(name, folder, factor)
  const paths = filesBelow(folder, { skips: [] })
  const bytes = paths.reduce((sum, path) => sum + statSync(path).size, 0)
  const set: FileSet = { name, folder, files: paths.length, bytes }
  writeFileSync(note, JSON.stringify(set))
  return set
}
