// The processes of the cluster: each has a name, a state folder and a log file of its own.
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '#test/support/s3-server'
import { type ProcessEnd, startWaybill, type WaybillProcess } from '#test/support/waybill-process'

export interface ClusterPlace {
  readonly folder: string
  readonly config: string
  readonly environment: Readonly<Record<string, string>>
}

export interface ServeProcess {
  readonly name: string
  readonly process: WaybillProcess
  readonly logFile: string
  /** Where it answers the HTTP API; null for other roles. */
  readonly url: string | null
}

export async function startServe(place: ClusterPlace, role: string, number: number): Promise<ServeProcess> {
  const name = `${role}-${number}`
  const home = join(place.folder, 'processes', name)
  mkdirSync(home, { recursive: true })
  const logFile = join(home, 'log.ndjson')
  const address = role === 'api' ? `127.0.0.1:${await freePort()}` : null
  const words = ['serve', '--roles', role, '--instance', name, '--config', place.config]
  const process = startWaybill([...words, '--state-dir', join(home, 'state'), '--log-file', logFile], {
    home,
    environment: { ...place.environment, ...(address === null ? {} : { WAYBILL_API_LISTEN: address }) },
  })
  return { name, process, logFile, url: address === null ? null : `http://${address}` }
}

const readySentence = 'caught up with the log'
const readyMsMax = 60_000

/** Resolves once each process folded the log; rejects when one ends before. */
export async function untilReady(processes: readonly ServeProcess[]): Promise<void> {
  const sinceMs = performance.now()
  for (const { name, process, logFile } of processes) {
    let ended: ProcessEnd | null = null
    void process.ended.then((end) => {
      ended = end
    })
    const isReady = (): boolean => {
      try {
        return readFileSync(logFile, 'utf8').includes(readySentence)
      } catch {
        // Not opened yet.
        return false
      }
    }
    while (!isReady()) {
      if (ended !== null) throw new Error(`${name} ended: ${JSON.stringify(ended)}`)
      if (performance.now() - sinceMs > readyMsMax) throw new Error(`${name} is not ready after ${readyMsMax} ms`)
      await sleep(200)
    }
  }
}

const ticksPerSecond = 100

/** Processor time of a live process, in seconds; 0 where the system does not tell. */
export function cpuSeconds({ process }: ServeProcess): number {
  try {
    const fields = readFileSync(`/proc/${process.child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  } catch {
    return 0
  }
}

/** Most memory that a live process had, in bytes; 0 where the system does not tell. */
function peakBytes({ process }: ServeProcess): number {
  try {
    const status = readFileSync(`/proc/${process.child.pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** Bytes of the files below a folder whose name the pattern fits. */
export function bytesOf(folder: string, pattern: RegExp): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && pattern.test(join(entry.parentPath, entry.name)))
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

export interface StoppedProcess {
  readonly name: string
  readonly cpuSeconds: number
  readonly peakBytes: number
  readonly storeBytes: number
  readonly code: number | null
}

/** SIGTERM to all, and what they ended with. */
export async function stopAll(processes: readonly ServeProcess[]): Promise<readonly StoppedProcess[]> {
  const seconds = processes.map(cpuSeconds)
  const peaks = processes.map(peakBytes)
  for (const { process } of processes) process.child.kill('SIGTERM')
  return Promise.all(
    processes.map(async ({ name, process, logFile }, index) => {
      const { code } = await process.ended
      const storeBytes = bytesOf(dirname(logFile), /\/store\//)
      return { name, cpuSeconds: seconds[index] ?? 0, peakBytes: peaks[index] ?? 0, storeBytes, code }
    }),
  )
}
