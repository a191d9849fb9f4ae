// The only file with native calls: what Node has no function for. Paths are Buffers, since names are bytes.
//
// * Linux, 64 bit, is the supported system. macOS, best effort: its xattr calls take two more arguments, and file times
//   there are what APFS keeps (64-bit ns since 1970, so 1677 to 2262). On 32-bit systems `struct timespec` has another shape.
// * All calls are synchronous and block the loop for as long as the kernel takes: on a hung NFS mount for ever. They are
//   meant for targets and the state folder, never for the source.
// * koffi reads `errno` right after the call, so nothing may run between a call and `koffi.errno()`.
import { constants } from 'node:os'
import { platform } from 'node:process'
import { getSystemErrorName } from 'node:util'
import koffi, { type KoffiFunc } from 'koffi'

type Call = (...values: readonly (number | bigint | string | Buffer | null)[]) => number

interface Calls {
  readonly flock: Call
  readonly getAttribute: Call
  readonly setAttribute: Call
  readonly setTimes: Call
  /** null where the system has none. */
  readonly syncFileSystem: KoffiFunc<(fd: number) => number> | null
}

const isMac = platform === 'darwin'
const lockExclusive = 2
const lockWithoutWaiting = 4
/** fcntl.h: "relative to the working directory", and "the link itself". */
const atWorkingDirectory = isMac ? -2 : -100
const atNoFollow = isMac ? 0x20 : 0x100
const macNoFollow = 1
const attributeAttemptsMax = 8

let loaded: Calls | null = null

/** libc is opened at the first call: commands that need none start without it. */
function calls(): Calls {
  if (loaded === null) {
    const libc = koffi.load(null)
    loaded = {
      flock: libc.func('flock', 'int', ['int', 'int']),
      getAttribute: isMac
        ? libc.func('getxattr', 'int64', ['void *', 'str', 'void *', 'uint64', 'uint32', 'int'])
        : libc.func('lgetxattr', 'int64', ['void *', 'str', 'void *', 'uint64']),
      setAttribute: isMac
        ? libc.func('setxattr', 'int', ['void *', 'str', 'void *', 'uint64', 'uint32', 'int'])
        : libc.func('lsetxattr', 'int', ['void *', 'str', 'void *', 'uint64', 'int']),
      setTimes: libc.func('utimensat', 'int', ['int', 'void *', 'void *', 'int']),
      syncFileSystem: isMac ? null : libc.func('syncfs', 'int', ['int']),
    }
  }
  return loaded
}

/** An error of the shape of Node's own: negative `errno`, `code` its name where it has one. */
export interface NativeError extends Error {
  readonly errno: number
  readonly code: string
  readonly syscall: string
}

