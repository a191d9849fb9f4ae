// Calls to the file system, as cheap as they get: callbacks turned into promises without FileHandle objects.
//
// What may wait for a disk or a network runs in libuv's pool (open, lstat, readlink, readdir, read); there a call costs 25 to
// 100 us of processor time, mostly for waking threads. On file systems of this machine `fstat` and `close` of an open file are
// answered from memory in 1 us, so they run on the loop, and so do open, lstat and short reads while they come back at once
// (promptness.ts). On all others (NFS, SMB, FUSE, unknown) everything goes to the pool: a hung server then holds threads of the
// pool, and all file I/O of the process once it holds all of them, but never the loop. No call can be taken back.
import fs, { type BigIntStats, constants } from 'node:fs'
import os from 'node:os'
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import { Promptness } from './promptness.ts'

function settle<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error)
      else resolve(value)
    })
  })
}

export function openPath(path: Buffer, flags: number): Promise<number> {
  return settle((done) => fs.open(path, flags, done))
}

function statPath(path: Buffer): Promise<BigIntStats> {
  return settle((done) => fs.lstat(path, { bigint: true }, done))
}

export function readLink(path: Buffer): Promise<Buffer> {
  return settle((done) => fs.readlink(path, { encoding: 'buffer' }, done))
}

function readAt(fd: number, buffer: Buffer, offset: number): Promise<number> {
  return settle((done) => fs.read(fd, buffer, 0, buffer.length, offset, done))
}

/** Calls that differ between local and remote file systems. They throw, or reject, what the system says. */
export interface FileCalls {
  readonly isLocal: boolean
  open(path: Buffer, flags: number): number | Promise<number>
  lstat(path: Buffer): BigIntStats | Promise<BigIntStats>
  stat(fd: number): BigIntStats | Promise<BigIntStats>
  /** One pread; fewer bytes than asked for are normal, 0 is the end of the file. */
  read(fd: number, buffer: Buffer, offset: number): number | Promise<number>
  close(fd: number): void | Promise<void>
  /**
   * Opens, reads and closes a small file on the loop, `isExpected` before and after. False: something is otherwise than
   * expected, or would wait, and the calls above say what.
   */
  readNow(path: Buffer, buffer: Buffer, isExpected: (stats: BigIntStats) => boolean): boolean
}

/** A descriptor that was only read has nothing to lose at close, so an error there says nothing. */
function ignore(_error: unknown): void {
  return
}

/** Longer reads are worth a thread: what the loop would copy takes longer than waking one. Slices of a limited rate are shorter. */
const readOnLoopBytesMax = 512 * 1024

interface Learned {
  readonly opening: Promptness
  readonly reading: Promptness
}

function readNow(
  { opening, reading }: Learned,
  path: Buffer,
  buffer: Buffer,
  isExpected: (stats: BigIntStats) => boolean,
): boolean {
  let fd: number | null = null
  try {
    const opened = opening.run(() => fs.openSync(path, flags.file))
    fd = opened
    if (!isExpected(fs.fstatSync(opened, { bigint: true }))) return false
    const bytes = reading.run(() => fs.readSync(opened, buffer, 0, buffer.length, 0))
    return bytes === buffer.length && isExpected(fs.fstatSync(opened, { bigint: true }))
  } catch (error) {
    // Whoever asks does it all again, one call after the other, and says what is wrong.
    ignore(error)
    return false
  } finally {
    if (fd !== null) closeNow(fd)
  }
}

function closeNow(fd: number): void {
  try {
    fs.closeSync(fd)
  } catch (error) {
    ignore(error)
  }
}

