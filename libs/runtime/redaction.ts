// Secrets never reach a screen, a log line or an error (I9). What is redacted here is what could slip in with text that
// people or servers wrote: passwords in URIs, signed queries, headers.
import { WaybillError } from '#libs/domain/errors'
import { showName } from '#libs/domain/name-text'

const censored = '[redacted]'

/** Names of fields whose value is never shown. */
const secretName = /secret|passw|pwd|token|credential|authorization|signature|private.?key|session.?key|access.?key/i

const secretPatterns: readonly (readonly [RegExp, string])[] = [
  // scheme://user:password@host; the user stays, it helps to find the mistake. A password may hold an @.
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@]{0,256}):[^\s/]{1,1024}@/gi, `$1:${censored}@`],
  [
    /([?&;](?:x-amz-(?:signature|security-token|credential)|[a-z_-]{0,32}(?:secret|password|token|key))=)[^&\s"']{1,4096}/gi,
    `$1${censored}`,
  ],
  [/\b(authorization: ?)[^\r\n"]{1,4096}/gi, `$1${censored}`],
]

/** The text with passwords of URIs, signed queries and authorization headers replaced. */
export function redactText(text: string): string {
  let result = text
  for (const [pattern, replacement] of secretPatterns) result = result.replace(pattern, replacement)
  return result
}

const depthMax = 6
const nameBytesShown = 4096

/** Whose stack is shown: an operating error has a code, and where it was thrown tells an operator nothing. */
export type Stacks = 'of all errors' | 'of unexpected errors'

/** A copy with secret fields and secret text replaced; what is nested deeper than 6 levels is cut off. */
export function redactValue(value: unknown, stacks: Stacks = 'of all errors', depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= depthMax) return '[deep]'
  if (Array.isArray(value)) return value.map((each) => redactValue(each, stacks, depth + 1))
  if (value instanceof Uint8Array) return showName(value.subarray(0, nameBytesShown))
  if (value instanceof Error) return redactError(value, stacks, depth)
  const entries = Object.entries(value).map(([name, each]) => [
    name,
    secretName.test(name) ? censored : redactValue(each, stacks, depth + 1),
  ])
  return Object.fromEntries(entries)
}

function isExpected(error: Error): boolean {
  return error instanceof WaybillError && error.code !== 'INTERNAL'
}

/** What an expected error came of is told in the words of the system, without its stack. */
function redactCause(error: Error, stacks: Stacks, depth: number): object {
  const { cause } = error
  if (cause === undefined) return {}
  const isShort = stacks === 'of unexpected errors' && isExpected(error) && cause instanceof Error && !isExpected(cause)
  return { cause: isShort ? redactText(cause.message) : redactValue(cause, stacks, depth + 1) }
}

function redactError(error: Error, stacks: Stacks, depth: number): unknown {
  const hasStack = stacks === 'of all errors' || !isExpected(error)
  return {
    ...(redactValue({ ...error }, stacks, depth + 1) as object),
    type: error.name,
    message: redactText(error.message),
    ...(hasStack ? { stack: redactText(error.stack ?? '') } : {}),
    ...redactCause(error, stacks, depth),
  }
}
