// waybill migrate SOURCE TARGET
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { ExitCode } from '#libs/domain/report'
import { loadSigningKey } from '#libs/report/keys'
import { type SessionOptions, startSession } from '../../embedded/session.ts'
import { closingObject, closingText } from '../closing-text.ts'
import type { Command, CommandInput } from '../command.ts'
import { connectReader, connectSource, connectTarget, endpointOf, requestsDefault } from '../connections.ts'
import { deriveJobName } from '../job-name.ts'
import { parseLocation } from '../locations.ts'
import { askEveryMs, openProgressScreen, progressModeOf, watchProgress } from '../progress-screen.ts'
import { orderOf } from '../request.ts'
import { software } from '../software.ts'
import { stateFolderOf } from '../state-folder.ts'

/** Chunks worked on at a time when --concurrency does not say. */
const chunksDefault = 4

export const migrate: Command = async (input) => {
  const { words, settings, aliases, environment } = input
  const [source, target] = words.map((word) => parseLocation(word, aliases))
  if (source === undefined || target === undefined) return 2
  const { request, selection } = await orderOf(input, source, target)
  const job = settings.job ?? deriveJobName(source, target, endpointOf(target, settings, environment))
  const options = await sessionOf(input, job, {
    request,
    aim: 'migrate',
    source: connectSource(source),
    target: await connectTarget(input, target, job),
    readTarget: await connectReader(input, target, job),
    selects: (entry) => selection.choose(entry) !== 'leave_out',
  })
  return runSession(input, options, `waybill report show ${job} --format html --output report.html`)
}

type Ends = Pick<SessionOptions, 'request' | 'aim' | 'source' | 'target' | 'readTarget' | 'selects'>

export async function sessionOf(input: CommandInput, job: string, ends: Ends): Promise<SessionOptions> {
  const { settings, clock, logger, terminal, signal } = input
  return {
    ...ends,
    job,
    folder: join(stateFolderOf(input), job),
    actor: 'command line',
    clock,
    random: Math.random,
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
    reportFile: settings.report,
    onNotice: (text) => terminal.notice(`waybill: ${text}\n`),
  }
}

/** Runs a session with progress on standard error, tells what came of it, and gives the exit code. */
export async function runSession(input: CommandInput, options: SessionOptions, next: string): Promise<ExitCode> {
  const { settings, terminal, clock } = input
  const { isErrorTerminal, isDumb } = terminal
  const mode = progressModeOf(settings.progress, { isTerminal: isErrorTerminal, isDumb, isQuiet: settings.quiet })
  const style = () => ({
    columns: terminal.columns(),
    isUnicode: terminal.isUnicode,
    hasColor: terminal.hasColor && !settings['no-color'],
  })
  const screen = openProgressScreen({ mode, style, write: (text) => terminal.notice(text), clock })
  const session = startSession(options)
  const end = await watchProgress(
    screen,
    { everyMs: askEveryMs[mode], clock, snapshot: session.snapshot },
    session.done,
  )
  const { exit_code: exitCode } = end.report.verdict
  const closing = { job: options.job, end, exitCode, next }
  if (settings.json) await terminal.result(`${JSON.stringify(closingObject(closing))}\n`)
  if (!settings.quiet) terminal.notice(closingText(closing))
  return exitCode
}
