// What the locations of a request mean here: `@connection/relative/path`, a place below a root that the operator named.
// Requests may come from anyone, so they name no endpoint, no path of their own and nothing above the root.
import { WaybillError } from '#libs/domain/errors'
import { jobRequestProblem } from '#libs/domain/job-request'
import { objectOptionsOf } from '#libs/domain/object-options'
import { compileSelection } from '#libs/domain/selection'
import { openSource, openTarget, type S3Access } from '#libs/runtime/adapters'
import type { Clock, Random } from '#libs/runtime/clock'
import type { ClusterSettings } from '#libs/runtime/cluster-settings'
import { type ConnectionPlace, escapeProblem, placeNamed, placesOverlap } from '#libs/runtime/connection-places'
import type { Logger } from '#libs/runtime/logger'
import type { JobRequest } from '#schemas/records'
import type { JobEnds } from './parts.ts'

export interface PlaceOptions {
  readonly settings: Pick<ClusterSettings, 'connections' | 'caFile' | 'proxies' | 'requestsMax'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

type Connections = ClusterSettings['connections']

/** The place that a location names. Throws LOCATION_REFUSED. */
export function mustFind(location: string, connections: Connections): ConnectionPlace {
  const found = placeNamed(location, connections)
  if (!found.ok) throw new WaybillError('LOCATION_REFUSED', { location, problem: found.problem })
  return found.value
}

/** The code why a request cannot be worked on by processes that are configured like this one; null: it can. */
export function refusalOf(request: JobRequest, connections: Connections): string | null {
  if (request.filesFromDigest !== null) return 'NOT_SUPPORTED'
  if (jobRequestProblem(request) !== null) return 'USAGE'
  const source = placeNamed(request.source, connections)
  const target = placeNamed(request.target, connections)
  if (!source.ok || !target.ok) return 'LOCATION_REFUSED'
  if (source.value.place.kind !== 'files') return 'NOT_SUPPORTED'
  return placesOverlap(source.value.place, target.value.place) ? 'TARGET_OVERLAPS' : null
}

/** A link below the root may not lead out of it. Throws LOCATION_REFUSED. */
async function mustBeInside(found: ConnectionPlace): Promise<void> {
  const problem = await escapeProblem(found)
  if (problem !== null) throw new WaybillError('LOCATION_REFUSED', { location: found.text, problem })
}

function accessOf(
  options: PlaceOptions,
  request: JobRequest,
  found: ConnectionPlace,
  profile: string | null,
): S3Access {
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
  const from = mustFind(request.source, connections)
  const to = mustFind(request.target, connections)
  await mustBeInside(from)
  await mustBeInside(to)
  const selection = compileSelection(request, null)
  if (!selection.ok) throw new WaybillError('USAGE', { problem: selection.problem })
  const { profile, verifyProfile } = to.connection
  return {
    source: openSource(from.place, (name) => selection.value.entersDirectory(name)),
    target: await openTarget(to.place, job, accessOf(options, request, to, profile)),
    readTarget: await openTarget(to.place, job, accessOf(options, request, to, verifyProfile ?? profile)),
  }
}
