// Starts the real program as a user does, in an environment of its own.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ProgramEnd {
  readonly code: number | null
  readonly output: string
  readonly notices: string
}

const main = join(import.meta.dirname, '../../../services/cli/main.ts')
const secondsMax = 30

export interface ProgramPlace {
  readonly folder: string
  readonly environment?: Readonly<Record<string, string>>
  readonly input?: string
  /** Runs it as this user; only root may. */
  readonly uid?: number
}

/** A folder that is home, configuration and state at once; removed by the returned function. */
export function createPlace(): ProgramPlace & { remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-cli-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface RunningProgram {
  readonly end: Promise<ProgramEnd>
  signal(name: NodeJS.Signals): void
}

export function startProgram(
  words: readonly string[],
  place: ProgramPlace,
  secondsMost: number = secondsMax,
): RunningProgram {
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--disable-warning=ExperimentalWarning', main, ...words],
    {
      cwd: place.folder,
      env: {
        PATH: '/usr/bin:/bin',
        HOME: place.folder,
        XDG_CONFIG_HOME: join(place.folder, 'config'),
        XDG_STATE_HOME: join(place.folder, 'state'),
        ...place.environment,
      },
      stdio: 'pipe',
      timeout: secondsMost * 1000,
      ...(place.uid === undefined ? {} : { uid: place.uid, gid: place.uid }),
    },
  )
  let output = ''
  let notices = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    notices += text
  })
  const end = new Promise<ProgramEnd>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output, notices }))
  })
  child.stdin.end(place.input ?? '')
  return { end, signal: (name) => child.kill(name) }
}

export function runProgram(words: readonly string[], place: ProgramPlace): Promise<ProgramEnd> {
  return startProgram(words, place).end
}
