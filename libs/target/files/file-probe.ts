// Finds out what the target's file system can do, by trying, in a scratch folder that is removed again.

import fs, { constants } from 'node:fs'
import { geteuid } from 'node:process'
import type { ErrorCode } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import { longMax } from '#schemas/avro'
import type { TargetAbilities } from '#schemas/records'
import { truncate } from './file-calls.ts'
import { writeMark } from './file-dress.ts'
import { errnoOf, isPresent, isRefused, throwIfAborted } from './file-errors.ts'
import { joinPath } from './file-keys.ts'
import type { Root } from './file-root.ts'
import { lookAt } from './lookup.ts'

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = constants
const directFlag: number | undefined = constants.O_DIRECT
/** The kernel holds sizes in 63 bits; ours are doubles. */
const sizeBytesMax = longMax
const bisectionsMax = 54
const scratchFoldersMax = 100

export interface Probed {
  readonly abilities: TargetAbilities
  readonly findings: readonly ErrorCode[]
}

/**
 * @param scratch an empty folder of our own in the target.
 * @throws the system's error when a plain file cannot be written there (EACCES, EROFS, ENOSPC).
 */
export async function tryFileSystem(
  root: Root,
  scratch: Bytes,
  isEmpty: boolean,
  signal: AbortSignal,
): Promise<Probed> {
  const file = joinPath(scratch, Buffer.from('probe-a'))
  const fd = await root.calls.open(file, O_RDWR | O_CREAT | O_EXCL, 0o600)
  try {
    await root.calls.write(fd, Buffer.alloc(8_192, 'waybill '), 0)
    const keepsMarks = writeMark(file, { job: 'probe', item: '', generation: 0 })
    const hasHardLinks = await triesLink(root, file, joinPath(scratch, Buffer.from('probe-b')))
    const bypassesCache = await triesDirect(root, file)
    const foldsNames = (await lookAt(root.calls, joinPath(scratch, Buffer.from('PROBE-A')))) !== null
    const listsOddNames = await triesNames(root, scratch)
    throwIfAborted(signal)
    const objectBytesMax = await largestFile(fd)
    const isOwner = geteuid?.() === 0
    const findings: ErrorCode[] = []
    if (!keepsMarks) findings.push('MARK_NOT_KEPT')
    if (!isOwner) findings.push('OWNER_NOT_SET')
    if (foldsNames) findings.push('TARGET_FOLDS_NAMES')
    const abilities: TargetAbilities = {
      kind: 'files',
      isEmpty,
      createsOnlyIfAbsent: hasHardLinks,
      // Compared, then renamed over: no call does both at once.
      replacesOnlyIfMatch: false,
      checksUploads: false,
      readsRanges: true,
      copiesParts: true,
      keepsMarks,
      listsOddNames,
      bypassesCache,
      objectBytesMax,
      partBytesMin: 1,
      partBytesMax: objectBytesMax,
      partsMax: 2 ** 31 - 1,
      // Paths are walked segment by segment where there is /proc; else PATH_MAX holds.
      keyBytesMax: root.namesFiles ? 2 ** 20 : 1_023 - root.path.length,
      clockOffsetMs: 0,
      server: root.kindName,
    }
    return { abilities, findings }
  } finally {
    await root.calls.close(fd)
  }
}

async function triesLink(root: Root, from: Bytes, to: Bytes): Promise<boolean> {
  try {
    await root.calls.link(from, to)
    return true
  } catch (error) {
    if (isRefused(error)) return false
    throw error
  }
}

async function triesDirect(root: Root, file: Bytes): Promise<boolean> {
  if (directFlag === undefined) return false
  try {
    await root.calls.close(await root.calls.open(file, O_RDONLY | directFlag, 0))
    return true
  } catch (error) {
    if (isRefused(error)) return false
    throw error
  }
}

/** Names that are no UTF-8, hold control characters, end in a blank or a dot, or are as long as names get. */
const oddNames: readonly Bytes[] = [
  Buffer.from([0x66, 0xff, 0xfe]),
  Buffer.from('new\nline'),
  Buffer.from('blank '),
  Buffer.from('dot.'),
  Buffer.from('a:b*?'),
  Buffer.alloc(255, 'n'),
]

async function triesNames(root: Root, scratch: Bytes): Promise<boolean> {
  for (const name of oddNames) {
    try {
      await root.calls.close(await root.calls.open(joinPath(scratch, name), O_RDWR | O_CREAT | O_EXCL, 0o600))
    } catch (error) {
      // A full disk is told by the first file; here any refusal means that such a name cannot be kept.
      if (errnoOf(error) === null) throw error
      return false
    }
  }
  const listed = await fs.promises.readdir(scratch, { encoding: 'buffer' })
  return oddNames.every((name) => listed.some((found) => found.equals(name)))
}

/** By making a sparse file larger and larger: ext4 holds 16 TiB, FAT 4 GiB. */
async function largestFile(fd: number): Promise<number> {
  if (await canHold(fd, sizeBytesMax)) return sizeBytesMax
  let held = 0
  let refused = sizeBytesMax
  for (let step = 0; step < bisectionsMax && refused - held > 1; step += 1) {
    const middle = held + Math.floor((refused - held) / 2)
    if (await canHold(fd, middle)) held = middle
    else refused = middle
  }
  return held
}

async function canHold(fd: number, bytes: number): Promise<boolean> {
  try {
    await truncate(fd, bytes)
    return true
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return false
  }
}

/** Makes a folder of a name that was free and hands its path to `work`; removed with all in it afterwards. */
export async function inScratch<T>(root: Root, folder: Bytes, work: (scratch: Bytes) => Promise<T>): Promise<T> {
  const path = await makeScratch(root, folder)
  try {
    return await work(path)
  } finally {
    for (const name of await fs.promises.readdir(path, { encoding: 'buffer' })) {
      await root.calls.unlink(joinPath(path, name))
    }
    await root.calls.removeDirectory(path)
  }
}

/** Numbered: another probe, of this job or another one, may be at work. */
async function makeScratch(root: Root, folder: Bytes): Promise<Bytes> {
  for (let number = 1; ; number += 1) {
    const path = joinPath(folder, Buffer.from(`probe-${number}`))
    try {
      await root.calls.makeDirectory(path, 0o700)
      return path
    } catch (error) {
      if (!isPresent(error) || number === scratchFoldersMax) throw error
    }
  }
}
