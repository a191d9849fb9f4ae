// What a dry run found, for people and as an object.

import { showText } from '#libs/domain/name-text'
import { formatCount, formatDuration, formatRate, formatSize } from '#libs/domain/quantity'
import type { ExitCode } from '#libs/domain/report'
import { reportMembers } from '#libs/report/header'
import type { TargetAbilities } from '#schemas/records'
import { exitMeaning } from './exit-codes.ts'
import { type ProblemGroup, problemLines } from './problem-groups.ts'
import { shellWords } from './shell-words.ts'

export interface PlanSummary {
  readonly job: string
  readonly source: string
  readonly target: string
  /** By kind of item. */
  readonly items: {
    readonly files: number
    readonly directories: number
    readonly links: number
    readonly other: number
  }
  readonly bytes: number
  /** Items that would not be moved, by code. */
  readonly problems: readonly ProblemGroup[]
  /** Items that get another key than their name, with samples as people see them. */
  readonly encodedNames: { readonly count: number; readonly samples: readonly string[] }
  readonly chunks: number
  readonly uploads: number
  /** null: the target takes no requests, it is a folder. */
  readonly targetRequests: number | null
  /** Read at the source, written, read back. */
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly bytesReadBack: number
  readonly memoryBytes: number
  /** Disk that the job's state will take. */
  readonly stateBytes: number
  /** The limit on reading and what sets it, and the time the whole takes with it; null when nothing limits. */
  readonly pace: {
    readonly bytesPerSecond: number
    readonly because: string
    readonly shortMs: number
    readonly longMs: number
  } | null
  readonly abilities: TargetAbilities
  /** What the probe found that a person should know, in words. */
  readonly notes: readonly string[]
  readonly exitCode: ExitCode
}

const abilityWords: readonly (readonly [keyof TargetAbilities, string])[] = [
  ['checksUploads', 'refuses damaged uploads'],
  ['createsOnlyIfAbsent', 'creates only if absent'],
  ['replacesOnlyIfMatch', 'replaces only if unchanged'],
  ['readsRanges', 'reads ranges'],
  ['copiesParts', 'copies parts'],
  ['keepsMarks', 'keeps marks'],
  ['listsOddNames', 'lists odd names'],
  ['bypassesCache', 'reads past the page cache'],
]

function abilitiesLine(abilities: TargetAbilities): string {
  const can = abilityWords.filter(([name]) => abilities[name] === true).map(([, words]) => words)
  const cannot = abilityWords.filter(([name]) => abilities[name] === false).map(([, words]) => words)
  const lacking = cannot.length === 0 ? '' : `; not: ${cannot.join(', ')}`
  return `${abilities.kind}${abilities.server === '' ? '' : ` ${showText(abilities.server)}`}: ${can.join(', ')}${lacking}`
}

function timeText({ pace }: PlanSummary): string {
  if (pace === null) return 'not known before the run: no rate is given (--throughput, --source-peak)'
  const { bytesPerSecond, because, shortMs, longMs } = pace
  return `${formatDuration(shortMs)} to ${formatDuration(longMs)} at ${formatRate(bytesPerSecond)} (${because})`
}

/** Ends with a line end. */
export function planText(plan: PlanSummary, argv: readonly string[]): string {
  const { items, exitCode } = plan
  const kinds = `${formatCount(items.files)} files, ${formatCount(items.directories)} directories, ${formatCount(items.links)} links, ${formatCount(items.other)} others`
  const encoded =
    plan.encodedNames.count === 0
      ? []
      : [
          ` other keys    ${formatCount(plan.encodedNames.count)} names are no keys as they are: ${plan.encodedNames.samples.join(', ')}`,
        ]
  const typed = argv.filter((word) => word !== '--dry-run')
  const again = ['waybill', ...typed.map((word, n) => (n === typed.indexOf('plan') ? 'migrate' : word))]
  return `${[
    ...problemLines(plan.problems),
    ...(plan.problems.length > 0 ? [''] : []),
    'PLAN. Nothing was moved, and nothing was left at the target.',
    ` source        ${showText(plan.source)}`,
    ` target        ${showText(plan.target)}`,
    ` items         ${kinds}`,
    ` bytes         ${formatSize(plan.bytesRead)} to read, ${formatSize(plan.bytesWritten)} to write, ${formatSize(plan.bytesReadBack)} to read back`,
    ` chunks        ${formatCount(plan.chunks)}, ${formatCount(plan.uploads)} uploads of several parts`,
    ...(plan.targetRequests === null ? [] : [` requests      about ${formatCount(plan.targetRequests)} at the target`]),
    ` time          ${timeText(plan)}`,
    ` memory        ${formatSize(plan.memoryBytes)} for payload, and about 150 MiB for the program`,
    ` state         about ${formatSize(plan.stateBytes)} in the state folder`,
    ...encoded,
    ` probe         ${abilitiesLine(plan.abilities)}`,
    ...plan.notes.map((note) => ` note          ${showText(note)}`),
    ` job           ${showText(plan.job)}`,
    ` exit code     ${exitCode}: ${exitCode === 0 ? 'nothing stands in the way' : exitMeaning(exitCode)}`,
    ` next          ${shellWords(again)}`,
  ].join('\n')}\n`
}

export function planObject(plan: PlanSummary): object {
  return {
    job_id: plan.job,
    verdict: plan.exitCode === 0 ? 'pass' : 'fail',
    exit_code: plan.exitCode,
    source: plan.source,
    target: plan.target,
    items: plan.items,
    bytes: plan.bytes,
    source_bytes_to_read: plan.bytesRead,
    target_bytes_to_write: plan.bytesWritten,
    target_bytes_to_read: plan.bytesReadBack,
    chunks: plan.chunks,
    uploads: plan.uploads,
    target_requests: plan.targetRequests,
    memory_bytes: plan.memoryBytes,
    state_bytes: plan.stateBytes,
    bytes_per_second: plan.pace?.bytesPerSecond ?? null,
    duration_ms_min: plan.pace?.shortMs ?? null,
    duration_ms_max: plan.pace?.longMs ?? null,
    abilities: reportMembers(plan.abilities),
    encoded_names: plan.encodedNames,
    problems: plan.problems,
    notes: plan.notes,
  }
}
