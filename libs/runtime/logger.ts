// JSON lines by pino, to a file or to standard error. Ids come from child loggers; secrets are taken out of every line.
import { pino } from 'pino'
import { redactValue, type Stacks } from './redaction.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Object first, constant lower-case sentence second. */
export interface Logger {
  debug(fields: Fields, sentence: string): void
  info(fields: Fields, sentence: string): void
  warn(fields: Fields, sentence: string): void
  error(fields: Fields, sentence: string): void
  child(fields: Fields): Logger
  /** Writes out what is buffered; call it before the process ends. */
  flush(): void
}

export interface LoggerOptions {
  /** Where lines go; null: to standard error, where the others ask for it, else nowhere. */
  readonly file: string | null
  /** A process that serves tells what it does without being asked. */
  readonly isService: boolean
  /** Lines go to standard error unless a file is named, and debug lines and stacks of expected errors are written too. */
  readonly isVerbose: boolean
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
  flush: () => undefined,
}

/** What is used of pino. */
interface LineWriter {
  debug(fields: object, sentence: string): void
  info(fields: object, sentence: string): void
  warn(fields: object, sentence: string): void
  error(fields: object, sentence: string): void
  child(fields: Record<string, unknown>): LineWriter
}

function wrap(lines: LineWriter, stacks: Stacks, flush: () => void): Logger {
  return {
    debug: (fields, sentence) => lines.debug(fields, sentence),
    info: (fields, sentence) => lines.info(fields, sentence),
    warn: (fields, sentence) => lines.warn(fields, sentence),
    error: (fields, sentence) => lines.error(fields, sentence),
    child: (fields) => wrap(lines.child(redactFields(fields, stacks)), stacks, flush),
    flush,
  }
}

function redactFields(fields: object, stacks: Stacks): Record<string, unknown> {
  return redactValue(fields, stacks) as Record<string, unknown>
}

/** Opens the log; the file is readable by its owner alone and is appended to. Throws the system's error when it cannot be opened. */
export function openLogger(options: LoggerOptions): Logger {
  if (options.file === null && !options.isVerbose && !options.isService) return silentLogger
  const stacks: Stacks = options.isVerbose ? 'of all errors' : 'of unexpected errors'
  const destination = pino.destination({ dest: options.file ?? 2, sync: true, append: true, mode: 0o600 })
  const lines = pino(
    {
      level: options.isVerbose ? 'debug' : 'info',
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }), log: (fields) => redactFields(fields, stacks) },
      serializers: {},
    },
    destination,
  )
  return wrap(lines, stacks, () => destination.flushSync())
}
