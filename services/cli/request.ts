// From settings to what a job is asked for: normalised, without secrets, and the selection it means.
import { createHash } from 'node:crypto'
import { WaybillError } from '#libs/domain/errors'
import type { NameList } from '#libs/domain/name-list'
import { objectOptionsProblem, objectOptionsText } from '#libs/domain/object-options'
import { compileSelection, type Selection } from '#libs/domain/selection'
import { withNamedEntries } from '#libs/source/named-entries'
import type { Source, SourceEntry } from '#libs/source/source'
import type { JobRequest } from '#schemas/records'
import type { CommandInput } from './command.ts'
import { connectSource, endpointOf, objectOptionsIn } from './connections.ts'
import { type Location, locationText } from './locations.ts'
import type { OptionName } from './options.ts'
import { isInFolder, stateInside } from './own-state.ts'
import { readNames, readRules } from './selection-input.ts'
import { stateFolderOf } from './state-folder.ts'

export interface JobOrder {
  readonly request: JobRequest
  readonly selection: Selection
  /** The names of --files-from; null without it. */
  readonly names: NameList | null
  /** What of the source is listed: the selection, without our own state folder. */
  readonly selects: (entry: SourceEntry) => boolean
}

/** `selection` as the roles ask it. */
async function selectsOf(input: CommandInput, source: Location, selection: Selection): Promise<JobOrder['selects']> {
  const { terminal, settings } = input
  const folder = stateFolderOf(input)
  const own = await stateInside(folder, source)
  // Of what failed nothing but the name is sure to be known: size and age say nothing.
  const known = (entry: SourceEntry): SourceEntry =>
    entry.outcome === 'failed' && entry.kind === 'file' ? { ...entry, kind: 'special' } : entry
  if (own === null) return (entry) => selection.choose(known(entry)) !== 'leave_out'
  if (!settings.quiet) terminal.notice(`waybill: the state folder lies in the source and is left out: ${folder}\n`)
  return (entry) => !isInFolder(entry.name, own) && selection.choose(known(entry)) !== 'leave_out'
}

const s3Only = [
  'target-endpoint',
  'target-region',
  'target-profile',
  'verify-profile',
  'storage-class',
  'sse',
  'sse-kms-key-id',
  'metadata',
  'tag',
] as const satisfies readonly OptionName[]

function sizeContradiction({ settings }: CommandInput): string | null {
  const [minimum, maximum] = [settings['min-size'], settings['max-size']]
  return minimum !== null && maximum !== null && minimum > maximum ? '--min-size is more than --max-size' : null
}

/** What contradicts itself, or speaks of a target that is another one. */
function contradiction(target: Location, input: CommandInput): string | null {
  const { settings, origins } = input
  const wrong = sizeContradiction(input)
  if (wrong !== null) return wrong
  if (target.kind === 's3') return objectOptionsProblem(objectOptionsIn(settings))
  // What the environment or the configuration file says may be meant for other jobs.
  const stray = s3Only.find((name) => origins.get(name)?.kind === 'flag')
  return stray === undefined ? null : `--${stray} speaks of S3, and the target is a folder`
}

function targetOptionsOf(input: CommandInput, target: Location): Record<string, string> {
  if (target.kind !== 's3') return {}
  const { settings, environment } = input
  const options = {
    endpoint: endpointOf(target, settings, environment),
    region: settings['target-region'] ?? target.region,
  }
  const reached = Object.entries(options).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
  return Object.fromEntries([...reached, ...objectOptionsText(objectOptionsIn(settings))])
}

type RequestEnds = Pick<JobRequest, 'source' | 'target' | 'targetOptions' | 'filesFromDigest'>

/** What the options ask for. Throws USAGE for rules that are not understood. */
async function requestOf({ settings, typed }: CommandInput, ends: RequestEnds): Promise<JobRequest> {
  return {
    ...ends,
    layout: 'objects',
    chunkBytes: settings['chunk-size'],
    rules: await readRules(typed),
    sizeBytesMin: settings['min-size'],
    sizeBytesMax: settings['max-size'],
    modifiedAfterMs: settings['modified-after'],
    symlinks: settings.symlinks,
    storesEntries: settings['store-entries'],
    overwrite: settings.overwrite,
    verify: settings.verify.mode,
    samplePercent: settings.verify.samplePercent,
    reconcile: settings.reconcile,
    throughputBytesPerSecond: settings.throughput.bytesPerSecond,
    throughputTimetable: settings.throughput.timetable,
    sourcePeakBytesPerSecond: settings['source-peak'],
    workersMax: settings['max-workers'],
    priority: settings.priority,
    errorsMax: settings['max-errors'],
  }
}

/** What a cluster is asked for; its ends are told as they are. The same options give the same request, byte for byte. Throws USAGE. */
export async function clusterRequestOf(
  input: CommandInput,
  ends: { readonly source: string; readonly target: string },
): Promise<JobRequest> {
  const objects = objectOptionsIn(input.settings)
  const wrong = sizeContradiction(input) ?? objectOptionsProblem(objects)
  if (wrong !== null) throw new WaybillError('USAGE', { problem: wrong })
  const targetOptions = Object.fromEntries(objectOptionsText(objects))
  const request = await requestOf(input, { ...ends, targetOptions, filesFromDigest: null })
  const selection = compileSelection(request, null)
  if (!selection.ok) throw new WaybillError('USAGE', { problem: selection.problem })
  return request
}

/** The same options give the same request, byte for byte. Throws USAGE for rules and files that are not understood. */
export async function orderOf(input: CommandInput, source: Location, target: Location): Promise<JobOrder> {
  const { settings } = input
  const wrong = contradiction(target, input)
  if (wrong !== null) throw new WaybillError('USAGE', { problem: wrong })
  const names = await readNames(settings['files-from'], { isNull: settings.null, input: process.stdin })
  const request = await requestOf(input, {
    source: locationText(source),
    target: locationText(target),
    targetOptions: targetOptionsOf(input, target),
    filesFromDigest: names === null ? null : createHash('sha256').update(names.encode()).digest('hex'),
  })
  const selection = compileSelection(request, names)
  if (!selection.ok) throw new WaybillError('USAGE', { problem: selection.problem })
  const selects = await selectsOf(input, source, selection.value)
  return { request, selection: selection.value, names, selects }
}

/** The source of an order: what its selection rules out is not entered, and names that are not there are told. */
export function connectOrdered(source: Location, { selection, names }: JobOrder): Source {
  const opened = connectSource(source, (name) => selection.entersDirectory(name))
  return names === null ? opened : withNamedEntries(opened, names)
}
