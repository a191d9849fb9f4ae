// What a person reads when a command ends by an error: code, what happened, to what, what to do.
import { type ErrorCode, errorCatalogue, type Facts, WaybillError } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { type ExitCode, exitCodeOfFailure } from '#libs/domain/report'
import { redactText, redactValue } from '#libs/runtime/redaction'
import { exitMeaning } from './exit-codes.ts'

const factCharactersMax = 400

/** `path=/x, reason=ENOENT`; what stands in the sentence already is left out. */
function factsText(facts: Facts, leftOut: readonly string[]): string {
  return Object.entries(facts)
    .filter(([name, value]) => !leftOut.includes(name) && value !== null)
    .map(([name, value]) => `${name}=${showText(String(value))}`)
    .join(', ')
    .slice(0, factCharactersMax)
}

/** Usage and configuration errors tell their problem; all others tell the catalogue's help and the facts. */
function sentence(error: WaybillError): string {
  const { code, facts } = error
  const problem = facts['problem']
  if (typeof problem === 'string') {
    const path = typeof facts['path'] === 'string' ? `${showText(facts['path'])}: ` : ''
    return `${path}${showText(problem)}`
  }
  const rest = factsText(facts, ['hasMoved'])
  return `${errorCatalogue[code].help}${rest === '' ? '' : ` (${rest})`}`
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}

/** One clear line, or with `isVerbose` the stack behind it. Never a stack trace otherwise. */
export function failureText(error: unknown, isVerbose: boolean): string {
  const told =
    error instanceof WaybillError
      ? `${error.code}: ${sentence(error)}`
      : `INTERNAL: ${errorCatalogue.INTERNAL.help} (${showText(firstLine(String(error)))})`
  const stack = isVerbose && error instanceof Error ? `\n${stackText(error)}` : ''
  return `waybill: ${redactText(told)}${stack}\n`
}

function stackText(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackText(error.cause)}` : ''
  return `${redactText(error.stack ?? '')}${cause}`
}

/** For `--json`: the same as one object. */
export function failureObject(error: unknown, exitCode: ExitCode): object {
  const code: ErrorCode = error instanceof WaybillError ? error.code : 'INTERNAL'
  return {
    verdict: 'error',
    exit_code: exitCode,
    exit_meaning: exitMeaning(exitCode),
    error: {
      code,
      help: errorCatalogue[code].help,
      facts:
        error instanceof WaybillError ? redactValue(error.facts) : { message: redactText(firstLine(String(error))) },
    },
  }
}

/** The exit code of a command that threw. */
export function exitOfFailure(error: unknown): ExitCode {
  if (!(error instanceof WaybillError)) return 1
  return exitCodeOfFailure(error.code, error.facts['hasMoved'] === true)
}
