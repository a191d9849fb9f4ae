// From errno to the catalogue, at the adapter's edge. Some errors have no name in `err.code` (ESTALE, EDQUOT on some
// versions), so numbers are compared.
import { constants } from 'node:os'
import { type ErrorCode, type Facts, WaybillError } from '#libs/domain/errors'

const { errno } = constants

/** errno of a system error as a positive number, null for anything else. */
export function errnoOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') return null
  return Math.abs(error.errno)
}

function isOneOf(error: unknown, numbers: readonly number[]): boolean {
  const number = errnoOf(error)
  return number !== null && numbers.includes(number)
}

/** As the kernel says it when it is told to follow no link. */
export function linkOnTheWay(): Error {
  return Object.assign(new Error('ELOOP: a link on the way'), { errno: -errno.ELOOP, code: 'ELOOP' })
}

export function isAbsent(error: unknown): boolean {
  return isOneOf(error, [errno.ENOENT])
}

export function isBelowFile(error: unknown): boolean {
  return isOneOf(error, [errno.ENOTDIR])
}

/** Nothing can be under this name: absent, or something on the way to it is no directory (a link is none). */
export function isUnreachable(error: unknown): boolean {
  return isOneOf(error, [errno.ENOENT, errno.ENOTDIR, errno.ELOOP])
}

export function isPresent(error: unknown): boolean {
  return isOneOf(error, [errno.EEXIST])
}

export function isNotEmpty(error: unknown): boolean {
  return isOneOf(error, [errno.ENOTEMPTY, errno.EEXIST])
}

/** The file system or our rights do not allow this kind of call. */
export function isRefused(error: unknown): boolean {
  return isOneOf(error, [errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
}

export function isDenied(error: unknown): boolean {
  return isOneOf(error, [errno.EACCES])
}

const writeCodes: ReadonlyMap<number, ErrorCode> = new Map([
  [errno.ENOSPC, 'TARGET_FULL'],
  [errno.EDQUOT, 'TARGET_FULL'],
  [errno.EROFS, 'TARGET_NOT_WRITABLE'],
  [errno.EACCES, 'TARGET_NOT_WRITABLE'],
  [errno.EPERM, 'TARGET_NOT_WRITABLE'],
  [errno.ENAMETOOLONG, 'KEY_TOO_LONG'],
  [errno.EFBIG, 'ITEM_TOO_LARGE'],
  // A file or a link stands where a directory is needed.
  [errno.ENOTDIR, 'TARGET_EXISTS'],
  [errno.ELOOP, 'TARGET_EXISTS'],
  // Another file system is mounted below the root: nothing can be linked into it.
  [errno.EXDEV, 'TARGET_REFUSED'],
  [errno.EILSEQ, 'TARGET_REFUSED'],
  [errno.EINVAL, 'TARGET_REFUSED'],
  [errno.EMFILE, 'TARGET_BUSY'],
  [errno.ENFILE, 'TARGET_BUSY'],
  [errno.ENOMEM, 'TARGET_BUSY'],
  [errno.ETIMEDOUT, 'TARGET_TIMEOUT'],
])

const readCodes: ReadonlyMap<number, ErrorCode> = new Map([
  [errno.ENOENT, 'TARGET_MISSING'],
  [errno.ENOTDIR, 'TARGET_MISSING'],
  // A link stands where the file or a directory on the way to it was.
  [errno.ELOOP, 'TARGET_REPLACED'],
  [errno.EMFILE, 'TARGET_BUSY'],
  [errno.ENFILE, 'TARGET_BUSY'],
  [errno.ENOMEM, 'TARGET_BUSY'],
  [errno.ETIMEDOUT, 'TARGET_TIMEOUT'],
])

function classify(error: unknown, codes: ReadonlyMap<number, ErrorCode>, otherwise: ErrorCode, facts: Facts): unknown {
  const number = errnoOf(error)
  if (error instanceof WaybillError || number === null || !(error instanceof Error)) return error
  const symbol = 'code' in error && typeof error.code === 'string' ? error.code : String(number)
  return new WaybillError(codes.get(number) ?? otherwise, { ...facts, errno: symbol }, { cause: error })
}

/** Error of a write, fit to be thrown; what is no system error is handed back as it is. */
export function writeError(error: unknown, facts: Facts = {}): unknown {
  return classify(error, writeCodes, 'TARGET_WRITE_ERROR', facts)
}

/** Error of a read, fit to be thrown; what is no system error is handed back as it is. */
export function readError(error: unknown, facts: Facts = {}): unknown {
  return classify(error, readCodes, 'TARGET_UNREADABLE', facts)
}

/** Throws ABORTED once the signal says so; called between the steps of longer work. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new WaybillError('ABORTED', {}, { cause: signal.reason })
}
