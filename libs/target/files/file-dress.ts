// Seal, mark, owner, mode and time of files.
//
// The seal is `inode:birth time`. Not the inode alone: ext4 gives a freed number to the next file, so an object that was
// deleted and written anew by somebody would pass as ours. Not the device: its number changes with a reboot or a mount
// (NFS, btrfs), and one key lies on one file system. Hard links, renames and changes of mode or owner leave both as they
// are. A file rewritten in place keeps its seal: the reader compares its bytes. Where no birth time is kept it is 0.
import fs, { type BigIntStats } from 'node:fs'
import { geteuid } from 'node:process'
import type { ErrorCode } from '#libs/domain/errors'
import { getAttribute, setAttribute, setTimes } from '#libs/runtime/native'
import type { Bytes } from '#schemas/avro'
import type { Attributes, ItemKind } from '#schemas/records'
import { markText, parseMark } from '../mark.ts'
import type { Mark, ObjectDress, ObjectState } from '../target.ts'
import type { FileCalls } from './file-calls.ts'
import { isDenied, isRefused } from './file-errors.ts'
import { type Directory, itself, type Root } from './file-root.ts'

const markName = 'user.waybill'

export function sealOf(stats: BigIntStats): string {
  return `${stats.ino}:${stats.birthtimeNs}`
}

export function kindOf(stats: BigIntStats): ItemKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  return stats.isSymbolicLink() ? 'symlink' : 'special'
}

/** What `find` tells: bytes of a file; 0 for links, directories and special files, as they stand in packs. */
export function stateOf(path: Bytes, stats: BigIntStats): ObjectState {
  const kind = kindOf(stats)
  const mark = kind === 'file' || kind === 'directory' ? readMark(path) : null
  return { seal: sealOf(stats), size: kind === 'file' ? Number(stats.size) : 0, kind, mark }
}

/** null where none is kept, or when we may not read it: then it is a stranger's. */
export function readMark(path: Bytes): Mark | null {
  try {
    const value = getAttribute(path, markName)
    return value === null ? null : parseMark(value.toString())
  } catch (error) {
    if (isRefused(error) || isDenied(error)) return null
    throw error
  }
}

/** False where the file system keeps no extended attributes. @throws the system's error otherwise (ENOSPC, EIO). */
export function writeMark(path: Bytes, mark: Mark): boolean {
  try {
    setAttribute(path, markName, Buffer.from(markText(mark)))
    return true
  } catch (error) {
    if (isRefused(error) || isDenied(error)) return false
    throw error
  }
}

/** Bits that chmod takes; the kind of file is not among them. */
const modeBits = 0o7777
const setIdBits = 0o6000

/** Mode to create a file with: as near as possible to the final one, yet writable, since marks need that. */
export function firstMode(attributes: Attributes): number {
  return (attributes.mode & 0o777) | 0o600
}

export interface Dressed {
  readonly fd: number
  readonly path: Bytes
  readonly stats: BigIntStats
}

/** Owner of an open file. @returns false when it is not ours to give away (EPERM; EINVAL in a user namespace). */
async function giveOwner(calls: FileCalls, { fd, stats }: Dressed, attributes: Attributes): Promise<boolean> {
  if (Number(stats.uid) === attributes.uid && Number(stats.gid) === attributes.gid) return true
  try {
    await calls.chown(fd, attributes.uid, attributes.gid)
    return true
  } catch (error) {
    if (isRefused(error)) return false
    throw error
  }
}

/**
 * Mark, time, owner and mode, in this order: a mark needs write permission, and a change of owner clears set-id bits.
 * A file whose owner could not be set gets none: set-id bits with another owner would be a gift to that owner.
 * @returns codes of what could not be set. @throws the system's error (ENOSPC, EIO).
 */
export async function dressFile(calls: FileCalls, file: Dressed, dress: ObjectDress): Promise<ErrorCode[]> {
  const isMarked = writeMark(file.path, dress.mark)
  const notes = await dressAttributes(calls, file, dress)
  return isMarked ? notes : ['MARK_NOT_KEPT', ...notes]
}

export async function dressAttributes(
  calls: FileCalls,
  file: Dressed,
  dress: Pick<ObjectDress, 'attributes' | 'mtimeNs'>,
): Promise<ErrorCode[]> {
  const notes: ErrorCode[] = []
  const { attributes } = dress
  if (!setTime(file.path, dress.mtimeNs)) notes.push('ATTRIBUTES_NOT_SET')
  const isOwned = await giveOwner(calls, file, attributes)
  if (!isOwned) notes.push('OWNER_NOT_SET')
  const mode = attributes.mode & (isOwned ? modeBits : modeBits & ~setIdBits)
  if ((Number(file.stats.mode) & modeBits) === mode) return notes
  try {
    await calls.chmod(file.fd, mode)
  } catch (error) {
    if (!isRefused(error)) throw error
    notes.push('ATTRIBUTES_NOT_SET')
  }
  return [...new Set(notes)]
}

/** Both times get the same value: the time of last access of a copy says nothing. */
function setTime(path: Bytes, mtimeNs: string): boolean {
  const time = BigInt(mtimeNs)
  try {
    setTimes(path, { atimeNs: time, mtimeNs: time })
    return true
  } catch (error) {
    if (isRefused(error)) return false
    throw error
  }
}

/** Owner and time of a link; it has no mode that counts and keeps no mark. */
export async function dressLink(
  calls: FileCalls,
  link: { readonly path: Bytes; readonly stats: BigIntStats },
  dress: ObjectDress,
): Promise<ErrorCode[]> {
  const notes: ErrorCode[] = []
  const { uid, gid } = dress.attributes
  if (!setTime(link.path, dress.mtimeNs)) notes.push('ATTRIBUTES_NOT_SET')
  if (Number(link.stats.uid) === uid && Number(link.stats.gid) === gid) return notes
  try {
    await calls.chownLink(link.path, uid, gid)
  } catch (error) {
    if (!isRefused(error)) throw error
    notes.push('OWNER_NOT_SET')
  }
  return notes
}

/**
 * A directory that was opened to write into it. One made on demand carries the job's name from the start; one of ours that
 * an earlier pass left without write permission (a copy of a read-only directory) gets it back until it is finished anew.
 */
export async function prepareDirectory(
  calls: FileCalls,
  directory: Directory,
  { job, isNew }: { readonly job: string; readonly isNew: boolean },
): Promise<void> {
  const path = itself(directory)
  if (isNew) {
    writeMark(path, { job, item: '', generation: 0 })
    return
  }
  const stats = await calls.stat(directory.fd)
  if (isShut(path, stats, job)) await calls.chmod(directory.fd, (Number(stats.mode) & modeBits) | 0o700)
}

/** True for a directory of this job's that its mode lets us not write into. */
function isShut(path: Bytes, stats: BigIntStats, job: string): boolean {
  const user = geteuid?.()
  if (user === undefined || user === 0 || Number(stats.uid) !== user) return false
  return (Number(stats.mode) & 0o300) !== 0o300 && readMark(path)?.job === job
}

/** The same for the target's root, which is made with the usual mode: somebody may look on. @returns see PrepareRoot. */
export async function prepareRoot({ path, calls }: Root, job: string, isNew: boolean): Promise<number | null> {
  if (isNew) {
    writeMark(path, { job, item: '', generation: 0 })
    return null
  }
  const stats = await calls.lookAt(path)
  if (!isShut(path, stats, job)) return null
  const mode = Number(stats.mode) & modeBits
  await fs.promises.chmod(path, mode | 0o700)
  return mode
}
