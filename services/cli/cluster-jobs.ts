// Jobs of a cluster: how they are named, found, and asked for again.
import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { WaybillError } from '#libs/domain/errors'
import { partitionOfName } from '#libs/domain/placement'
import { type Appended, createEventWriter } from '#libs/log/event-writer'
import type { ClusterLog } from '#libs/runtime/adapters'
import type { ClusterSettings, ConnectionSettings } from '#libs/runtime/cluster-settings'
import { placeNamed } from '#libs/runtime/connection-places'
import type { Draft } from '#schemas/events'
import type { JobRequest } from '#schemas/records'
import type { RequestRow } from '#schemas/rows'
import type { ClusterLook } from './cluster-look.ts'
import type { CommandInput } from './command.ts'
import { requestWords } from './jobs.ts'
import { software } from './software.ts'
import { nearest } from './spelling.ts'
import type { RunWords } from './summary.ts'

/** Stands for what this configuration does not know. */
const unknownConnection = (name: string): ConnectionSettings => ({
  name,
  place: { kind: 'files', path: '/' },
  profile: null,
  verifyProfile: null,
})

/**
 * A location of a job, checked. What this configuration knows of the connections is held against it; it may know none,
 * since only those who serve need them. Throws USAGE, LOCATION_REFUSED.
 */
export function clusterLocation(text: string, { connections }: Pick<ClusterSettings, 'connections'>): string {
  // A slash at the end is what shells add.
  const plain = text.replace(/\/+$/, '')
  const name = /^@([^/]*)/.exec(plain)?.[1] ?? ''
  const known = connections.size > 0 ? connections : new Map([[name, unknownConnection(name)]])
  const found = placeNamed(plain, known)
  if (found.ok) return found.value.text
  if (found.code === 'CONNECTION_UNKNOWN') {
    const best = nearest(name, [...connections.keys()])
    const hint = best === null ? '' : `; did you mean @${best}?`
    throw new WaybillError('LOCATION_REFUSED', { location: text, problem: `${found.problem}${hint}` })
  }
  throw new WaybillError('USAGE', { problem: `${text} cannot be moved by a cluster: ${found.problem}` })
}

const wordMax = 24

/** Readable, and the same for the same two locations. */
export function deriveClusterJobName(source: string, target: string): string {
  const word = (location: string): string =>
    (location.split('/').at(-1) ?? '')
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[._-]+/, '')
      .slice(0, wordMax) || 'tree'
  const hash = createHash('sha256').update(`${source}\0${target}`).digest('hex')
  return `${word(source)}-to-${word(target)}-${hash.slice(0, 8)}`
}

/** Appends one event about a job, in its partition. Throws LOG_UNREACHABLE, LOG_DENIED; then the outcome is unknown. */
export async function tellCluster(input: CommandInput, log: ClusterLog, event: Draft): Promise<Appended> {
  const { jobs } = await log.partitionCounts()
  const writer = createEventWriter({
    log,
    clock: input.clock,
    // A name that was never used: commands are told apart by writer and sequence.
    writer: `${hostname()}-${process.pid}-${randomBytes(6).toString('hex')}`,
    software: software().version,
  })
  const [appended] = await writer.append([{ topic: 'jobs', partition: partitionOfName(event.job, jobs), event }])
  if (appended === undefined) throw new Error('an append of one event has one place')
  return appended
}

/** Requests for a job that nobody answered yet. */
export async function openRequests({ projection }: ClusterLook, job: string): Promise<readonly RequestRow[]> {
  const found = await projection.rows.slice('request', `request/${job}/`, 16)
  return found.map(({ row }) => row)
}

const jobsAtOnce = 1_000

/** Names of all jobs that were accepted or asked for, sorted. */
export async function clusterJobNames({
  projection: { rows },
}: Pick<ClusterLook, 'projection'>): Promise<readonly string[]> {
  const names = new Set<string>()
  for (const kind of ['job', 'request'] as const) {
    let after: string | undefined
    for (;;) {
      const found = await rows.slice(kind, `${kind}/`, jobsAtOnce, after)
      for (const { key } of found) names.add(key.split('/')[1] ?? '')
      after = found.at(-1)?.key
      if (found.length < jobsAtOnce) break
    }
  }
  return [...names].sort((a, b) => (a < b ? -1 : 1))
}

/** What is put behind commands on jobs of this cluster. */
export function clusterPlaceWords({ config, settings }: Pick<CommandInput, 'config' | 'settings'>): readonly string[] {
  const folder = settings['state-dir']
  return [...(config.isFound ? ['--config', config.path] : []), ...(folder === null ? [] : ['--state-dir', folder])]
}

/** Commands to offer about a job of the cluster. */
export function wordsOfClusterJob(input: CommandInput, job: string, request: JobRequest): RunWords {
  const place = clusterPlaceWords(input)
  const { source, target } = request
  const named = deriveClusterJobName(source, target) === job ? [] : ['--job', job]
  return { migrate: ['waybill', 'jobs', 'submit', source, target, ...requestWords(request), ...named, ...place], place }
}
