// Errors of the file system, classified where they come in.
import { constants } from 'node:os'
import { type ErrorCode, type Facts, WaybillError } from '#libs/domain/errors'

/** `code` has no name for a quota that is used up, so numbers are compared; Node's are negative. */
function isFull(error: unknown): boolean {
  const { ENOSPC, EDQUOT } = constants.errno
  return error instanceof Error && 'errno' in error && (error.errno === -ENOSPC || error.errno === -EDQUOT)
}

export function codeOfFile(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}

/** An error of the system gets LOG_FULL for lack of space, else the given code; what is not one stays what it is. */
export function logError(error: unknown, otherwise: ErrorCode, facts: Facts): unknown {
  const isOfSystem = error instanceof Error && 'errno' in error && !(error instanceof WaybillError)
  if (!isOfSystem) return error
  const code = isFull(error) ? 'LOG_FULL' : otherwise
  return new WaybillError(code, { ...facts, errno: codeOfFile(error) }, { cause: error })
}

export function isLogFull(error: unknown): boolean {
  return error instanceof WaybillError && error.code === 'LOG_FULL'
}

/** @param offset bytes from the start of the segment file */
export function damage(segment: string, offset: number, reason: string): WaybillError {
  return new WaybillError('LOG_DAMAGED', { segment, offset, reason })
}
