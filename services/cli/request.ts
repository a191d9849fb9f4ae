// From settings to what a job is asked for: normalised, without secrets, and the selection it means.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { WaybillError } from '#libs/domain/errors'
import { type NameList, parseNameList } from '#libs/domain/name-list'
import type { Parsed } from '#libs/domain/quantity'
import {
  closeRules,
  compileSelection,
  parseFilterFile,
  type Selection,
  type SelectionRule,
} from '#libs/domain/selection'
import type { JobRequest } from '#schemas/records'
import type { CommandInput } from './command.ts'
import { type Location, locationText } from './locations.ts'

export interface JobOrder {
  readonly request: JobRequest
  readonly selection: Selection
}

function demand<T>(result: Parsed<T>, what: string): T {
  if (!result.ok) throw new WaybillError('USAGE', { problem: `${what}: ${result.problem}` })
  return result.value
}

async function readText(path: string, option: string): Promise<Buffer> {
  try {
    return await readFile(path === '-' ? '/dev/stdin' : path)
  } catch (cause) {
    throw new WaybillError('USAGE', { problem: `${option}: ${path} cannot be read` }, { cause })
  }
}

/** Rules in the order in which they were typed. */
async function rulesOf({ typed }: CommandInput): Promise<readonly SelectionRule[]> {
  const rules: SelectionRule[] = []
  let hasInclude = false
  for (const { name, text } of typed) {
    if (name === 'include' || name === 'exclude') {
      rules.push({ action: name, glob: text })
      hasInclude ||= name === 'include'
    } else if (name === 'filter-from') {
      rules.push(...demand(parseFilterFile(await readText(text, '--filter-from')), `--filter-from ${text}`))
    }
  }
  return closeRules(rules, hasInclude)
}

async function namesOf({ settings }: CommandInput): Promise<{ list: NameList; digest: string } | null> {
  const path = settings['files-from']
  if (path === null) return null
  const bytes = await readText(path, '--files-from')
  const list = demand(parseNameList(bytes, settings.null ? 0 : 10), `--files-from ${path}`)
  return { list, digest: createHash('sha256').update(bytes).digest('hex') }
}

function targetOptionsOf(input: CommandInput, target: Location): Record<string, string> {
  if (target.kind !== 's3') return {}
  const { settings, environment } = input
  const options = {
    endpoint: settings['target-endpoint'] ?? target.endpoint ?? environment.aws.endpoint,
    region: settings['target-region'] ?? target.region,
    storage_class: settings['storage-class'],
    sse: settings.sse,
    sse_kms_key_id: settings['sse-kms-key-id'],
    metadata: settings.metadata.join('\n') || null,
    tags: settings.tag.join('\n') || null,
  }
  return Object.fromEntries(Object.entries(options).flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
}

/** Throws USAGE for rules and files that are not understood. */
export async function orderOf(input: CommandInput, source: Location, target: Location): Promise<JobOrder> {
  const { settings } = input
  const names = await namesOf(input)
  const request: JobRequest = {
    source: locationText(source),
    target: locationText(target),
    targetOptions: targetOptionsOf(input, target),
    layout: 'objects',
    chunkBytes: settings['chunk-size'],
    rules: await rulesOf(input),
    filesFromDigest: names?.digest ?? null,
    sizeBytesMin: settings['min-size'],
    sizeBytesMax: settings['max-size'],
    modifiedAfterMs: settings['modified-after'],
    symlinks: settings.symlinks,
    storesEntries: settings['store-entries'],
    overwrite: settings.overwrite,
    verify: settings.verify.mode,
    samplePercent: settings.verify.samplePercent,
    reconcile: settings.reconcile,
    throughputBytesPerSecond: settings.throughput,
    sourcePeakBytesPerSecond: settings['source-peak'],
    workersMax: null,
    priority: 'normal',
    errorsMax: settings['max-errors'],
  }
  return { request, selection: demand(compileSelection(request, names?.list ?? null), 'selection') }
}
