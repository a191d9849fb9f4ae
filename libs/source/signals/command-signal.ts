// A signal by a command of the operator's: its standard output is the answer. No shell: the words are passed as they stand.
import { execFile } from 'node:child_process'
import { WaybillError } from '#libs/domain/errors'
import type { LoadSignal } from '../load-signal.ts'
import { answerBytesMax, readAnswer } from './answer.ts'

export interface CommandSettings {
  readonly name: string
  readonly threshold: number
  /** Program and arguments. */
  readonly words: readonly [string, ...string[]]
  readonly timeoutMs: number
}

function run({ name, words, timeoutMs }: CommandSettings, signal: AbortSignal): Promise<string> {
  const [program, ...rest] = words
  const options = { timeout: timeoutMs, maxBuffer: answerBytesMax, killSignal: 'SIGKILL', signal } as const
  return new Promise((resolve, reject) => {
    const child = execFile(program, rest, options, (error, stdout) => {
      if (error === null) resolve(stdout)
      else if (signal.aborted) reject(signal.reason)
      else reject(new WaybillError('SIGNAL_FAILED', { name, problem: problemOf(error) }))
    })
    child.stdin?.end()
  })
}

/** The error itself holds all words of the command and what it printed, either of which may be a secret: it is not kept. */
function problemOf(error: { readonly code?: unknown; readonly killed?: boolean }): string {
  if (error.killed === true) return 'the command took too long'
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `the command printed more than ${answerBytesMax} bytes`
  return typeof error.code === 'number' ? `the command ended with ${error.code}` : `the command failed: ${error.code}`
}

export function openCommandSignal(settings: CommandSettings): LoadSignal {
  const { name, threshold } = settings
  return { name, threshold, read: async (signal) => readAnswer(name, await run(settings, signal)) }
}