/** Without a clock nothing is known about how long calls take, and all that may wait go to the pool. */
function localCalls(clock: Pick<Clock, 'monotonic'> | null): FileCalls {
  const opening = clock === null ? null : new Promptness(clock)
  const looking = clock === null ? null : new Promptness(clock)
  const reading = clock === null ? null : new Promptness(clock)
  return {
    isLocal: true,
    open: (path, flags) =>
      opening?.takesNext() === true ? opening.run(() => fs.openSync(path, flags)) : openPath(path, flags),
    lstat: (path) =>
      looking?.takesNext() === true ? looking.run(() => fs.lstatSync(path, { bigint: true })) : statPath(path),
    stat: (fd) => fs.fstatSync(fd, { bigint: true }),
    read: (fd, buffer, offset) =>
      buffer.length <= readOnLoopBytesMax && reading?.takesNext() === true
        ? reading.run(() => fs.readSync(fd, buffer, 0, buffer.length, offset))
        : readAt(fd, buffer, offset),
    close: closeNow,
    readNow: (path, buffer, isExpected) =>
      buffer.length <= readOnLoopBytesMax && opening?.isPrompt === true && reading?.isPrompt === true
        ? readNow({ opening, reading }, path, buffer, isExpected)
        : false,
  }
}

const remoteCalls: FileCalls = {
  isLocal: false,
  open: openPath,
  lstat: statPath,
  stat: (fd) => settle((done) => fs.fstat(fd, { bigint: true }, done)),
  read: readAt,
  close: (fd) => new Promise((resolve) => fs.close(fd, () => resolve())),
  readNow: () => false,
}

/** statfs(2) numbers of file systems on this machine: ext2-4, XFS, btrfs, tmpfs, ramfs, F2FS, ZFS, overlay, bcachefs. */
const localTypes: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0xf2f52010, 0x2fc12fc1, 0x794c7630, 0xca451a4e,
])

export interface FileSystem {
  readonly type: number
  readonly calls: FileCalls
}

/** What holds the path. Elsewhere than on Linux the type numbers mean nothing and every file system counts as remote. */
export async function fileSystemOf(
  path: Buffer,
  { isRemote, clock }: { readonly isRemote: boolean; readonly clock: Pick<Clock, 'monotonic'> | null },
): Promise<FileSystem> {
  const { type } = await settle<fs.StatsFs>((done) => fs.statfs(path, done))
  // statfs gives a signed 32-bit number on some machines.
  const isLocal = !isRemote && os.platform() === 'linux' && localTypes.has(type >>> 0)
  return { type: type >>> 0, calls: isLocal ? localCalls(clock) : remoteCalls }
}

/** O_PATH: a place in the tree that is only passed through, needing no right to read it. Node has no name for it. */
const passThrough = os.platform() === 'linux' ? 0o10000000 : 0

export const flags = {
  /** O_NONBLOCK: a pipe put in the file's place must not hold a thread of the pool for ever. */
  file: constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  directory: constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  passage: constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | passThrough,
  /** The root may be given through a link: that is the user's choice of a place, not the tree's. */
  root: constants.O_RDONLY | constants.O_DIRECTORY,
}

export type Failure = 'gone' | 'replaced' | 'denied' | 'stale' | 'broken'

const { errno } = os.constants
const failures: ReadonlyMap<number, Failure> = new Map<number, Failure>([
  [errno.ENOENT, 'gone'],
  [errno.ENOTDIR, 'gone'],
  // A link (O_NOFOLLOW) or a socket stands where a file was.
  [errno.ELOOP, 'replaced'],
  [errno.ENXIO, 'replaced'],
  [errno.EACCES, 'denied'],
  [errno.EPERM, 'denied'],
  // Node has no name for ESTALE in `code`; the number is right.
  [errno.ESTALE, 'stale'],
])

/** Negative errno, 0 for what is no error of the system. */
export function errnoOf(error: unknown): number {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : 0
}

/** Our own limits: they say nothing about the item. */
const exhausted: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE, errno.ENOMEM])

/** What an error of a call says about the item. What says nothing about it is thrown on. */
export function failureOf(error: unknown): Failure {
  const number = errnoOf(error)
  if (number === 0) throw error
  if (exhausted.has(-number)) throw new WaybillError('SOURCE_READ_ERROR', { errno: number }, { cause: error })
  return failures.get(-number) ?? 'broken'
}
