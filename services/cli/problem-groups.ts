// Items with an outcome that a person must look at: grouped by code, counted, three samples each. Memory does not grow
// with the number of items.
import { type ErrorCode, errorCatalogue, isErrorCode } from '#libs/domain/errors'
import { showName } from '#libs/domain/name-text'
import { formatCount, formatSize } from '#libs/domain/quantity'
import type { Outcome } from '#schemas/records'

/** A range whose stored bytes are not those that were read at the source. */
export interface Difference {
  /** As people see it. */
  readonly name: string
  readonly offset: number
  readonly length: number
  readonly source_sha256: string
  /** null when nothing could be read. */
  readonly target_sha256: string | null
}

export interface ProblemItem {
  readonly name: Uint8Array
  readonly outcome: Outcome
  readonly code: string | null
  readonly differences: readonly Omit<Difference, 'name'>[]
}

export interface ProblemGroup {
  readonly outcome: Outcome
  readonly code: string
  readonly count: number
  /** Names as people see them. */
  readonly samples: readonly string[]
  /** Some of the ranges that differ, in the samples. */
  readonly differences: readonly Difference[]
}

const samplesMax = 3
const differencesMax = 3
const sampleCharactersMax = 200
const groupsMax = 200

/** Worst first; what is skipped by design comes last and is told as what it is. */
const outcomeOrder: readonly Outcome[] = [
  'mismatched',
  'missing',
  'failed',
  'changed',
  'unverifiable',
  'pending',
  'skipped',
]

/** A code for items that carry none. */
const codeOfOutcome: Partial<Record<Outcome, ErrorCode>> = {
  mismatched: 'DIGEST_MISMATCH',
  missing: 'TARGET_MISSING',
  changed: 'SOURCE_CHANGED',
}

export interface ProblemGroups {
  add(item: ProblemItem): void
  groups(): readonly ProblemGroup[]
}

export function collectProblems(): ProblemGroups {
  const groups = new Map<
    string,
    { outcome: Outcome; code: string; count: number; samples: string[]; differences: Difference[] }
  >()
  return {
    add({ name, outcome, code, differences }) {
      if (!outcomeOrder.includes(outcome)) return
      const told = code ?? codeOfOutcome[outcome] ?? ''
      const key = `${outcome} ${told}`
      const group = groups.get(key) ?? { outcome, code: told, count: 0, samples: [], differences: [] }
      if (!groups.has(key)) {
        // Codes come from one catalogue; more than this would be a mistake elsewhere.
        if (groups.size >= groupsMax) return
        groups.set(key, group)
      }
      group.count += 1
      if (group.samples.length >= samplesMax) return
      const shown = showName(name).slice(0, sampleCharactersMax)
      group.samples.push(shown)
      const room = differencesMax - group.differences.length
      group.differences.push(...differences.slice(0, room).map((difference) => ({ name: shown, ...difference })))
    },
    groups: () =>
      [...groups.values()].sort(
        (left, right) =>
          outcomeOrder.indexOf(left.outcome) - outcomeOrder.indexOf(right.outcome) ||
          right.count - left.count ||
          left.code.localeCompare(right.code, 'en'),
      ),
  }
}

const outcomeWords: Readonly<Record<Outcome, string>> = {
  pending: 'not done yet',
  verified: 'verified',
  already_there: 'already there',
  mismatched: 'different at the target',
  missing: 'missing at the target',
  failed: 'not copied',
  changed: 'changed at the source',
  skipped: 'skipped',
  unverifiable: 'not verifiable',
}

function helpOf(code: string): string {
  return isErrorCode(code) ? errorCatalogue[code].help : ''
}

function differenceLines({ offset, length, source_sha256, target_sha256 }: Difference): readonly string[] {
  return [
    `        bytes ${formatCount(offset)} to ${formatCount(offset + length - 1)} (chunk at offset ${offset}, ${formatSize(length)})`,
    `        source sha256 ${source_sha256}`,
    `        target ${target_sha256 === null ? 'could not be read' : `sha256 ${target_sha256}`}`,
  ]
}

/** Lines such as `failed SOURCE_UNREADABLE, 3 items: The item cannot be read. ...` with the samples below. */
export function problemLines(groups: readonly ProblemGroup[]): readonly string[] {
  return groups.flatMap(({ outcome, code, count, samples, differences }) => {
    const items = `${formatCount(count)} ${count === 1 ? 'item' : 'items'}`
    const label = code === '' ? '' : ` ${code}`
    const more = count - samples.length
    return [
      `${outcomeWords[outcome]}${label}, ${items}${code === '' ? '' : `: ${helpOf(code)}`}`,
      ...samples.flatMap((sample) => [
        `    ${sample}`,
        ...differences.filter(({ name }) => name === sample).flatMap(differenceLines),
      ]),
      ...(more > 0 ? [`    and ${formatCount(more)} more in the report`] : []),
    ]
  })
}
