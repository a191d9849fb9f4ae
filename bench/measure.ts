// What one command costs: processor time of all its processes, wall time, and the largest memory its tree held at once.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Measurement {
  readonly exitCode: number
  readonly wallSeconds: number
  /** User and system time of the command and of all descendants it waited for. */
  readonly cpuSeconds: number
  readonly peakRssBytes: number
  /** Last bytes of standard output and standard error. */
  readonly output: string
}

export interface CommandLine {
  readonly command: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly cwd?: string
}

const pollMs = 50
const outputBytesMax = 8000

// bash's own `time` takes its figures from wait4, so they hold all descendants that were waited for.
const timedScript = `TIMEFORMAT='%3R %3U %3S'; exec 4>&2; { time "$@" 2>&4; } 2>"$TIMES_FILE"`

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
    )
  } catch {
    // The process ended between two looks.
    return []
  }
}

function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Number(kib ?? 0) * 1024
  } catch {
    // The process ended between two looks.
    return 0
  }
}

interface Memory {
  readonly sum: number
  readonly highest: number
}

/** Resident memory of all descendants now, and the highest that any one of them ever had. */
function memoryBelow(pid: number): Memory {
  return childrenOf(pid).reduce<Memory>(
    ({ sum, highest }, child) => {
      const below = memoryBelow(child)
      return {
        sum: sum + statusBytes(child, 'VmRSS') + below.sum,
        highest: Math.max(highest, statusBytes(child, 'VmHWM'), below.highest),
      }
    },
    { sum: 0, highest: 0 },
  )
}

/** Runs the command to its end. A command that cannot be started ends with 127. */
export async function measure(line: CommandLine): Promise<Measurement> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-measure-'))
  const timesFile = join(folder, 'times')
  const child = spawn('bash', ['-c', timedScript, 'bash', line.command, ...line.args], {
    env: { ...process.env, ...line.environment, TIMES_FILE: timesFile },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(line.cwd === undefined ? {} : { cwd: line.cwd }),
  })
  let output = ''
  const keep = (bytes: Buffer): void => {
    output = (output + bytes.toString()).slice(-outputBytesMax)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  let peakRssBytes = 0
  const poll = setInterval(() => {
    const { sum, highest } = memoryBelow(child.pid ?? 0)
    peakRssBytes = Math.max(peakRssBytes, sum, highest)
  }, pollMs)
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve(code ?? 1))
    })
    const [real = 0, user = 0, system = 0] =
      readFileSync(timesFile, 'utf8').trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
    return { exitCode, wallSeconds: real, cpuSeconds: user + system, peakRssBytes, output }
  } finally {
    clearInterval(poll)
    rmSync(folder, { recursive: true, force: true })
  }
}
