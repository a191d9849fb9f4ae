// The state of one job on this machine: a folder with its lock, its log and its store. The kernel holds the lock, so it
// goes with the process; the store is apart from it and may be moved aside and rebuilt from the log.
import { closeSync, openSync } from 'node:fs'
import { access, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { isJobName } from '#libs/domain/job-name'
import type { EventLog } from '#libs/log/event-log'
import type { StateStore } from '#libs/store/state-store'
import { moveStoreAside, openEmbeddedLog, openEmbeddedStore, openLogToRead } from './adapters.ts'
import type { Clock } from './clock.ts'
import { makeFolder } from './folders.ts'
import { tryLock } from './native.ts'

export interface JobFolder {
  readonly log: EventLog
  readonly store: StateStore
  /** Where a damaged store was moved; null: it was sound. The store is empty then and is folded again. */
  readonly movedAside: string | null
  close(): Promise<void>
}

const lockFile = (folder: string): string => join(folder, 'lock')
const logFolder = (folder: string): string => join(folder, 'log')
const storeFolder = (folder: string): string => join(folder, 'store')

/** Who only looks at a job holds the lock for a moment: that is waited for, and no run is refused for it. */
const lockWaits = { everyMs: 50, times: 20 } as const

function folderError(folder: string, cause: unknown): WaybillError {
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT'
  return new WaybillError(isFull ? 'STORE_FULL' : 'STATE_NOT_WRITABLE', { folder, errno }, { cause })
}

function openLock(folder: string): number {
  try {
    return openSync(lockFile(folder), 'a', 0o600)
  } catch (error) {
    throw folderError(folder, error)
  }
}

/** Takes the job's lock. Throws STATE_NOT_WRITABLE, and JOB_HELD when another process has it for longer than a second. */
async function takeLock(folder: string): Promise<{ release(): void }> {
  const fd = openLock(folder)
  for (let tries = 0; tries < lockWaits.times; tries += 1) {
    if (tryLock(fd)) return { release: () => closeSync(fd) }
    await sleep(lockWaits.everyMs)
  }
  closeSync(fd)
  throw new WaybillError('JOB_HELD', { folder })
}

async function openStore(folder: string): Promise<{ store: StateStore; movedAside: string | null }> {
  try {
    return { store: await openEmbeddedStore(folder), movedAside: null }
  } catch (error) {
    if (codeOf(error) !== 'STORE_DAMAGED') throw error
    const movedAside = await moveStoreAside(folder)
    return { store: await openEmbeddedStore(folder), movedAside }
  }
}

async function openBoth(folder: string): Promise<Omit<JobFolder, 'close'>> {
  const log = await openEmbeddedLog(logFolder(folder))
  try {
    return { log, ...(await openStore(storeFolder(folder))) }
  } catch (error) {
    await log.close()
    throw error
  }
}

/**
 * Opens a job's state for work, making it when it is new. Throws JOB_HELD, JOB_COPIED, LOG_DAMAGED (with segment and byte),
 * LOG_NEWER, LOG_FULL, STATE_NOT_WRITABLE, STORE_FULL.
 */
export async function openJobFolder(folder: string): Promise<JobFolder> {
  if (await isCopyOfJob(folder)) throw new WaybillError('JOB_COPIED', { folder })
  return openHeld(folder)
}

async function openHeld(folder: string): Promise<JobFolder> {
  await makeFolder(folder, 0o700).catch((error: unknown) => {
    throw folderError(folder, error)
  })
  const lock = await takeLock(folder)
  try {
    const opened = await openBoth(folder)
    return {
      ...opened,
      async close() {
        await opened.store.close()
        await opened.log.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Moves a store that turned out to be damaged out of the way. The folder must be closed. */
export function discardStore(folder: string): Promise<string | null> {
  return moveStoreAside(storeFolder(folder))
}

/**
 * Opens a job's state to look at it. At rest it is the job's own store; while another process holds the job, its log is
 * folded into a temporary store, which is as good as the moment it was opened.
 */
export async function openJobToLook(
  folder: string,
  clock: Clock,
): Promise<JobFolder & { readonly isHeldElsewhere: boolean; readonly isCopy: boolean }> {
  if (!(await hasJob(folder))) throw new WaybillError('JOB_UNKNOWN', { folder })
  const isCopy = await isCopyOfJob(folder)
  try {
    return { ...(await openHeld(folder)), isHeldElsewhere: false, isCopy }
  } catch (error) {
    if (codeOf(error) !== 'JOB_HELD') throw error
  }
  const log = await openLogToRead(logFolder(folder), clock)
  const temporary = await mkdtemp(join(tmpdir(), 'waybill-look-'))
  const store = await openEmbeddedStore(temporary)
  return {
    log,
    store,
    movedAside: null,
    isHeldElsewhere: true,
    isCopy,
    async close() {
      await store.close()
      await log.close()
      await rm(temporary, { recursive: true, force: true })
    },
  }
}

export interface RebuildFolder {
  readonly log: EventLog
  /** null: it cannot be opened, or not any more. */
  readonly live: StateStore | null
  /** Empty, beside the live one. */
  readonly fresh: StateStore
  /** Closes all. `adopt`: the fresh store takes the place of the live one, which is moved aside. Returns where it is. */
  close(end: 'adopt' | 'discard'): Promise<string | null>
}

/**
 * Opens a job's state to fold its log again, under the job's lock. Throws JOB_UNKNOWN, JOB_HELD, LOG_DAMAGED, LOG_NEWER,
 * LOG_FULL, STORE_REFUSED.
 */
export async function openRebuildFolder(folder: string): Promise<RebuildFolder> {
  if (!(await hasJob(folder))) throw new WaybillError('JOB_UNKNOWN', { folder })
  const lock = await takeLock(folder)
  const place = storeFolder(folder)
  const freshPlace = `${place}.fresh`
  try {
    const log = await openEmbeddedLog(logFolder(folder))
    const live = await openEmbeddedStore(place).catch((error: unknown) => {
      if (codeOf(error) !== 'STORE_DAMAGED') throw error
      return null
    })
    await rm(freshPlace, { recursive: true, force: true })
    const fresh = await openEmbeddedStore(freshPlace)
    return {
      log,
      live,
      fresh,
      async close(end) {
        await Promise.all([live?.close(), fresh.close(), log.close()])
        const aside = end === 'adopt' ? await moveStoreAside(place) : null
        if (end === 'adopt') await rename(freshPlace, place)
        else await rm(freshPlace, { recursive: true, force: true })
        lock.release()
        return aside
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

export function hasJob(folder: string): Promise<boolean> {
  return isThere(logFolder(folder))
}

const copyFile = (folder: string): string => join(folder, 'copy.json')

/** The job was copied out of the log of a cluster: it is there to be looked at, and goes on elsewhere. */
function isCopyOfJob(folder: string): Promise<boolean> {
  return isThere(copyFile(folder))
}

/** What a copy is of, for those who find it. */
export interface JobCopy {
  readonly job: string
  /** ms since 1970 */
  readonly copiedAt: number
  readonly software: string
  readonly records: number
  /** Next position of each partition of the log when the copy was begun. */
  readonly ends: Readonly<Record<string, number>>
}

/**
 * Makes a job folder that is a copy: all of it or nothing. `write` fills the folder of its log and says what it wrote.
 * @returns the folder. @throws WaybillError USAGE when there is something of this name, STATE_NOT_WRITABLE, what `write` throws
 */
export async function makeJobCopy(
  stateFolder: string,
  job: string,
  write: (logFolder: string) => Promise<JobCopy>,
): Promise<{ readonly folder: string; readonly copy: JobCopy }> {
  const folder = join(stateFolder, job)
  if (await isThere(folder)) throw new WaybillError('USAGE', { problem: `${folder} is there already` })
  // A name that no job can have.
  const begun = join(stateFolder, `.${job}.part`)
  try {
    await rm(begun, { recursive: true, force: true })
    await makeFolder(begun, 0o700)
    const copy = await write(logFolder(begun))
    await writeFile(copyFile(begun), `${JSON.stringify(copy, undefined, 2)}\n`, { mode: 0o600 })
    await rename(begun, folder)
    return { folder, copy }
  } catch (error) {
    await rm(begun, { recursive: true, force: true })
    throw error instanceof WaybillError ? error : folderError(folder, error)
  }
}

/** Names of the jobs under a state folder; none when the folder is not there. */
export async function listJobs(stateFolder: string): Promise<readonly string[]> {
  const names = await readdir(stateFolder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  const found = await Promise.all(
    names.filter(isJobName).map(async (name) => ((await hasJob(join(stateFolder, name))) ? [name] : [])),
  )
  return found.flat().sort((a, b) => (a < b ? -1 : 1))
}
