// The system calls of the file target, in two forms behind one type.
//
// inline  runs on the loop. One call to a local file system takes 1-5 us, a round trip through the thread pool 15-25 us of
//         CPU: at ten calls a small file that is most of the cost. A put is bounded (ten calls, a body up to 256 KiB) and
//         the writer gives up its turn now and then.
// pooled  runs in the thread pool. For file systems behind a network or in user space, where one call may take
//         milliseconds or hang: there the loop must not wait.
// What waits for a device by its nature (fsync, reads, large bodies) is always pooled.
import fs, { type BigIntStats } from 'node:fs'
import { promisify } from 'node:util'
import { throwIfAborted } from './file-errors.ts'

export type Later<T> = T | Promise<T>

const inlineBytesMax = 256 * 1024
const writeBytesMax = 8 * 1024 * 1024

export interface FileCalls {
  open(path: Buffer, flags: number, mode: number): Later<number>
  close(fd: number): Later<void>
  /** Writes the whole body. */
  write(fd: number, body: Buffer, position: number): Later<void>
  stat(fd: number): Later<BigIntStats>
  lookAt(path: Buffer): Later<BigIntStats>
  chmod(fd: number, mode: number): Later<void>
  chown(fd: number, uid: number, gid: number): Later<void>
  chownLink(path: Buffer, uid: number, gid: number): Later<void>
  link(from: Buffer, to: Buffer): Later<void>
  rename(from: Buffer, to: Buffer): Later<void>
  unlink(path: Buffer): Later<void>
  makeDirectory(path: Buffer, mode: number): Later<void>
  removeDirectory(path: Buffer): Later<void>
  makeLink(text: Buffer, path: Buffer): Later<void>
  readLink(path: Buffer): Later<Buffer>
}

const openLater = promisify(fs.open)
const closeLater = promisify(fs.close)
const statLater = promisify<number, { bigint: true }, BigIntStats>(fs.fstat)
const chmodLater = promisify(fs.fchmod)
const chownLater = promisify(fs.fchown)
const syncLater = promisify(fs.fsync)
const syncBytesLater = promisify(fs.fdatasync)
const truncateLater = promisify<number, number>(fs.ftruncate)

const bigint = { bigint: true } as const
const asBuffer = { encoding: 'buffer' } as const

async function writeLater(fd: number, body: Buffer, position: number): Promise<void> {
  for (let done = 0; done < body.length; ) {
    done += await new Promise<number>((resolve, reject) => {
      fs.write(fd, body, done, body.length - done, position + done, (error, count) => {
        if (error === null) resolve(count)
        else reject(error)
      })
    })
  }
}

function writeNow(fd: number, body: Buffer, position: number): void {
  for (let done = 0; done < body.length; ) {
    done += fs.writeSync(fd, body, done, body.length - done, position + done)
  }
}

export const pooledCalls: FileCalls = {
  open: (path, flags, mode) => openLater(path, flags, mode),
  close: (fd) => closeLater(fd),
  write: writeLater,
  stat: (fd) => statLater(fd, bigint),
  lookAt: (path) => fs.promises.lstat(path, bigint),
  chmod: (fd, mode) => chmodLater(fd, mode),
  chown: (fd, uid, gid) => chownLater(fd, uid, gid),
  chownLink: (path, uid, gid) => fs.promises.lchown(path, uid, gid),
  link: (from, to) => fs.promises.link(from, to),
  rename: (from, to) => fs.promises.rename(from, to),
  unlink: (path) => fs.promises.unlink(path),
  makeDirectory: async (path, mode) => {
    await fs.promises.mkdir(path, { mode })
  },
  removeDirectory: (path) => fs.promises.rmdir(path),
  makeLink: (text, path) => fs.promises.symlink(text, path),
  readLink: (path) => fs.promises.readlink(path, asBuffer),
}

const inlineCalls: FileCalls = {
  open: (path, flags, mode) => fs.openSync(path, flags, mode),
  close: (fd) => {
    fs.closeSync(fd)
  },
  write: (fd, body, position) =>
    body.length > inlineBytesMax ? writeLater(fd, body, position) : writeNow(fd, body, position),
  stat: (fd) => fs.fstatSync(fd, bigint),
  lookAt: (path) => fs.lstatSync(path, bigint),
  chmod: (fd, mode) => {
    fs.fchmodSync(fd, mode)
  },
  chown: (fd, uid, gid) => {
    fs.fchownSync(fd, uid, gid)
  },
  chownLink: (path, uid, gid) => {
    fs.lchownSync(path, uid, gid)
  },
  link: (from, to) => {
    fs.linkSync(from, to)
  },
  rename: (from, to) => {
    fs.renameSync(from, to)
  },
  unlink: (path) => {
    fs.unlinkSync(path)
  },
  makeDirectory: (path, mode) => {
    fs.mkdirSync(path, { mode })
  },
  removeDirectory: (path) => {
    fs.rmdirSync(path)
  },
  makeLink: (text, path) => {
    fs.symlinkSync(text, path)
  },
  readLink: (path) => fs.readlinkSync(path, asBuffer),
}

/** Writes in slices, so that an abort is seen within one of them. */
export async function writeSlices(
  calls: FileCalls,
  fd: number,
  body: Buffer,
  { at, signal }: { readonly at: number; readonly signal: AbortSignal },
): Promise<void> {
  for (let done = 0; done < body.length; done += writeBytesMax) {
    throwIfAborted(signal)
    await calls.write(fd, body.subarray(done, done + writeBytesMax), at + done)
  }
}

/** fsync: bytes and metadata of a file, names of a directory. */
export function syncFile(fd: number): Promise<void> {
  return syncLater(fd)
}

/** fdatasync: bytes, and what is needed to find them. */
export function syncBytes(fd: number): Promise<void> {
  return syncBytesLater(fd)
}

export function truncate(fd: number, bytes: number): Promise<void> {
  return truncateLater(fd, bytes)
}

/** Numbers of linux/magic.h and of the file systems themselves: local ones only, all others are treated as slow. */
const localKinds: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
  [0x794c7630, 'overlayfs'],
])
const remoteKinds: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x00c36400, 'ceph'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
])

/** Name and speed of a file system by its statfs number. */
export function fileSystemKind(magic: number): { readonly name: string; readonly calls: FileCalls } {
  const name = localKinds.get(magic)
  if (name !== undefined) return { name, calls: inlineCalls }
  return { name: remoteKinds.get(magic) ?? `file system 0x${magic.toString(16)}`, calls: pooledCalls }
}
