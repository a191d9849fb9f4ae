// From the command line to the command that was asked for, and from what it came to, to an exit code. Commands are loaded
// only when they run: `waybill version` must not wait for an S3 client.
import { codeOf, WaybillError } from '#libs/domain/errors'
import type { ExitCode } from '#libs/domain/report'
import type { Clock } from '#libs/runtime/clock'
import type { Environment } from '#libs/runtime/environment'
import { openLogger } from '#libs/runtime/logger'
import { SlowDowns } from '#libs/target/slow-downs'
import type { Command } from './command.ts'
import type { CommandName } from './commands.ts'
import { exitOfFailure, failureObject, failureText } from './failure-text.ts'
import { type CommandLine, parseCommandLine } from './parser.ts'
import { resolveSettings } from './settings.ts'
import type { Terminal } from './terminal.ts'

const loaders: Readonly<Record<CommandName, () => Promise<Command>>> = {
  completion: async () => (await import('./commands/completion.ts')).completion,
  'config check': async () => (await import('./commands/config.ts')).configCheck,
  'config show': async () => (await import('./commands/config.ts')).configShow,
  help: async () => (await import('./commands/help.ts')).help,
  keygen: async () => (await import('./commands/keygen.ts')).keygen,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  explain: async () => (await import('./commands/explain.ts')).explain,
  'jobs cancel': async () => (await import('./commands/jobs-control.ts')).jobsCancel,
  'jobs events': async () => (await import('./commands/jobs-events.ts')).jobsEvents,
  'jobs forget': async () => (await import('./commands/jobs-forget.ts')).jobsForget,
  'jobs list': async () => (await import('./commands/jobs.ts')).jobsList,
  'jobs pause': async () => (await import('./commands/jobs-control.ts')).jobsPause,
  'jobs resume': async () => (await import('./commands/jobs-control.ts')).jobsResume,
  'jobs retry': async () => (await import('./commands/jobs-control.ts')).jobsRetry,
  'jobs show': async () => (await import('./commands/jobs.ts')).jobsShow,
  'jobs submit': async () => (await import('./commands/jobs-submit.ts')).jobsSubmit,
  'jobs throttle': async () => (await import('./commands/jobs-control.ts')).jobsThrottle,
  'jobs wait': async () => (await import('./commands/jobs-wait.ts')).jobsWait,
  'log export': async () => (await import('./commands/log-export.ts')).logExport,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  plan: async () => (await import('./commands/plan.ts')).plan,
  rebuild: async () => (await import('./commands/rebuild.ts')).rebuild,
  'report show': async () => (await import('./commands/report.ts')).reportShow,
  'report verify': async () => (await import('./commands/report.ts')).reportVerify,
  serve: async () => (await import('./commands/serve.ts')).serve,
  'tokens create': async () => (await import('./commands/tokens.ts')).tokensCreate,
  'tokens list': async () => (await import('./commands/tokens.ts')).tokensList,
  'tokens revoke': async () => (await import('./commands/tokens.ts')).tokensRevoke,
  'topics check': async () => (await import('./commands/topics.ts')).topicsCheck,
  'topics create': async () => (await import('./commands/topics.ts')).topicsCreate,
  verify: async () => (await import('./commands/verify.ts')).verify,
  version: async () => (await import('./commands/version.ts')).version,
}

export interface DispatchPlace {
  readonly environment: Environment
  readonly terminal: Terminal
  readonly clock: Clock
  readonly signal: AbortSignal
}

async function runCommand(argv: readonly string[], line: CommandLine, place: DispatchPlace): Promise<ExitCode> {
  // Help and version answer whatever the environment and the configuration file hold.
  const isPlain = line.command === 'help' || line.command === 'version'
  const environment = isPlain
    ? { ...place.environment, waybill: new Map<string, string>(), configFolder: '/nowhere' }
    : place.environment
  const resolved = await resolveSettings(line.options, environment)
  const { settings } = resolved
  const isService = line.command === 'serve' && !settings.quiet
  const logger = openLogger({ file: settings['log-file'], isVerbose: settings.verbose, isService })
  try {
    if (!settings.quiet) for (const warning of resolved.warnings) place.terminal.notice(`waybill: ${warning}\n`)
    const command = await loaders[line.command]()
    const slowDowns = new SlowDowns()
    return await command({ ...resolved, ...place, argv, words: line.words, typed: line.options, logger, slowDowns })
  } finally {
    logger.flush()
  }
}

/** Never throws: whatever happens becomes one clear line and an exit code. */
export async function dispatch(argv: readonly string[], place: DispatchPlace): Promise<ExitCode> {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  const isVerbose = words.includes('-v') || words.includes('--verbose')
  try {
    const parsedLine = parseCommandLine(argv)
    if (!parsedLine.ok) throw new WaybillError(parsedLine.code, { problem: parsedLine.problem })
    return await runCommand(argv, parsedLine.line, place)
  } catch (error) {
    const { signal } = place
    if (signal.aborted && (error === signal.reason || codeOf(error) === 'ABORTED')) {
      place.terminal.notice('waybill: interrupted; nothing is lost\n')
      return signal.reason === 'SIGTERM' ? 143 : 130
    }
    const exitCode = exitOfFailure(error)
    if (words.includes('--json')) await place.terminal.result(`${JSON.stringify(failureObject(error, exitCode))}\n`)
    place.terminal.notice(failureText(error, isVerbose))
    return exitCode
  }
}
