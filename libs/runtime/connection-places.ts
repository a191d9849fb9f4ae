// What a location of a request means: `@connection/relative/path`, a place below a root that the operator named. Requests
// come from clients, so they name no endpoint, no path of their own and nothing above the root. Nothing is tidied up on the
// way: two spellings of one place would be two jobs.
import { realpath } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { Place } from './adapters.ts'
import type { ConnectionSettings } from './cluster-settings.ts'

export type Connections = ReadonlyMap<string, ConnectionSettings>

export interface ConnectionPlace {
  readonly connection: ConnectionSettings
  /** Relative to the connection, no slash at either end; empty: all of it. */
  readonly path: string
  readonly place: Place
  /** The one way this location is written. */
  readonly text: string
}

export type PlaceProblem = 'LOCATION_INVALID' | 'CONNECTION_UNKNOWN' | 'LOCATION_ESCAPES'

export type FoundPlace =
  | { readonly ok: true; readonly value: ConnectionPlace }
  | { readonly ok: false; readonly code: PlaceProblem; readonly problem: string }

const segmentBytesMax = 255

const refused = (code: PlaceProblem, problem: string): FoundPlace => ({ ok: false, code, problem })

function segmentProblem(segment: string): string | null {
  if (segment === '') return 'it has an empty segment, or a slash at its end'
  if (segment === '.' || segment === '..') return 'it has a segment . or ..'
  if (/[\u0000-\u001f\u007f\\]/.test(segment)) return 'it has a control character or a backslash'
  // A lone surrogate has no bytes: what is stored would be another name.
  if (!segment.isWellFormed()) return 'it is not valid Unicode'
  return Buffer.byteLength(segment) > segmentBytesMax ? `a segment has more than ${segmentBytesMax} bytes` : null
}

function below(place: Place, path: string): Place {
  if (path === '') return place
  if (place.kind === 'files') return { kind: 'files', path: join(place.path, path) }
  const prefix = place.prefix.replace(/\/+$/, '')
  return { ...place, prefix: prefix === '' ? path : `${prefix}/${path}` }
}

/** The place that a location names, by its text alone. */
export function placeNamed(text: string, connections: Connections): FoundPlace {
  const match = /^@([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:\/(.*))?$/s.exec(text)
  if (match === null) return refused('LOCATION_INVALID', 'a location is @connection/relative/path')
  const [, name = '', path] = match
  for (const segment of path?.split('/') ?? []) {
    const problem = segmentProblem(segment)
    if (problem !== null) return refused('LOCATION_INVALID', problem)
  }
  const connection = connections.get(name)
  if (connection === undefined) return refused('CONNECTION_UNKNOWN', `there is no connection @${name}`)
  const place = below(connection.place, path ?? '')
  return { ok: true, value: { connection, path: path ?? '', place, text } }
}

async function realPathOrNull(path: string): Promise<string | null> {
  try {
    return await realpath(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
}

const isWithin = (path: string, root: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)

/**
 * Whether a place of files leads out of its root by links, as the file system of this machine is now; what does not exist
 * yet is judged by the folder that it would lie in. null: it does not, or the root is not on this machine.
 */
export async function escapeProblem({ connection, place }: ConnectionPlace): Promise<string | null> {
  if (place.kind !== 'files' || connection.place.kind !== 'files') return null
  const root = await realPathOrNull(connection.place.path)
  if (root === null) return null
  for (let path = place.path; ; path = dirname(path)) {
    const real = await realPathOrNull(path).catch((error: unknown) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      return `\0${code}`
    })
    if (real?.startsWith('\0') === true) return `it cannot be looked at (${real.slice(1)})`
    if (real !== null) return isWithin(real, root) ? null : 'a link in it leads out of the connection'
    if (path === dirname(path)) return 'it does not lie in the connection'
  }
}

/** Two places of which one lies within the other. */
export function placesOverlap(one: Place, other: Place): boolean {
  if (one.kind === 'files' && other.kind === 'files') {
    return isWithin(one.path, other.path) || isWithin(other.path, one.path)
  }
  if (one.kind === 's3' && other.kind === 's3') {
    if (one.bucket !== other.bucket || one.endpoint !== other.endpoint) return false
    const [a, b] = [`${one.prefix}/`, `${other.prefix}/`]
    return one.prefix === '' || other.prefix === '' || a.startsWith(b) || b.startsWith(a)
  }
  return false
}
