// A job's name when --job does not say one: readable, and the same for the same two locations.
import { createHash } from 'node:crypto'
import { type Location, locationText } from './locations.ts'

const wordMax = 24

/** Last segment of a location, as letters, digits, `.`, `_`, `-`. */
function wordOf(location: Location): string {
  const text = location.kind === 's3' ? `${location.bucket}/${location.prefix}` : location.path
  const last =
    text
      .split('/')
      .filter((segment) => segment !== '')
      .at(-1) ?? 'root'
  return (
    last
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[._-]+/, '')
      .slice(0, wordMax) || 'tree'
  )
}

/** `endpoint`: the server of an S3 target, null for AWS and for folders. */
export function deriveJobName(source: Location, target: Location, endpoint: string | null): string {
  const hash = createHash('sha256').update(`${locationText(source)}\0${locationText(target)}\0${endpoint ?? ''}`)
  return `${wordOf(source)}-to-${wordOf(target)}-${hash.digest('hex').slice(0, 8)}`
}
