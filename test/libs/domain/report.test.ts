import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, errorCatalogue, isErrorCode } from '#libs/domain/errors'
import {
  type ExitCode,
  emptyTotals,
  exitCodeOfFailure,
  exitCodeOfPass,
  outcomes,
  type PassState,
  passStates,
  sumOfTotals,
  type Totals,
  verdictOfPass,
} from '#libs/domain/report'
import type { Outcome } from '#schemas/records'

function totalsOf(present: readonly Outcome[]): Totals {
  return { ...emptyTotals, ...Object.fromEntries(present.map((outcome) => [outcome, { items: 1, bytes: 10 }])) }
}

const subsets = (all: readonly Outcome[]): readonly (readonly Outcome[])[] =>
  Array.from({ length: 2 ** all.length }, (_, mask) => all.filter((_outcome, bit) => (mask >> bit) % 2 === 1))

/** The table of docs/report.md, read line by line: the first line that applies gives the code. */
const lines: readonly (readonly [ExitCode, (state: PassState, present: ReadonlySet<Outcome>) => boolean])[] = [
  [130, (state) => state === 'interrupted'],
  [143, (state) => state === 'terminated'],
  [1, (state, present) => (state === 'completed' || state === 'cancelled') && present.has('pending')],
  [5, (_, present) => present.has('mismatched') || present.has('missing')],
  [4, (_, present) => present.has('failed')],
  [7, (_, present) => present.has('changed')],
  [6, (_, present) => present.has('unverifiable')],
  [8, (state) => state !== 'completed'],
  [0, () => true],
]

test('every combination of outcomes in every state has the exit code of the table, and pass means 0', () => {
  let cells = 0
  for (const state of passStates) {
    for (const present of subsets(outcomes)) {
      const totals = totalsOf(present)
      const sum = { state, totals, listed: sumOfTotals(totals), hasSelection: false }
      const expected = lines.find(([, applies]) => applies(state, new Set(present)))?.[0]
      const { status, exitCode, sentence } = verdictOfPass(sum)
      assert.equal(exitCode, expected, `${state}: ${present.join(' ')}`)
      assert.equal(exitCodeOfPass(sum), exitCode)
      assert.equal(status === 'pass', state === 'completed' && exitCode === 0)
      if (state === 'cancelled') assert.equal(status, 'fail')
      if (state !== 'cancelled' && state !== 'completed') assert.equal(status, 'in_progress')
      assert.match(sentence, /^[A-Z].*\.$/)
      cells += 1
    }
  }
  assert.equal(cells, 6 * 2 ** 9)
})

test('totals that miss what was listed, by items or by bytes, are never a pass', () => {
  const totals = totalsOf(['verified'])
  for (const listed of [
    { items: 2, bytes: 10 },
    { items: 0, bytes: 10 },
    { items: 1, bytes: 11 },
  ]) {
    const verdict = verdictOfPass({ state: 'completed', totals, listed, hasSelection: false })
    assert.deepEqual([verdict.status, verdict.exitCode], ['fail', 1])
    assert.match(verdict.sentence, /do not add up/)
  }
})

test('while it runs, totals may still miss what was listed', () => {
  const sum = {
    state: 'running',
    totals: totalsOf(['verified']),
    listed: { items: 9, bytes: 90 },
    hasSelection: false,
  } as const
  assert.deepEqual([verdictOfPass(sum).status, verdictOfPass(sum).exitCode], ['in_progress', 8])
})

test('a selection that matched nothing is exit 12, an empty source is not', () => {
  const sum = { state: 'completed', totals: emptyTotals, listed: { items: 0, bytes: 0 } } as const
  assert.equal(exitCodeOfPass({ ...sum, hasSelection: true }), 12)
  assert.equal(exitCodeOfPass({ ...sum, hasSelection: false }), 0)
  assert.notEqual(verdictOfPass({ ...sum, hasSelection: true }).status, 'pass')
})

test('the sentence names every kind of problem with its items and bytes', () => {
  const totals = totalsOf(outcomes.filter((outcome) => outcome !== 'pending'))
  const { sentence } = verdictOfPass({ state: 'completed', totals, listed: sumOfTotals(totals), hasSelection: false })
  assert.equal(
    sentence,
    'Not all is proven: 1 item (10 B) different at the target, 1 item (10 B) missing at the target, 1 item (10 B) not ' +
      'copied, 1 item (10 B) changed at the source during the run, 1 item (10 B) copied but not verifiable, ' +
      '2 items (20 B) proven, 1 item (10 B) skipped by design.',
  )
})

test('every error code ends a command with the exit code of its kind', () => {
  const fixed: Partial<Record<ErrorCode, ExitCode>> = {
    INTERNAL: 1,
    EVENT_POISON: 1,
    USAGE: 2,
    NOT_SUPPORTED: 2,
    CONFIG_INVALID: 2,
    KEY_INVALID: 2,
    JOB_UNKNOWN: 2,
    JOB_DIFFERS: 2,
    ITEM_UNKNOWN: 2,
    NODE_TOO_OLD: 2,
    REPORT_UNREADABLE: 2,
    JOB_STATE: 2,
    API_REFUSED: 2,
    JOB_HELD: 10,
    REPORT_INVALID: 11,
    NOTHING_MATCHED: 12,
  }
  for (const code of Object.keys(errorCatalogue).filter(isErrorCode)) {
    const isPause = errorCatalogue[code].retry === 'pause'
    assert.equal(exitCodeOfFailure(code, false), fixed[code] ?? (isPause ? 8 : 3), code)
    assert.equal(exitCodeOfFailure(code, true), fixed[code] ?? 8, code)
  }
})