function nativeError(errno: number, syscall: string): NativeError {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${code}: ${syscall}`), { errno: -errno, code, syscall })
}

/** libc reads up to the first NUL, so a NUL inside would silently name another file. */
function terminated(path: Buffer): Buffer {
  if (path.includes(0)) throw new TypeError('a path cannot hold a NUL byte')
  return Buffer.concat([path, Buffer.alloc(1)])
}

/**
 * Takes the exclusive lock of an open file; the kernel lets go of it when the file is closed or the process dies.
 * The lock belongs to the opened file, so a second open in the same process is refused as well.
 * @returns false when it is held elsewhere. @throws NativeError otherwise (ENOLCK, EBADF).
 */
export function tryLock(fd: number): boolean {
  if (calls().flock(fd, lockExclusive | lockWithoutWaiting) === 0) return true
  const errno = koffi.errno()
  // On Linux EAGAIN and EWOULDBLOCK are one number, elsewhere they may differ.
  if (errno === constants.errno.EWOULDBLOCK || errno === constants.errno.EAGAIN) return false
  throw nativeError(errno, 'flock')
}

function readAttribute(path: Buffer, name: string, value: Buffer | null): number {
  const length = value?.length ?? 0
  const given = isMac
    ? calls().getAttribute(path, name, value, length, 0, macNoFollow)
    : calls().getAttribute(path, name, value, length)
  return given < 0 ? -koffi.errno() : given
}

/** Attribute absent (ENODATA, on macOS ENOATTR = 93) or the file system keeps none. */
function isWithoutAttribute(errno: number): boolean {
  const { ENODATA, ENOTSUP, EOPNOTSUPP } = constants.errno
  return errno === (isMac ? 93 : ENODATA) || errno === ENOTSUP || errno === EOPNOTSUPP
}

/**
 * An extended attribute of a file, or of the link itself.
 * @param name with its namespace: `user.waybill`. Linux gives no `user.` attributes to links, pipes and devices.
 * @returns null when the attribute is absent or the file system keeps none. @throws NativeError (ENOENT, EACCES).
 */
export function getAttribute(path: Buffer, name: string): Buffer | null {
  const place = terminated(path)
  let value = Buffer.alloc(256)
  for (let attempt = 0; attempt < attributeAttemptsMax; attempt += 1) {
    const length = readAttribute(place, name, value)
    if (length >= 0) return value.subarray(0, length)
    if (isWithoutAttribute(-length)) return null
    if (-length !== constants.errno.ERANGE) throw nativeError(-length, 'lgetxattr')
    // Longer than the buffer: asked again with the length it has now; another writer may lengthen it meanwhile.
    const needed = readAttribute(place, name, null)
    if (needed >= 0) value = Buffer.alloc(needed + 256)
  }
  throw nativeError(constants.errno.ERANGE, 'lgetxattr')
}

/**
 * Creates or replaces an extended attribute of a file, or of the link itself.
 * @throws NativeError: ENOTSUP where none are kept, EPERM for `user.` on a link, ENOSPC, EDQUOT, ERANGE, ENOENT.
 */
export function setAttribute(path: Buffer, name: string, value: Buffer): void {
  const place = terminated(path)
  const given = isMac
    ? calls().setAttribute(place, name, value, value.length, 0, macNoFollow)
    : calls().setAttribute(place, name, value, value.length, 0)
  if (given !== 0) throw nativeError(koffi.errno(), 'lsetxattr')
}

export interface FileTimes {
  /** ns since 1970, negative before. */
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
}

const nsPerSecond = 1_000_000_000n

/** `struct timespec`: whole seconds rounded down, then 0 to 999,999,999 ns, also before 1970. */
function writeTime(times: Buffer, offset: number, ns: bigint): void {
  const rest = ((ns % nsPerSecond) + nsPerSecond) % nsPerSecond
  times.writeBigInt64LE((ns - rest) / nsPerSecond, offset)
  times.writeBigInt64LE(rest, offset + 8)
}

/**
 * Sets the times of a file, or of the link itself, to the ns; Node's own call takes a double and loses them.
 * A file system that cannot hold a time keeps the nearest it can (ext4: 1901 to 2446), without an error.
 * @throws NativeError (ENOENT, EPERM, EROFS).
 */
export function setTimes(path: Buffer, times: FileTimes): void {
  const both = Buffer.alloc(32)
  writeTime(both, 0, times.atimeNs)
  writeTime(both, 16, times.mtimeNs)
  if (calls().setTimes(atWorkingDirectory, terminated(path), both, atNoFollow) !== 0) {
    throw nativeError(koffi.errno(), 'utimensat')
  }
}

/**
 * Makes everything durable that was written to the file system of an open file: bytes, names and metadata of many small
 * files in one go (syncfs(2)). Runs outside the loop. Since Linux 5.8 it reports write-back errors.
 * @returns false when it failed or the system has no such call: the caller then syncs file by file and learns which.
 */
export function syncFileSystem(fd: number): Promise<boolean> {
  const call = calls().syncFileSystem
  if (call === null) return Promise.resolve(false)
  return new Promise((resolve, reject) => {
    call.async(fd, (error: Error | null, given: number) => {
      if (error === null) resolve(given === 0)
      else reject(error)
    })
  })
}
