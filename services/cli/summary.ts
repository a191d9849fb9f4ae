// What a run came to: the last lines for people, and the one object of --json. Every number is that of the report.

import { showText } from '#libs/domain/name-text'
import { formatCount, formatDuration, formatRate, formatSize } from '#libs/domain/quantity'
import { type ExitCode, outcomes } from '#libs/domain/report'
import type { ReportFooter, ReportVerdict } from '#libs/report/footer'
import type { ReportHeader } from '#libs/report/header'
import { exitMeaning } from './exit-codes.ts'
import { type ProblemGroup, problemLines } from './problem-groups.ts'
import { shellWords } from './shell-words.ts'

export interface RunSummary {
  readonly aim: 'migrate' | 'verify'
  readonly header: Pick<ReportHeader, 'job' | 'pass' | 'listed' | 'findings' | 'notes' | 'vanished'>
  /** What this run did by itself. */
  readonly run: { readonly ms: number; readonly moved: ReportHeader['moved'] }
  readonly verdict: ReportVerdict
  readonly footer: Pick<ReportFooter, 'totals' | 'root' | 'signer'>
  /** Absolute; null when no report was written. */
  readonly reportPath: string | null
  readonly problems: readonly ProblemGroup[]
  /** Why a run that is not complete stopped, in words. */
  readonly stoppedBecause: string | null
}

/** Words of commands that can be offered next. */
export interface RunWords {
  /** The command that goes on with the job, or repairs it. */
  readonly migrate: readonly string[]
  /** What is put behind commands on this job: the state folder, where it was given. */
  readonly place: readonly string[]
}

const verdictWords: Readonly<Record<ExitCode, string>> = {
  0: 'VERIFIED',
  1: 'INTERNAL ERROR',
  2: 'NOT STARTED',
  3: 'NOT STARTED',
  4: 'NOT ALL COPIED',
  5: 'DIFFERENT AT THE TARGET',
  6: 'NOT ALL VERIFIABLE',
  7: 'SOURCE CHANGED',
  8: 'STOPPED',
  10: 'NOT STARTED',
  11: 'REPORT NOT VALID',
  12: 'NOTHING MATCHED',
  130: 'INTERRUPTED',
  143: 'TERMINATED',
}

function totalsLines({ header, footer }: RunSummary): readonly string[] {
  const rows: readonly (readonly [string, number, number])[] = [
    ['listed', header.listed.items, header.listed.bytes],
    ...outcomes
      .map((outcome): [string, number, number] => [
        outcome.replaceAll('_', ' '),
        footer.totals[outcome].items,
        footer.totals[outcome].bytes,
      ])
      .filter(([name, items]) => items > 0 || name === 'verified'),
  ]
  const counts = rows.map(([, items]) => formatCount(items))
  const width = Math.max(...counts.map((count) => count.length))
  return rows.map(
    ([name, items, bytes], index) =>
      ` ${name.padEnd(14)}${(counts[index] ?? '').padStart(width)} ${items === 1 ? 'item ' : 'items'}  ${formatSize(bytes)}`,
  )
}

function movedLine({ run: { ms, moved } }: RunSummary): string {
  const { source_bytes_read: read, target_bytes_written: written, target_bytes_read: readBack } = moved
  const pace = ms >= 1000 && read > 0 ? ` (${formatRate((read / ms) * 1000)} read)` : ''
  return ` bytes         ${formatSize(read)} read at the source, ${formatSize(written)} written, ${formatSize(readBack)} read back, in ${formatDuration(ms)}${pace}`
}

/** The next thing to type. */
function nextCommand({ header, verdict, problems, aim }: RunSummary, { migrate, place }: RunWords): string {
  const { job } = header
  const ofJob = (...words: readonly string[]): string => shellWords(['waybill', ...words, ...place])
  const explain = (): string => {
    const sample = problems.find(({ outcome }) => outcome !== 'skipped' && outcome !== 'pending')?.samples[0]
    return sample === undefined ? shellWords(migrate) : ofJob('explain', job, sample)
  }
  switch (verdict.exit_code) {
    case 0:
      return ofJob('report', 'show', job, '--format', 'html', '--output', `${job}.html`)
    case 5:
      // A reading alone repairs nothing: a new pass does.
      return aim === 'verify' ? shellWords(migrate) : explain()
    case 4:
    case 6:
      return explain()
    case 12:
      return shellWords(['waybill', 'help', 'migrate'])
    case 1:
      return ofJob('rebuild', job)
    case 2:
    case 3:
    case 7:
    case 8:
    case 10:
    case 11:
    case 130:
    case 143:
      return shellWords(migrate)
  }
}

function findingLines({ header }: RunSummary): readonly string[] {
  const counted = Object.entries(header.findings).map(([code, count]) => `${code} ${formatCount(count)}`)
  const lines = counted.length === 0 ? [] : [` findings      ${counted.join(', ')}`]
  const vanished =
    header.vanished === 0
      ? []
      : [
          ` vanished      ${formatCount(header.vanished)} items of an earlier pass are gone at the source; the target keeps them`,
        ]
  return [...lines, ...vanished, ...header.notes.map((note) => ` note          ${showText(note)}`)]
}

/** The last lines of every run. Ends with a line end. */
export function summaryText(summary: RunSummary, words: RunWords): string {
  const { verdict, footer, header } = summary
  const code = verdict.exit_code
  const problems = problemLines(summary.problems)
  const stopped = summary.stoppedBecause === null ? [] : [` stopped       ${showText(summary.stoppedBecause)}`]
  return `${[
    ...(problems.length > 0 ? [...problems, ''] : []),
    `${verdictWords[code]}. ${verdict.sentence}`,
    ...stopped,
    ...totalsLines(summary),
    movedLine(summary),
    ...findingLines(summary),
    ` root digest   ${footer.root}${footer.signer === null ? '' : ` signed by ${footer.signer}`}`,
    ` job           ${showText(header.job)}, pass ${header.pass}`,
    ...(summary.reportPath === null ? [] : [` report        ${showText(summary.reportPath)}`]),
    ` exit code     ${code}: ${exitMeaning(code)}`,
    ` next          ${nextCommand(summary, words)}`,
  ].join('\n')}\n`
}

/** The object of --json: names are stable, numbers are items and bytes. */
export function summaryObject(summary: RunSummary): object {
  const { header, verdict, footer } = summary
  const count = (unit: 'items' | 'bytes'): object => ({
    listed: header.listed[unit],
    ...Object.fromEntries(outcomes.map((outcome) => [outcome, footer.totals[outcome][unit]])),
  })
  return {
    job_id: header.job,
    pass: header.pass,
    verdict: verdict.status,
    sentence: verdict.sentence,
    exit_code: verdict.exit_code,
    stopped_because: summary.stoppedBecause,
    report_path: summary.reportPath,
    root: footer.root,
    signer: footer.signer,
    items: count('items'),
    bytes: count('bytes'),
    ...summary.run.moved,
    duration_ms: Math.round(summary.run.ms),
    vanished: header.vanished,
    findings: header.findings,
    problems: summary.problems,
  }
}
