// A place with a small tree and the program in it: source, target, state and home are folders of one temporary folder.
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nobody } from '../../../support/nobody.ts'
import {
  createPlace,
  type ProgramEnd,
  type ProgramPlace,
  type RunningProgram,
  runProgram,
  startProgram,
} from '../program.ts'

export const MiB = 1024 * 1024
/** Larger than the smallest chunk size: an upload of three chunks of 5 MiB. */
export const largeBytes = 11 * MiB

export interface JobPlace extends ProgramPlace {
  /** `waybill WORDS` in the place's folder. */
  run(...words: readonly string[]): Promise<ProgramEnd>
  start(...words: readonly string[]): RunningProgram
  /** The same as a user without rights (nobody); only root may. */
  runAsNobody(...words: readonly string[]): Promise<ProgramEnd>
  path(...segments: readonly string[]): string
  write(name: string, content: string | Buffer): void
  read(name: string): Buffer
  remove(): void
}

export function createJobPlace(environment: Readonly<Record<string, string>> = {}): JobPlace {
  const place = createPlace()
  const path = (...segments: readonly string[]): string => join(place.folder, ...segments)
  return {
    folder: place.folder,
    environment,
    remove: place.remove,
    path,
    runAsNobody: (...words) => runProgram(words, { folder: place.folder, environment, uid: nobody }),
    start: (...words) => startProgram(words, { folder: place.folder, environment }),
    run: (...words) => runProgram(words, { folder: place.folder, environment }),
    write(name, content) {
      mkdirSync(dirname(path(name)), { recursive: true })
      writeFileSync(path(name), content)
    },
    read: (name) => readFileSync(path(name)),
  }
}

/** Files in a folder, an empty one, an empty folder, a link: seven items. */
export function writeSmallTree(place: JobPlace): void {
  place.write('source/a.txt', 'alpha\n')
  place.write('source/folder/b.txt', 'bravo\n')
  place.write('source/folder/empty', '')
  place.write('source/z.bin', Buffer.alloc(100_000, 'z'))
  mkdirSync(place.path('source/nothing'))
  symlinkSync('a.txt', place.path('source/link'))
}

/** Bytes that differ from one offset to the next. */
export function writeLargeFile(place: JobPlace, name: string): void {
  const bytes = Buffer.alloc(largeBytes)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at)
  place.write(name, bytes)
}

/** Changes four bytes in place: the file keeps its inode, as a disk that rots does. */
export function rot(path: string, offset: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.from('ROT!'), 0, 4, offset)
  closeSync(file)
}

export const objectOf = (end: ProgramEnd): Record<string, unknown> => JSON.parse(end.output) as Record<string, unknown>

/** Resolves once `isThere` holds; rejects after twenty seconds. */
export async function until(isThere: () => boolean | Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 50) {
    if (await isThere()) return
    await sleep(50)
  }
  throw new Error('it did not come within twenty seconds')
}
