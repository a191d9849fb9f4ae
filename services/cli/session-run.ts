// Runs a session for a person: progress on standard error, the closing lines, the one object of --json, the exit code.
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import type { ExitCode } from '#libs/domain/report'
import { loadSigningKey } from '#libs/report/keys'
import type { ReportLeaf } from '#libs/report/leaf'
import { type RenderedForm, renderedForms } from '#libs/report/render'
import { systemRandom } from '#libs/runtime/system-random'
import { type SessionOptions, startSession } from '../embedded/session.ts'
import type { CommandInput } from './command.ts'
import { chunksDefault, requestsDefault } from './connections.ts'
import { collectProblems, type ProblemItem } from './problem-groups.ts'
import {
  askEveryMs,
  openProgressScreen,
  type ProgressMode,
  type ProgressScreen,
  progressModeOf,
  watchProgress,
} from './progress-screen.ts'
import { software } from './software.ts'
import { stateFolderOf } from './state-folder.ts'
import { type RunWords, summaryObject, summaryText } from './summary.ts'

type Ends = Pick<SessionOptions, 'request' | 'aim' | 'source' | 'target' | 'readTarget' | 'selects' | 'protection'>
export type PlainSessionOptions = Omit<SessionOptions, 'listen'>

export async function sessionOf(input: CommandInput, job: string, ends: Ends): Promise<PlainSessionOptions> {
  const { settings, clock, logger, terminal, signal, slowDowns } = input
  return {
    ...ends,
    job,
    folder: join(stateFolderOf(input), job),
    actor: 'command line',
    clock,
    random: systemRandom,
    logger: logger.child({ job }),
    process: `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
    software: software().version,
    memoryBytes: settings.memory,
    requestsMax: settings.concurrency ?? requestsDefault,
    chunksMax: Math.min(settings.concurrency ?? chunksDefault, chunksDefault),
    onBytes: () => undefined,
    signal,
    signingKey: settings.sign === null ? null : await loadSigningKey(settings.sign),
    hasOwnCredentials: settings['verify-profile'] !== null,
    reportFile: reportFileOf(settings.report),
    targetLimit: () => slowDowns.text(clock.monotonic()),
    onNotice: (text) => terminal.notice(`waybill: ${text}\n`),
  }
}

/** The form of --report FILE, by its ending. Throws USAGE. */
export function reportFileOf(path: string | null): { readonly path: string; readonly form: RenderedForm } | null {
  if (path === null) return null
  const ending = extname(path).slice(1)
  const form = renderedForms.find((known) => known === ending)
  if (form === undefined) {
    throw new WaybillError('USAGE', {
      problem: `--report ${path}: the name must end in ${renderedForms.map((known) => `.${known}`).join(', ')}`,
    })
  }
  return { path: resolve(path), form }
}

/** What a person must know of a line of the report. */
export function problemOf({ name, outcome, code, chunks, found = [] }: ReportLeaf): ProblemItem {
  const read = new Map(chunks.map(([offset, , digest]) => [offset, digest]))
  return {
    name: Buffer.from(name, 'base64'),
    outcome,
    code,
    differences: found.map(([offset, length, digest]) => ({
      offset,
      length,
      source_sha256: read.get(offset) ?? '',
      target_sha256: digest,
    })),
  }
}

/** Where progress is shown, and how. */
export function screenOf({ settings, terminal, clock }: CommandInput): {
  readonly mode: ProgressMode
  readonly screen: ProgressScreen
} {
  const { isErrorTerminal, isDumb } = terminal
  const mode = progressModeOf(settings.progress, { isTerminal: isErrorTerminal, isDumb, isQuiet: settings.quiet })
  const style = () => ({
    columns: terminal.columns(),
    isUnicode: terminal.isUnicode,
    hasColor: terminal.hasColor && !settings['no-color'],
  })
  const screen = openProgressScreen({ mode, style, write: (text) => terminal.notice(text), clock })
  return { mode, screen }
}

/** Runs to the end and tells what came of it. Throws what the session throws. */
export async function runSession(
  input: CommandInput,
  options: PlainSessionOptions,
  again: RunWords,
): Promise<ExitCode> {
  const { settings, terminal, clock } = input
  const { mode, screen } = screenOf(input)
  let problems = collectProblems()
  const listen = (): ((leaf: ReportLeaf) => void) => {
    const found = collectProblems()
    problems = found
    return (leaf) => found.add(problemOf(leaf))
  }
  const session = startSession({ ...options, listen })
  const end = await watchProgress(
    screen,
    { everyMs: askEveryMs[mode], clock, snapshot: session.snapshot },
    session.done,
  )
  const { verdict, footer } = end.report
  const summary = {
    aim: options.aim,
    header: end.facts,
    run: end.run,
    verdict,
    footer,
    reportPath: end.reportPath,
    problems: problems.groups(),
    stoppedBecause: end.stoppedBecause,
  }
  if (settings.json) await terminal.result(`${JSON.stringify(summaryObject(summary))}\n`)
  if (!settings.quiet) terminal.notice(summaryText(summary, again))
  return verdict.exit_code
}
