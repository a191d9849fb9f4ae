// Items with an outcome that a person must look at: grouped by code, counted, three samples each. Memory does not grow
// with the number of items.
import { type ErrorCode, errorCatalogue, isErrorCode } from '#libs/domain/errors'
import { showName } from '#libs/domain/name-text'
import { formatCount } from '#libs/domain/quantity'
import type { Outcome } from '#schemas/records'

export interface ProblemItem {
  readonly name: Uint8Array
  readonly outcome: Outcome
  readonly code: string | null
}

export interface ProblemGroup {
  readonly outcome: Outcome
  readonly code: string
  readonly count: number
  /** Names as people see them. */
  readonly samples: readonly string[]
}

const samplesMax = 3
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
  const groups = new Map<string, { outcome: Outcome; code: string; count: number; samples: string[] }>()
  return {
    add({ name, outcome, code }) {
      if (!outcomeOrder.includes(outcome)) return
      const told = code ?? codeOfOutcome[outcome] ?? ''
      const key = `${outcome} ${told}`
      const group = groups.get(key) ?? { outcome, code: told, count: 0, samples: [] }
      if (!groups.has(key)) {
        // Codes come from one catalogue; more than this would be a mistake elsewhere.
        if (groups.size >= groupsMax) return
        groups.set(key, group)
      }
      group.count += 1
      if (group.samples.length < samplesMax) group.samples.push(showName(name).slice(0, sampleCharactersMax))
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

/** Lines such as `failed SOURCE_UNREADABLE, 3 items: The item cannot be read. ...` with the samples below. */
export function problemLines(groups: readonly ProblemGroup[]): readonly string[] {
  return groups.flatMap(({ outcome, code, count, samples }) => {
    const items = `${formatCount(count)} ${count === 1 ? 'item' : 'items'}`
    const label = code === '' ? '' : ` ${code}`
    const more = count - samples.length
    return [
      `${outcomeWords[outcome]}${label}, ${items}${code === '' ? '' : `: ${helpOf(code)}`}`,
      ...samples.map((sample) => `    ${sample}`),
      ...(more > 0 ? [`    and ${formatCount(more)} more in the report`] : []),
    ]
  })
}
