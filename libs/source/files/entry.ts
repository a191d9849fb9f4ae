// From what lstat says to what the port says.
import type { BigIntStats } from 'node:fs'
import type { ErrorCode } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { Attributes, Identity, ItemKind } from '#schemas/records'
import type { SourceEntry } from '../source.ts'
import { type FileCalls, failureOf, readLink } from './calls.ts'
import { pathOf } from './directories.ts'

/** One name as it was found in its directory. */
export interface Found {
  /** null: lstat was refused, nothing but the name is known. */
  readonly stats: BigIntStats | null
  readonly link: Bytes | null
  readonly code: ErrorCode | null
}

const attemptsMax = 3

/** The type may change between lstat and readlink; after some attempts that is the answer. */
export async function findEntry(place: string, name: string, calls: FileCalls): Promise<Found | null> {
  const path = pathOf(`${place}${name}`)
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    let stats: BigIntStats
    try {
      stats = await calls.lstat(path)
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'gone') return null
      return { stats: null, link: null, code: failure === 'denied' ? 'SOURCE_UNREADABLE' : 'SOURCE_READ_ERROR' }
    }
    if (!stats.isSymbolicLink()) return { stats, link: null, code: null }
    try {
      return { stats, link: await readLink(path), code: null }
    } catch (error) {
      if (failureOf(error) === 'denied') return { stats, link: null, code: 'SOURCE_UNREADABLE' }
    }
  }
  return { stats: null, link: null, code: 'SOURCE_CHANGED' }
}

export function kindOf(stats: BigIntStats): ItemKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  return 'special'
}

const safeMax = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * The device is left out (0) for what lies on the root's own file system: the numbers of NFS, LVM and btrfs devices change
 * with every mount, and after a reboot each item of the tree would seem to be another one. Only files have a size: that of a
 * directory is a matter of the file system.
 */
export function identityOf(stats: BigIntStats, rootDevice: bigint): Identity {
  const size = stats.isFile() ? stats.size : 0n
  return {
    size: Number(size > safeMax ? safeMax : size),
    mtimeNs: String(stats.mtimeNs),
    ctimeNs: String(stats.ctimeNs),
    inode: `${stats.dev === rootDevice ? 0n : stats.dev}:${stats.ino}`,
  }
}

const unknownIdentity: Identity = { size: 0, mtimeNs: '0', ctimeNs: '0', inode: '0:0' }
const unknownAttributes = { mode: 0, uid: 0, gid: 0 }
const permissionBits = 0o7777n

export function attributesOf(stats: BigIntStats): Attributes {
  return { mode: Number(stats.mode & permissionBits), uid: Number(stats.uid), gid: Number(stats.gid) }
}

function outcomeOf(found: Found, stats: BigIntStats, boundary: bigint | null): Pick<SourceEntry, 'outcome' | 'code'> {
  if (found.code !== null) return { outcome: 'failed', code: found.code }
  if (boundary !== null && stats.dev !== boundary) return { outcome: 'skipped', code: 'OTHER_FILE_SYSTEM' }
  if (kindOf(stats) === 'special') return { outcome: 'skipped', code: 'SPECIAL_FILE' }
  // A length beyond 2^53 - 1 (a sparse file on XFS can have it) fits neither an event nor any target.
  if (stats.isFile() && stats.size > safeMax) return { outcome: 'failed', code: 'ITEM_TOO_LARGE' }
  return { outcome: null, code: null }
}

export interface Bounds {
  readonly rootDevice: bigint
  readonly isSameFileSystemOnly: boolean
}

/** @param name full, relative to the root, without a slash at its end. */
export function entryOf(name: Bytes, found: Found, bounds: Bounds): SourceEntry {
  const { stats } = found
  if (stats === null) {
    return {
      name,
      kind: 'file',
      identity: unknownIdentity,
      attributes: unknownAttributes,
      link: null,
      outcome: 'failed',
      code: found.code,
    }
  }
  return {
    name,
    kind: kindOf(stats),
    identity: identityOf(stats, bounds.rootDevice),
    attributes: attributesOf(stats),
    link: found.link,
    ...outcomeOf(found, stats, bounds.isSameFileSystemOnly ? bounds.rootDevice : null),
  }
}
