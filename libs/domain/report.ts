// What a pass came to: totals by outcome, the verdict in one sentence, and the exit code. Pure; the report, the command
// line and the API all ask here, so they cannot disagree.
import type { Outcome } from '#schemas/records'
import { type ErrorCode, errorCatalogue } from './errors.ts'
import { formatCount, formatSize } from './quantity.ts'

export interface Tally {
  readonly items: number
  readonly bytes: number
}

/** Items and bytes of every outcome: the sum is what was listed (I2). */
export type Totals = Readonly<Record<Outcome, Tally>>

/** In the order in which reports show them. */
export const outcomes: readonly Outcome[] = [
  'verified',
  'already_there',
  'mismatched',
  'missing',
  'failed',
  'changed',
  'unverifiable',
  'skipped',
  'pending',
]

const none: Tally = { items: 0, bytes: 0 }

export const emptyTotals: Totals = {
  verified: none,
  already_there: none,
  mismatched: none,
  missing: none,
  failed: none,
  changed: none,
  unverifiable: none,
  skipped: none,
  pending: none,
}

export function sumOfTotals(totals: Totals): Tally {
  return outcomes.reduce((sum, outcome) => addTally(sum, totals[outcome]), none)
}

export function addTally(left: Tally, right: Tally): Tally {
  return { items: left.items + right.items, bytes: left.bytes + right.bytes }
}

/**
 * How far the pass is. `stopped`: a limit, a pause or a full disk, it can go on. `interrupted` and `terminated`: a clean
 * stop after SIGINT and SIGTERM.
 */
export type PassState = 'running' | 'completed' | 'stopped' | 'cancelled' | 'interrupted' | 'terminated'

export const passStates: readonly PassState[] = [
  'running',
  'completed',
  'stopped',
  'cancelled',
  'interrupted',
  'terminated',
]

/** Stable meanings: docs/report.md and `--help` list them. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 10 | 11 | 12 | 130 | 143

export type VerdictStatus = 'pass' | 'fail' | 'in_progress'

export interface Verdict {
  readonly status: VerdictStatus
  /** One sentence for people. */
  readonly sentence: string
  readonly exitCode: ExitCode
}

interface PassSum {
  readonly state: PassState
  readonly totals: Totals
  /** What the listing named; counted apart from the totals, so that the two can be compared. */
  readonly listed: Tally
  /** Filters were given: listing nothing then means that nothing matched. */
  readonly hasSelection: boolean
}

/** A finished pass whose totals do not add up, or that left an item without an outcome, is our mistake and never a pass. */
function isUnaccounted({ state, totals, listed }: PassSum): boolean {
  if (state !== 'completed' && state !== 'cancelled') return false
  const sum = sumOfTotals(totals)
  return totals.pending.items > 0 || sum.items !== listed.items || sum.bytes !== listed.bytes
}

/**
 * The exit code of a pass. A signal wins, since the shell asked for it; then a mistake of ours; then, when several apply,
 * 5, 4, 7, 6, 8 in this order.
 */
export function exitCodeOfPass(sum: PassSum): ExitCode {
  const { state, totals } = sum
  if (state === 'interrupted') return 130
  if (state === 'terminated') return 143
  if (isUnaccounted(sum)) return 1
  if (totals.mismatched.items + totals.missing.items > 0) return 5
  if (totals.failed.items > 0) return 4
  if (totals.changed.items > 0) return 7
  if (totals.unverifiable.items > 0) return 6
  if (state !== 'completed') return 8
  return sum.listed.items === 0 && sum.hasSelection ? 12 : 0
}

/** Verdict of a pass: `pass` only when it is complete and its exit code is 0. */
export function verdictOfPass(sum: PassSum): Verdict {
  const exitCode = exitCodeOfPass(sum)
  return { status: statusOf(sum.state, exitCode), sentence: sentenceOf(sum), exitCode }
}

function statusOf(state: PassState, exitCode: ExitCode): VerdictStatus {
  switch (state) {
    case 'completed':
      return exitCode === 0 ? 'pass' : 'fail'
    case 'cancelled':
      return 'fail'
    case 'running':
    case 'stopped':
    case 'interrupted':
    case 'terminated':
      return 'in_progress'
  }
}

const stateWords: Readonly<Record<Exclude<PassState, 'completed'>, string>> = {
  running: 'Still running',
  stopped: 'Stopped before the end and can go on',
  cancelled: 'Cancelled before the end',
  interrupted: 'Interrupted and can go on',
  terminated: 'Interrupted and can go on',
}

const problemWords: readonly { readonly outcome: Outcome; readonly words: string }[] = [
  { outcome: 'mismatched', words: 'different at the target' },
  { outcome: 'missing', words: 'missing at the target' },
  { outcome: 'failed', words: 'not copied' },
  { outcome: 'changed', words: 'changed at the source during the run' },
  { outcome: 'unverifiable', words: 'copied but not verifiable' },
  { outcome: 'pending', words: 'not done yet' },
]

const inWords = ({ items, bytes }: Tally): string =>
  `${formatCount(items)} ${items === 1 ? 'item' : 'items'} (${formatSize(bytes)})`

function sentenceOf(sum: PassSum): string {
  const { state, totals, listed } = sum
  if (isUnaccounted(sum)) {
    return `The outcomes do not add up to the ${inWords(listed)} listed: this is a mistake in waybill, do not rely on this pass.`
  }
  const proven = addTally(totals.verified, totals.already_there)
  const skipped = totals.skipped.items === 0 ? '' : `, ${inWords(totals.skipped)} skipped by design`
  const problems = problemWords
    .filter(({ outcome }) => totals[outcome].items > 0)
    .map(({ outcome, words }) => `${inWords(totals[outcome])} ${words}`)
  if (state === 'completed' && problems.length === 0) {
    if (listed.items === 0)
      return sum.hasSelection ? 'Nothing matched the selection.' : 'The source is empty; nothing was moved.'
    return `Read back from the target and equal to what was read at the source: ${inWords(proven)}${skipped}.`
  }
  const found = [...problems, `${inWords(proven)} proven`].join(', ')
  return state === 'completed' ? `Not all is proven: ${found}${skipped}.` : `${stateWords[state]}: ${found}${skipped}.`
}

const exitCodeOfError: Partial<Readonly<Record<ErrorCode, ExitCode>>> = {
  USAGE: 2,
  NOT_SUPPORTED: 2,
  CONFIG_INVALID: 2,
  KEY_INVALID: 2,
  REPORT_UNREADABLE: 2,
  JOB_UNKNOWN: 2,
  ITEM_UNKNOWN: 2,
  JOB_DIFFERS: 2,
  JOB_STATE: 2,
  API_REFUSED: 2,
  NODE_TOO_OLD: 2,
  JOB_HELD: 10,
  REPORT_INVALID: 11,
  NOTHING_MATCHED: 12,
  EVENT_POISON: 1,
  INTERNAL: 1,
}

/**
 * The exit code of a command that ended by an error and not by a verdict. `hasMoved`: something was written to the target
 * before, so that it stopped (8) and did not merely fail its preflight (3).
 */
export function exitCodeOfFailure(code: ErrorCode, hasMoved: boolean): ExitCode {
  const fixed = exitCodeOfError[code]
  if (fixed !== undefined) return fixed
  if (errorCatalogue[code].retry === 'pause') return 8
  return hasMoved ? 8 : 3
}
