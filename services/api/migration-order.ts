// From the body of POST /migrations to what the log says is asked for: places checked, defaults filled in, nothing secret.
import { createHash } from 'node:crypto'
import {
  metadataProblem,
  objectOptionsProblem,
  objectOptionsText,
  type Pair,
  sortedPairs,
  storageClassProblem,
  tagProblem,
} from '#libs/domain/object-options'
import { compileSelection } from '#libs/domain/selection'
import { parseTimetable } from '#libs/domain/timetable'
import { type ConnectionPlace, escapeProblem, placeNamed, placesOverlap } from '#libs/runtime/connection-places'
import type { MigrationRequest } from '#schemas/api/migration'
import type { JobRequest } from '#schemas/records'
import type { ApiContext } from './context.ts'
import { bytesPerSecondOf } from './job-sight.ts'
import { ApiProblem } from './problems.ts'

const mib = 1024 ** 2

async function checkedPlace(
  { connections }: Pick<ApiContext, 'connections'>,
  text: string,
  pointer: string,
): Promise<ConnectionPlace> {
  const found = placeNamed(text, connections)
  if (!found.ok) throw new ApiProblem(found.code, { errors: [{ pointer, detail: found.problem }] })
  const way = await escapeProblem(found.value)
  if (way !== null) throw new ApiProblem('LOCATION_ESCAPES', { errors: [{ pointer, detail: way }] })
  return found.value
}

function conflict(pointer: string, detail: string): never {
  throw new ApiProblem('OPTIONS_CONFLICT', { errors: [{ pointer, detail }] })
}

const s3Only = ['storage_class', 'sse', 'sse_kms_key_id', 'metadata', 'tags'] as const

function firstProblem(pairs: readonly Pair[], problemOf: (pair: Pair) => string | null): string | null {
  for (const pair of pairs) {
    const problem = problemOf(pair)
    if (problem !== null) return problem
  }
  return null
}

function objectOptions(body: MigrationRequest, target: ConnectionPlace): Readonly<Record<string, string>> {
  const given = s3Only.find((name) => body[name] !== undefined)
  if (given === undefined) return {}
  if (target.place.kind !== 's3') conflict(`/${given}`, 'it speaks of S3, and the target is a folder')
  // Stores send metadata names in lower case, whatever was written.
  const metadata = sortedPairs(Object.entries(body.metadata ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  const tags = sortedPairs(Object.entries(body.tags ?? {}))
  const checks: readonly (readonly [string, string | null])[] = [
    ['/storage_class', body.storage_class === undefined ? null : storageClassProblem(body.storage_class)],
    ['/metadata', firstProblem(metadata, metadataProblem)],
    ['/tags', firstProblem(tags, tagProblem)],
  ]
  for (const [pointer, problem] of checks) if (problem !== null) conflict(pointer, problem)
  const options = {
    storageClass: body.storage_class ?? null,
    encryption: body.sse ?? null,
    encryptionKey: body.sse_kms_key_id ?? null,
    metadata,
    tags,
  }
  const problem = objectOptionsProblem(options)
  if (problem !== null) conflict('/metadata', problem)
  return Object.fromEntries(objectOptionsText(options))
}

function samplePercentOf({ verify = 'full', sample_percent: percent }: MigrationRequest): number {
  if (verify === 'sample') return percent ?? conflict('/sample_percent', 'verify sample needs it')
  if (percent !== undefined) conflict('/sample_percent', 'only verify sample takes it')
  return verify === 'full' ? 100 : 0
}

function modifiedAfterMs({ modified_after: text }: MigrationRequest): number | null {
  if (text === undefined) return null
  const ms = Date.parse(text)
  return Number.isSafeInteger(ms) ? ms : conflict('/modified_after', 'it is no time')
}

/** Limits by the hour stand in place of one limit. */
export function timetableOf(body: {
  readonly throughput_timetable?: string
  readonly throughput_limit_gb_per_hour?: number | string
}): string | null {
  const text = body.throughput_timetable
  if (text === undefined) return null
  if (body.throughput_limit_gb_per_hour !== undefined)
    conflict('/throughput_timetable', 'it stands in place of throughput_limit_gb_per_hour')
  const timetable = parseTimetable(text)
  return timetable.ok ? text : conflict('/throughput_timetable', timetable.problem)
}

function requestOf(body: MigrationRequest, source: ConnectionPlace, target: ConnectionPlace): JobRequest {
  const { throughput_limit_gb_per_hour: limit, source_peak_gb_per_hour: peak } = body
  const [minimum, maximum] = [body.min_size_bytes ?? null, body.max_size_bytes ?? null]
  if (minimum !== null && maximum !== null && minimum > maximum)
    conflict('/min_size_bytes', 'it is more than max_size_bytes')
  return {
    source: source.text,
    target: target.text,
    targetOptions: objectOptions(body, target),
    layout: 'objects',
    chunkBytes: body.chunk_bytes ?? 64 * mib,
    rules: body.rules ?? [],
    filesFromDigest: null,
    sizeBytesMin: minimum,
    sizeBytesMax: maximum,
    modifiedAfterMs: modifiedAfterMs(body),
    symlinks: body.symlinks ?? 'keep',
    storesEntries: body.store_entries ?? false,
    overwrite: body.overwrite ?? 'never',
    verify: body.verify ?? 'full',
    samplePercent: samplePercentOf(body),
    reconcile: body.reconcile ?? 'listing',
    throughputBytesPerSecond: limit === undefined ? null : bytesPerSecondOf(limit),
    throughputTimetable: timetableOf(body),
    sourcePeakBytesPerSecond: peak === undefined ? null : bytesPerSecondOf(peak),
    workersMax: body.max_parallel_workers ?? null,
    priority: body.priority ?? 'normal',
    errorsMax: body.max_errors ?? null,
  }
}

/** The same body gives the same request. Throws LOCATION_INVALID, CONNECTION_UNKNOWN, LOCATION_ESCAPES, LOCATIONS_OVERLAP, OPTIONS_CONFLICT. */
export async function orderOf(context: Pick<ApiContext, 'connections'>, body: MigrationRequest): Promise<JobRequest> {
  const source = await checkedPlace(context, body.source_path, '/source_path')
  const target = await checkedPlace(context, body.target_path, '/target_path')
  if (source.place.kind !== 'files')
    throw new ApiProblem('LOCATION_INVALID', {
      errors: [{ pointer: '/source_path', detail: 'only folders can be sources yet' }],
    })
  if (placesOverlap(source.place, target.place))
    throw new ApiProblem('LOCATIONS_OVERLAP', {
      errors: [{ pointer: '/target_path', detail: 'source and target lie within each other' }],
    })
  const request = requestOf(body, source, target)
  const selection = compileSelection(request, null)
  if (!selection.ok) conflict('/rules', selection.problem)
  return request
}

const wordMax = 24

function wordOf(location: string): string {
  const last = location.split('/').at(-1) ?? ''
  const word = last.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[._-]+/, '')
  return word.slice(0, wordMax) || 'tree'
}

/**
 * Name of a migration that was given none. With a key it follows from principal and key alone, so that the same key always
 * means the same migration, in every process and after a restart; without, from the two places.
 */
export function jobNameOf(
  request: JobRequest,
  key: { readonly principal: string; readonly text: string } | null,
): string {
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
  if (key !== null) return `key-${digest(`${key.principal}\0${key.text}`).slice(0, 24)}`
  const { source, target } = request
  return `${wordOf(source)}-to-${wordOf(target)}-${digest(`${source}\0${target}`).slice(0, 8)}`
}
