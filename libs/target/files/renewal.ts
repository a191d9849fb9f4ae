// Renewing what stands beside the bytes of an object that is at its final name already: a later pass found another time,
// owner or mode and the same bytes.
import { constants } from 'node:fs'
import type { ErrorCode } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { ItemKind } from '#schemas/records'
import type { ObjectDress } from '../target.ts'
import type { FileCalls } from './file-calls.ts'
import { dressAttributes, dressLink, sealOf } from './file-dress.ts'
import { isDenied, isUnreachable } from './file-errors.ts'
import { lookAt } from './lookup.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants

/** A version whose bytes are right. */
interface KeptVersion {
  readonly kind: ItemKind
  readonly seal: string
  readonly dress: ObjectDress
}

/**
 * Time, owner and mode of an object in place. The mark stays: it names an older generation of the same item.
 * @returns codes of what could not be set; null when another version is there, or it cannot be opened.
 */
export async function renewDress(
  calls: FileCalls,
  path: Bytes,
  { kind, seal, dress }: KeptVersion,
): Promise<ErrorCode[] | null> {
  if (kind === 'symlink') {
    const stats = await lookAt(calls, path)
    const isThere = stats?.isSymbolicLink() === true && sealOf(stats) === seal
    return isThere ? dressLink(calls, { path, stats }, dress) : null
  }
  if (kind !== 'file') return null
  const fd = await openKept(calls, path)
  if (fd === null) return null
  try {
    const stats = await calls.stat(fd)
    return stats.isFile() && sealOf(stats) === seal ? await dressAttributes(calls, { fd, path, stats }, dress) : null
  } finally {
    await calls.close(fd)
  }
}

async function openKept(calls: FileCalls, path: Bytes): Promise<number | null> {
  try {
    return await calls.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)
  } catch (error) {
    if (isUnreachable(error) || isDenied(error)) return null
    throw error
  }
}
