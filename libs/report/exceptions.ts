// What a person must look at, picked out of a report while it is read. Bounded: of each outcome so many are kept, the
// master has all.
import type { Outcome } from '#schemas/records'
import type { CheckedReport } from './check.ts'
import type { ReportLeaf } from './leaf.ts'
import { readReport } from './read.ts'

/** Worst first; the order in which they are shown. */
export const exceptionOutcomes = [
  'mismatched',
  'missing',
  'failed',
  'changed',
  'unverifiable',
  'pending',
  'skipped',
] as const
export type ExceptionOutcome = (typeof exceptionOutcomes)[number]

export interface ReportExcerpt {
  readonly report: CheckedReport
  /** The first items of each outcome, in the report's order. */
  readonly shown: ReadonlyMap<ExceptionOutcome, readonly ReportLeaf[]>
}

function exceptionOf(outcome: Outcome): ExceptionOutcome | null {
  return exceptionOutcomes.find((exception) => exception === outcome) ?? null
}

/** Keeps at most `shownMax` items of each outcome. Throws REPORT_INVALID, REPORT_UNREADABLE. */
export async function readExcerpt(path: string, shownMax: number): Promise<ReportExcerpt> {
  const shown = new Map<ExceptionOutcome, ReportLeaf[]>(exceptionOutcomes.map((outcome) => [outcome, []]))
  const pieces = readReport(path, { publicKey: null })
  for (;;) {
    const step = await pieces.next()
    if (step.done === true) return { report: step.value, shown }
    for (const piece of step.value) {
      const exception = piece.part === 'item' ? exceptionOf(piece.leaf.outcome) : null
      if (piece.part !== 'item' || exception === null) continue
      const kept = shown.get(exception)
      if (kept !== undefined && kept.length < shownMax) kept.push(piece.leaf)
    }
  }
}
