// The two streams, as the commands see them. Results go to standard output, everything else to standard error.
import type { Environment } from '#libs/runtime/environment'
import { redactText } from '#libs/runtime/redaction'

export interface Terminal {
  /** Writes to standard output; resolves when the text was taken. A closed pipe (`| head`) ends quietly. */
  result(text: string | Buffer): Promise<void>
  /** Writes to standard error at once, secrets taken out. */
  notice(text: string): void
  readonly isErrorTerminal: boolean
  readonly isInputTerminal: boolean
  readonly isDumb: boolean
  readonly isUnicode: boolean
  readonly hasColor: boolean
  columns(): number
  resultColumns(): number | null
}

const columnsDefault = 80

export function openTerminal(environment: Environment): Terminal {
  const { stdout, stderr, stdin } = process
  let isPipeClosed = false
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    isPipeClosed = true
  })
  // Nobody can be told that standard error is gone.
  stderr.on('error', () => undefined)
  return {
    result: (text) =>
      new Promise((resolve) => {
        if (isPipeClosed || text.length === 0) resolve()
        else stdout.write(text, () => resolve())
      }),
    notice: (text) => {
      stderr.write(redactText(text))
    },
    isErrorTerminal: stderr.isTTY === true,
    isInputTerminal: stdin.isTTY === true,
    isDumb: environment.isDumbTerminal,
    isUnicode: environment.isUnicode,
    hasColor: stderr.isTTY === true && !environment.hasNoColor && !environment.isDumbTerminal,
    columns: () => stderr.columns || columnsDefault,
    resultColumns: () => (stdout.isTTY === true ? stdout.columns : null),
  }
}
