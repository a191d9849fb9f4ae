// How busy the disk under a source is (Linux, Documentation/admin-guide/iostats.rst): the share of time in which it had
// something to do, and all bytes that it moved, so that our own part can be taken off.
import { readFile, stat } from 'node:fs/promises'
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { LoadSignal } from '../load-signal.ts'

/** Share of the time that others keep the disk busy. */
export const diskThreshold = 0.7
const name = 'disk-utilisation'
/** Of the kernel's counters, whatever the disk's own sectors are. */
const sectorBytes = 512

export interface DiskCounters {
  readonly busyMs: number
  readonly bytes: number
}

/** Counters of the device `MAJOR:MINOR`; null when it is not listed. Throws SIGNAL_UNREADABLE. */
export function parseDiskstats(text: string, device: string): DiskCounters | null {
  for (const line of text.split('\n')) {
    const [major, minor, , , , read, , , , written, , , busy] = line.trim().split(/\s+/)
    if (`${major}:${minor}` !== device) continue
    const [sectors, busyMs] = [Number(read) + Number(written), Number(busy)]
    if (!Number.isFinite(sectors) || !Number.isFinite(busyMs)) {
      throw new WaybillError('SIGNAL_UNREADABLE', { name, problem: `the line of device ${device} has other fields` })
    }
    return { busyMs, bytes: sectors * sectorBytes }
  }
  return null
}

/** Device number as the kernel writes it (glibc's major and minor, sys/sysmacros.h). */
export function deviceOf(number: bigint): string {
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}

/** Where a file system has a number of its own (btrfs, overlay), the device that it is mounted from; null: none. */
export function mountSourceOf(mountinfo: string, device: string): string | null {
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    if (before.split(' ')[2] === device) return after.split(' ')[1] ?? null
  }
  return null
}

async function deviceUnder(path: string): Promise<string> {
  const device = deviceOf((await stat(path, { bigint: true })).dev)
  if (!device.startsWith('0:')) return device
  const origin = mountSourceOf(await readFile('/proc/self/mountinfo', 'utf8'), device)
  if (origin === null || !origin.startsWith('/dev/')) {
    throw new WaybillError('SIGNAL_FAILED', { name, problem: 'the source is on no disk of this machine' })
  }
  return deviceOf((await stat(origin, { bigint: true })).rdev)
}

async function look(path: string): Promise<DiskCounters> {
  try {
    const device = await deviceUnder(path)
    const counters = parseDiskstats(await readFile('/proc/diskstats', 'utf8'), device)
    if (counters !== null) return counters
    throw new WaybillError('SIGNAL_FAILED', { name, problem: `this kernel counts nothing for device ${device}` })
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause
    throw new WaybillError('SIGNAL_FAILED', { name, problem: 'the counters of the disk cannot be read' }, { cause })
  }
}

/** The disk under `path`. The first look says nothing: a share needs two. */
export function openDiskSignal(options: {
  readonly path: string
  readonly clock: Clock
  readonly threshold?: number | undefined
}): LoadSignal {
  const { path, clock, threshold = diskThreshold } = options
  let last: (DiskCounters & { readonly atMs: number }) | null = null
  return {
    name,
    threshold,
    async read() {
      const counters = await look(path)
      const [before, atMs] = [last, clock.monotonic()]
      last = { ...counters, atMs }
      if (before === null || atMs <= before.atMs) return null
      const elapsedMs = atMs - before.atMs
      const value = Math.min(1, Math.max(0, (counters.busyMs - before.busyMs) / elapsedMs))
      return { value, bytesPerSecond: Math.max(0, ((counters.bytes - before.bytes) * 1000) / elapsedMs) }
    },
  }
}
