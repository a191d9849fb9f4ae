// The names in one directory, sorted by their bytes, within a bound of memory.
//
// Only names are asked for, never types: on NFS and old XFS the kernel gives none, and then Node would lstat each one on the
// loop. Strings in latin1 take a third of what Buffers take (300,000 names: 44 MB against 157 MB).
// A directory that looks huge is read as a stream that keeps the smallest names, and again from there when they are used up.
import { opendir, readdir } from 'node:fs/promises'
import { failureOf } from './calls.ts'
import { type Directory, pathOf } from './directories.ts'

export interface Names {
  readonly sorted: readonly string[]
  /** There are more, all greater than the last one. */
  readonly isPartial: boolean
}

export interface NamesWanted {
  /** Which names at all; those already listed are left out here. */
  readonly keeps: (name: string) => boolean
  readonly isHuge: boolean
  readonly namesMax: number
}

function sortNames(names: string[]): string[] {
  // biome-ignore lint/suspicious/useArraySortCompare: code units of latin1 text are the bytes; a compare function takes 3 x the time.
  return names.sort()
}

async function streamNames(path: Buffer, wanted: NamesWanted): Promise<Names> {
  const directory = await opendir(path, { encoding: 'latin1', bufferSize: 1024 })
  const names: string[] = []
  let ceiling: string | null = null
  for await (const { name } of directory) {
    if ((ceiling !== null && name > ceiling) || !wanted.keeps(name)) continue
    names.push(name)
    if (names.length < 2 * wanted.namesMax) continue
    sortNames(names)
    names.length = wanted.namesMax
    ceiling = names[wanted.namesMax - 1] ?? null
  }
  sortNames(names)
  const isPartial = ceiling !== null || names.length > wanted.namesMax
  if (names.length > wanted.namesMax) names.length = wanted.namesMax
  return { sorted: names, isPartial }
}

/** Throws what the system throws. */
export async function readNames(directory: Directory, wanted: NamesWanted): Promise<Names> {
  // Without the slash: `place/.` would ask for the right to enter the directory, where reading it is enough.
  const path = pathOf(directory.place === '/' ? '/' : directory.place.slice(0, -1))
  if (wanted.isHuge) {
    try {
      return await streamNames(path, wanted)
    } catch (error) {
      // A file system without types after all: Node then fails on names that are not ASCII. Read whole, it works.
      failureOf(error)
    }
  }
  const names = await readdir(path, { encoding: 'latin1' })
  return { sorted: sortNames(names.filter(wanted.keeps)), isPartial: false }
}
