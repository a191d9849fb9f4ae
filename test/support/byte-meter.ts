// Counts the bytes that a program reads from a folder, as the kernel sees it: the folder is mounted a second time through
// a small FUSE file system (byte-meter/byte-meter.c), which is built on demand and kept in the user's cache.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes returned by reads in the 100 ms from `startMs` on (monotonic, as `process.hrtime`). */
export interface Reading {
  readonly startMs: number
  readonly bytes: number
}

/** One read of one file, in the order in which they were answered. */
export interface TracedRead {
  readonly atMs: number
  readonly offset: number
  readonly length: number
  /** From the root of the source. */
  readonly name: Buffer
}

export type Fault =
  | { readonly kind: 'latency'; readonly ms: number }
  /** A read that covers the byte fails with the errno (5: EIO, 116: ESTALE). */
  | { readonly kind: 'error'; readonly errno: number; readonly path: string; readonly offset: number }
  /** The file ends at the byte, whatever its size says. */
  | { readonly kind: 'short'; readonly path: string; readonly offset: number }
  /** A read that covers the byte does not return before the fault is taken away. */
  | { readonly kind: 'hang'; readonly path: string; readonly offset: number }

export interface ByteMeter {
  /** Where the program under test is to read. */
  readonly folder: string
  readings(): readonly Reading[]
  total(): number
  /** Empty unless mounted with `traces`. */
  reads(): readonly TracedRead[]
  /** Replaces all faults; holds for reads that begin (or hang) from now on. */
  setFaults(faults: readonly Fault[]): void
  /** Ends the mount; readings and total stay. */
  unmount(): Promise<void>
}

const sourceFile = join(import.meta.dirname, 'byte-meter/byte-meter.c')
const mountMsMax = 5000

/** Why no meter can be mounted here, or null when it can. */
export function byteMeterAbsence(): string | null {
  if (!existsSync('/dev/fuse')) return 'byte meter skipped: no /dev/fuse'
  for (const [command, ...args] of [
    ['fusermount3', '--version'],
    ['gcc', '--version'],
    ['pkg-config', '--exists', 'fuse3'],
  ] as const) {
    try {
      execFileSync(command, args, { stdio: 'ignore' })
    } catch {
      return `byte meter skipped: ${[command, ...args].join(' ')} fails (install fuse3 libfuse3-dev gcc pkg-config)`
    }
  }
  return null
}

/** Builds the file system once for each version of its source, and returns where it is. */
function builtMeter(): string {
  const digest = createHash('sha256').update(readFileSync(sourceFile)).digest('hex').slice(0, 16)
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'waybill')
  const program = join(cache, `byte-meter-${digest}`)
  if (existsSync(program)) return program
  mkdirSync(cache, { recursive: true })
  const flags = execFileSync('pkg-config', ['--cflags', '--libs', 'fuse3'], { encoding: 'utf8' }).trim().split(/\s+/)
  const fresh = `${program}.${process.pid}`
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', fresh, sourceFile, '-lpthread', ...flags])
  renameSync(fresh, program)
  return program
}

function faultLine(fault: Fault): string {
  switch (fault.kind) {
    case 'latency':
      return `latency ${fault.ms}`
    case 'error':
      return `error ${fault.errno} ${fault.offset} ${fault.path}`
    case 'short':
      return `short ${fault.offset} ${fault.path}`
    case 'hang':
      return `hang ${fault.offset} ${fault.path}`
  }
}

function linesOf(path: string): readonly (readonly string[])[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'latin1').split('\n')
  // The last piece is empty, or a line that is being written right now.
  return lines.slice(0, -1).map((line) => line.split(' '))
}

async function mounted(child: ChildProcess): Promise<void> {
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const signal = AbortSignal.timeout(mountMsMax)
  const ended = once(child, 'exit', { signal }).then(() => Promise.reject(new Error(`byte meter ended: ${complaint}`)))
  if (child.stdout === null) throw new Error('byte meter without output')
  await Promise.race([once(child.stdout, 'data', { signal }), ended])
  ended.catch(() => {
    // The race is decided; a later end of the file system is awaited by unmount.
  })
}

/** Takes the mount away, first politely; a mount that is still in use goes by force, and its reads fail. */
async function unmounted(child: ChildProcess, folder: string): Promise<void> {
  const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
  try {
    execFileSync('fusermount3', ['-u', folder], { stdio: 'pipe' })
  } catch {
    // Windows are written within 100 ms of their end.
    await sleep(200)
    execFileSync('fusermount3', ['-u', '-z', folder], { stdio: 'pipe' })
    child.kill('SIGKILL')
  }
  await ended
}

/** Mounts `source` read-only under a new folder; callers ask `byteMeterAbsence` first. */
export async function mountByteMeter(source: string, options: { traces?: boolean } = {}): Promise<ByteMeter> {
  const home = mkdtempSync(join(tmpdir(), 'waybill-meter-'))
  const folder = join(home, 'source')
  const files = { readings: join(home, 'readings'), faults: join(home, 'faults'), trace: join(home, 'trace') }
  mkdirSync(folder)
  writeFileSync(files.faults, '')
  const trace = options.traces === true ? files.trace : '-'
  const args = [source, folder, files.readings, files.faults, trace]
  const child = spawn(builtMeter(), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  await mounted(child)

  let kept: { readonly readings: readonly Reading[]; readonly reads: readonly TracedRead[] } | null = null
  const readings = (): readonly Reading[] =>
    kept?.readings ??
    linesOf(files.readings).map(([start, bytes]) => ({ startMs: Number(start), bytes: Number(bytes) }))
  const reads = (): readonly TracedRead[] =>
    kept?.reads ??
    linesOf(files.trace).map(([at, offset, length, hex = '']) => ({
      atMs: Number(at),
      offset: Number(offset),
      length: Number(length),
      name: Buffer.from(hex, 'hex').subarray(1),
    }))
  return {
    folder,
    readings,
    reads,
    total: () => readings().reduce((sum, { bytes }) => sum + bytes, 0),
    setFaults: (faults) => {
      writeFileSync(`${files.faults}.new`, faults.map((fault) => `${faultLine(fault)}\n`).join(''))
      renameSync(`${files.faults}.new`, files.faults)
    },
    unmount: async () => {
      if (kept !== null) return
      await unmounted(child, folder)
      kept = { readings: readings(), reads: reads() }
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** The largest number of bytes in any whole second (ten windows in a row). */
export function peakBytesPerSecond(readings: readonly Reading[]): number {
  let peak = 0
  let sum = 0
  let first = 0
  for (const { startMs, bytes } of readings) {
    sum += bytes
    for (let oldest = readings[first]; oldest !== undefined && oldest.startMs <= startMs - 1000; ) {
      sum -= oldest.bytes
      first += 1
      oldest = readings[first]
    }
    peak = Math.max(peak, sum)
  }
  return peak
}
