// Jobs as the command line names them, and the commands that can be offered for one.
import { WaybillError } from '#libs/domain/errors'
import { objectOptionsOf } from '#libs/domain/object-options'
import type { JobRequest } from '#schemas/records'
import { type JobView, openJobView } from '../embedded/job-view.ts'
import { jobViewOf, openClusterLook } from './cluster-look.ts'
import { isOfCluster } from './cluster-settings.ts'
import type { CommandInput } from './command.ts'
import { deriveJobName } from './job-name.ts'
import { type Location, parseLocation } from './locations.ts'
import { optionTable } from './options.ts'
import { stateFolderOf } from './state-folder.ts'
import type { RunWords } from './summary.ts'
import { jobName } from './value-types.ts'

/** A job's name as it was typed. Throws JOB_UNKNOWN for what can be no name. */
export function jobNamed(word: string): string {
  if (!jobName.parse(word).ok) throw new WaybillError('JOB_UNKNOWN', { job: word })
  return word
}

/** The job's state, of the cluster or of this machine. Throws JOB_UNKNOWN and what the two throw. */
export async function viewJob(input: CommandInput, job: string): Promise<JobView> {
  if (!isOfCluster(input)) return viewJobHere(input, job)
  const look = await openClusterLook(input)
  const view = await jobViewOf(look, job)
  if (view.row !== undefined) return view
  await view.close()
  throw new WaybillError('JOB_UNKNOWN', { job, topic_prefix: input.cluster.kafka.topic_prefix })
}

/** The state of a job of this machine. Throws JOB_UNKNOWN and what openJobView throws. */
export function viewJobHere(input: CommandInput, job: string): Promise<JobView> {
  const { clock, signal, terminal } = input
  const onNotice = (text: string): void => terminal.notice(`waybill: ${text}\n`)
  return openJobView({ stateFolder: stateFolderOf(input), job, clock, signal, onNotice })
}

/** The target that a job was accepted with. */
export function storedTarget({ target, targetOptions }: JobRequest): Location {
  const location = parseLocation(target, new Map())
  if (location.kind === 'files') return location
  return { ...location, endpoint: targetOptions['endpoint'] ?? null, region: targetOptions['region'] ?? null }
}

export function storedSource({ source }: JobRequest): Location {
  return parseLocation(source, new Map())
}

/** Options that a job was accepted with, where they are not the defaults: a further run must say the same. */
export function requestWords(request: JobRequest): readonly string[] {
  const { rules, chunkBytes, symlinks, storesEntries, sizeBytesMin, sizeBytesMax, modifiedAfterMs, targetOptions } =
    request
  const { metadata, tags } = objectOptionsOf(targetOptions)
  // The last rule of a selection with --include is said by the --include itself.
  const isClosed = rules.at(-1)?.glob === '**' && rules.some(({ action }) => action === 'include')
  const typed = isClosed ? rules.slice(0, -1) : rules
  const when = (isSet: boolean, ...words: readonly string[]): readonly string[] => (isSet ? words : [])
  const option = (name: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : [`--${name}`, value]
  return [
    ...typed.flatMap(({ action, glob }) => [`--${action}`, glob]),
    ...when(request.filesFromDigest !== null, '--files-from', 'FILE'),
    ...when(sizeBytesMin !== null, '--min-size', `${sizeBytesMin}B`),
    ...when(sizeBytesMax !== null, '--max-size', `${sizeBytesMax}B`),
    ...when(modifiedAfterMs !== null, '--modified-after', new Date(modifiedAfterMs ?? 0).toISOString()),
    ...when(chunkBytes !== optionTable['chunk-size'].initial, '--chunk-size', `${chunkBytes}B`),
    ...when(symlinks !== 'keep', '--symlinks', symlinks),
    ...when(storesEntries, '--store-entries'),
    ...option('target-endpoint', targetOptions['endpoint']),
    ...option('target-region', targetOptions['region']),
    ...option('storage-class', targetOptions['storageClass']),
    ...option('sse', targetOptions['sse']),
    ...option('sse-kms-key-id', targetOptions['sseKmsKeyId']),
    ...metadata.flatMap(([name, value]) => ['--metadata', `${name}=${value}`]),
    ...tags.flatMap(([name, value]) => ['--tag', `${name}=${value}`]),
  ]
}

/** Where the state is, for commands that are offered. */
function placeWords({ settings }: CommandInput): readonly string[] {
  const folder = settings['state-dir']
  return folder === null ? [] : ['--state-dir', folder]
}

/** Commands to offer about a job that was accepted with this request. */
export function wordsOfJob(input: CommandInput, job: string, request: JobRequest): RunWords {
  const place = placeWords(input)
  const source = storedSource(request)
  const target = storedTarget(request)
  const derived = deriveJobName(source, target, request.targetOptions['endpoint'] ?? null)
  const named = derived === job ? [] : ['--job', job]
  const ends = [request.source, request.target]
  return { migrate: ['waybill', 'migrate', ...ends, ...requestWords(request), ...named, ...place], place }
}

/** Commands to offer about the job of a command that named its ends. */
export function wordsOfRun(input: CommandInput): RunWords {
  return { migrate: ['waybill', ...input.argv], place: placeWords(input) }
}

/** A cluster has hundreds of partitions: of those only the ones in which the job itself stands are told. */
const positionsToldMax = 8

/** Up to which positions a job is shown while another process works on it; null when it is at rest. */
export function asOfText({ isHeldElsewhere, positions, row }: JobView): string | null {
  if (!isHeldElsewhere) return null
  const own = [`jobs/${row?.acceptedIn}`, `listings/${row?.acceptedIn}`]
  const told = [...positions]
    .filter(([id, next]) => next > 0 && (positions.size <= positionsToldMax || own.includes(id)))
    .map(([id, next]) => `${id}:${next - 1}`)
  return `position ${told.sort((a, b) => (a < b ? -1 : 1)).join(', ')}`
}
