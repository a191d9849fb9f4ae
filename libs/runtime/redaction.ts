// Secrets never reach a screen, a log line or an error (I9). What is redacted here is what could slip in with text that
// people or servers wrote: passwords in URIs, signed queries, headers.
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

/** A copy with secret fields and secret text replaced; what is nested deeper than 6 levels is cut off. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= depthMax) return '[deep]'
  if (Array.isArray(value)) return value.map((each) => redactValue(each, depth + 1))
  if (value instanceof Uint8Array) return showName(value.subarray(0, nameBytesShown))
  if (value instanceof Error) return redactError(value, depth)
  const entries = Object.entries(value).map(([name, each]) => [
    name,
    secretName.test(name) ? censored : redactValue(each, depth + 1),
  ])
  return Object.fromEntries(entries)
}

function redactError(error: Error, depth: number): unknown {
  return {
    ...(redactValue({ ...error }, depth + 1) as object),
    type: error.name,
    message: redactText(error.message),
    stack: redactText(error.stack ?? ''),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  }
}
