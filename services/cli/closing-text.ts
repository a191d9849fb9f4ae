// The last lines of a run: verdict in words, totals, root digest, where the report is, what the exit code means, and the
// next command to type.
import { formatCount, formatSize } from '#libs/domain/quantity'
import { type ExitCode, outcomes } from '#libs/domain/report'
import type { SessionEnd } from '../embedded/session.ts'
import { exitMeaning } from './exit-codes.ts'

export interface Closing {
  readonly job: string
  readonly end: SessionEnd
  readonly exitCode: ExitCode
  /** What to type next. */
  readonly next: string
}

export function closingText({ job, end, exitCode, next }: Closing): string {
  const { footer, verdict } = end.report
  const totals = outcomes.flatMap((outcome) => {
    const { items, bytes } = footer.totals[outcome]
    return items === 0
      ? []
      : [`  ${outcome.padEnd(14)} ${formatCount(items).padStart(12)} items  ${formatSize(bytes).padStart(12)}`]
  })
  return [
    '',
    verdict.sentence,
    ...totals,
    `  root           ${footer.root}`,
    `  report         ${end.reportPath}`,
    `  exit code ${exitCode}    ${exitMeaning(exitCode)}`,
    `  job ${job}; next: ${next}`,
    '',
  ].join('\n')
}

/** The one object that --json prints. */
export function closingObject({ job, end, exitCode }: Closing): object {
  const { footer, verdict } = end.report
  const of = (unit: 'items' | 'bytes'): object =>
    Object.fromEntries([
      ['listed', outcomes.reduce((sum, outcome) => sum + footer.totals[outcome][unit], 0)],
      ...outcomes.map((outcome) => [outcome, footer.totals[outcome][unit]]),
    ])
  return {
    job_id: job,
    verdict: verdict.status,
    exit_code: exitCode,
    report_path: end.reportPath,
    items: of('items'),
    bytes: of('bytes'),
    source_bytes_read: end.moved.sourceBytesRead,
    target_bytes_written: end.moved.targetBytesWritten,
    target_bytes_read: end.moved.targetBytesRead,
    findings: end.findings,
  }
}
