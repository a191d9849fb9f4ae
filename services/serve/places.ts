// What the locations of a request mean here: `@connection/relative/path`, a place below a root that the operator named.
// Requests may come from anyone, so they name no endpoint, no path of their own and nothing above the root.
import { realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { objectOptionsOf, objectOptionsProblem } from '#libs/domain/object-options'
import { compileSelection } from '#libs/domain/selection'
import { openSource, openTarget, type Place, type S3Access } from '#libs/runtime/adapters'
import type { Clock, Random } from '#libs/runtime/clock'
import type { ClusterSettings, ConnectionSettings } from '#libs/runtime/cluster-settings'
import type { Logger } from '#libs/runtime/logger'
import type { JobRequest } from '#schemas/records'
import type { JobEnds } from './parts.ts'

export interface PlaceOptions {
  readonly settings: Pick<ClusterSettings, 'connections' | 'caFile' | 'proxies' | 'requestsMax'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

interface Found {
  readonly connection: ConnectionSettings
  /** Without slashes at its ends; empty: the root itself. */
  readonly path: string
}

type Connections = ClusterSettings['connections']

/** The connection and the path below its root. Throws LOCATION_REFUSED. */
export function findPlace(location: string, connections: Connections): Found {
  const refuse = (problem: string): never => {
    throw new WaybillError('LOCATION_REFUSED', { location, problem })
  }
  const match = /^@([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:\/(.*))?$/s.exec(location)
  if (match === null) return refuse('it does not begin with @connection')
  const connection = connections.get(match[1] as string)
  if (connection === undefined) return refuse('no connection of this name is configured')
  const segments = (match[2] ?? '').split('/').filter((segment) => segment !== '')
  if (segments.some((segment) => segment === '.' || segment === '..')) return refuse('it has a segment "." or ".."')
  if (location.includes('\0')) return refuse('it has a zero byte')
  return { connection, path: segments.join('/') }
}

function placeOf({ connection, path }: Found): Place {
  const { place } = connection
  if (place.kind === 'files') return { kind: 'files', path: join(place.path, path) }
  return { ...place, prefix: [place.prefix.replace(/\/+$/, ''), path].filter((part) => part !== '').join('/') }
}

/** The code why a request cannot be worked on by processes that are configured like this one; null: it can. */
export function refusalOf(request: JobRequest, connections: Connections): string | null {
  if (request.filesFromDigest !== null) return 'NOT_SUPPORTED'
  if (!compileSelection(request, null).ok) return 'USAGE'
  if (objectOptionsProblem(objectOptionsOf(request.targetOptions)) !== null) return 'USAGE'
  try {
    if (findPlace(request.source, connections).connection.place.kind !== 'files') return 'NOT_SUPPORTED'
    findPlace(request.target, connections)
    return null
  } catch (error) {
    if (error instanceof WaybillError) return error.code
    throw error
  }
}

/** A link below the root may not lead out of it. Throws LOCATION_REFUSED; a place that is not there yet is inside. */
async function mustBeInside({ connection }: Found, place: Place): Promise<void> {
  if (place.kind !== 'files' || connection.place.kind !== 'files') return
  const isAbsent = (error: unknown): boolean =>
    error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
  const root = await realpath(connection.place.path).catch((error: unknown) => {
    if (isAbsent(error)) throw new WaybillError('SOURCE_MISSING', { path: connection.place.kind }, { cause: error })
    throw error
  })
  let existing = place.path
  for (;;) {
    const found = await realpath(existing).catch((error: unknown) => {
      if (isAbsent(error)) return null
      throw error
    })
    if (found !== null) {
      if (found === root || found.startsWith(root === sep ? sep : `${root}${sep}`)) return
      throw new WaybillError('LOCATION_REFUSED', { location: `@${connection.name}`, problem: 'a link leads out of it' })
    }
    existing = join(existing, '..')
  }
}

function accessOf(options: PlaceOptions, request: JobRequest, found: Found, profile: string | null): S3Access {
  const { settings, clock, random, logger } = options
  const { place } = found.connection
  return {
    endpoint: null,
    region: null,
    isPathStyle: place.kind === 's3' && (place.isPathStyle ?? place.endpoint !== null),
    profile,
    identity: null,
    caFile: settings.caFile,
    proxies: settings.proxies,
    objectOptions: objectOptionsOf(request.targetOptions),
    connectionsMax: settings.requestsMax,
    clock,
    random,
    onRetry: ({ operation, code, attempt, delayMs }) =>
      logger.warn({ operation, code, attempt, delayMs }, 'target request failed, will retry'),
  }
}

/** Opens source and targets of a job. Throws LOCATION_REFUSED, SOURCE_MISSING and what opening throws. */
export async function openEnds(options: PlaceOptions, job: string, request: JobRequest): Promise<JobEnds> {
  const { connections } = options.settings
  const from = findPlace(request.source, connections)
  const to = findPlace(request.target, connections)
  const [sourcePlace, targetPlace] = [placeOf(from), placeOf(to)]
  await mustBeInside(from, sourcePlace)
  await mustBeInside(to, targetPlace)
  const selection = compileSelection(request, null)
  if (!selection.ok) throw new WaybillError('USAGE', { problem: selection.problem })
  const { profile, verifyProfile } = to.connection
  return {
    source: openSource(sourcePlace, (name) => selection.value.entersDirectory(name)),
    target: await openTarget(targetPlace, job, accessOf(options, request, to, profile)),
    readTarget: await openTarget(targetPlace, job, accessOf(options, request, to, verifyProfile ?? profile)),
  }
}
