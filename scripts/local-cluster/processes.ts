// The processes of the cluster: each has a name, a state folder and a log file of its own.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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
}

export function startServe(place: ClusterPlace, role: string, number: number): ServeProcess {
  const name = `${role}-${number}`
  const home = join(place.folder, 'processes', name)
  mkdirSync(home, { recursive: true })
  const logFile = join(home, 'log.ndjson')
  const words = ['serve', '--roles', role, '--instance', name, '--config', place.config]
  const process = startWaybill([...words, '--state-dir', join(home, 'state'), '--log-file', logFile], {
    home,
    environment: place.environment,
  })
  return { name, process, logFile }
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

export interface StoppedProcess {
  readonly name: string
  readonly cpuSeconds: number
  readonly code: number | null
}

/** SIGTERM to all, and what they ended with. */
export async function stopAll(processes: readonly ServeProcess[]): Promise<readonly StoppedProcess[]> {
  const seconds = processes.map(cpuSeconds)
  for (const { process } of processes) process.child.kill('SIGTERM')
  return Promise.all(
    processes.map(async ({ name, process }, index) => {
      const { code } = await process.ended
      return { name, cpuSeconds: seconds[index] ?? 0, code }
    }),
  )
}
