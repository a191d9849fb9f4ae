// The real program as a process that a campaign can watch, signal and kill.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Outcome } from '#schemas/records'

const main = join(import.meta.dirname, '../../services/cli/main.ts')
const minutesMax = 60
const textMax = 1024 * 1024

export interface ProcessEnd {
  /** null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly notices: string
}

export interface WaybillProcess {
  readonly child: ChildProcess
  readonly ended: Promise<ProcessEnd>
}

export interface ProcessPlace {
  /** Home, configuration and working folder. */
  readonly home: string
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts `waybill WORDS`; it is killed when this process ends before it, and after an hour. */
export function startWaybill(words: readonly string[], place: ProcessPlace): WaybillProcess {
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--disable-warning=ExperimentalWarning', main, ...words],
    {
      cwd: place.home,
      env: {
        PATH: '/usr/bin:/bin',
        HOME: place.home,
        XDG_CONFIG_HOME: join(place.home, 'config'),
        XDG_STATE_HOME: join(place.home, 'state'),
        ...place.environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: minutesMax * 60_000,
    },
  )
  const killAtExit = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', killAtExit)
  let output = ''
  let notices = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    notices = (notices + text).slice(-textMax)
  })
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      process.removeListener('exit', killAtExit)
      resolve({ code, signal, output, notices })
    })
  })
  return { child, ended }
}

export function runWaybill(words: readonly string[], place: ProcessPlace): Promise<ProcessEnd> {
  return startWaybill(words, place).ended
}

/** The one object that `--json` prints, as far as campaigns look at it. */
export interface RunObject {
  readonly job_id: string
  readonly verdict: string
  readonly exit_code: number
  readonly report_path: string
  readonly items: Readonly<Record<'listed' | Outcome, number>>
  readonly bytes: Readonly<Record<'listed' | Outcome, number>>
  readonly source_bytes_read: number
  readonly target_bytes_written: number
  readonly target_bytes_read: number
  readonly findings: Readonly<Record<string, number>>
}

/** Throws with all that the program said when there was no run to tell about. */
export function runObjectOf({ code, signal, output, notices }: ProcessEnd): RunObject {
  const said = `exit ${code ?? signal}, output ${JSON.stringify(output.slice(0, 2000))}, notices: ${notices}`
  if (!output.startsWith('{')) throw new Error(said)
  const told = JSON.parse(output) as RunObject | { readonly bytes?: undefined }
  if (told.bytes === undefined) throw new Error(said)
  return told
}
