// What every command gets, and what it gives back.
import type { ExitCode } from '#libs/domain/report'
import type { Clock } from '#libs/runtime/clock'
import type { Environment } from '#libs/runtime/environment'
import type { Logger } from '#libs/runtime/logger'
import type { SlowDowns } from '#libs/target/slow-downs'
import type { TypedOption } from './parser.ts'
import type { ResolvedSettings } from './settings.ts'
import type { Terminal } from './terminal.ts'

export interface CommandInput extends ResolvedSettings {
  /** Everything that was typed, so that it can be offered again. */
  readonly argv: readonly string[]
  /** The words after the command's name. */
  readonly words: readonly string[]
  /** Options as they were typed, in order: only filters need them. */
  readonly typed: readonly TypedOption[]
  readonly environment: Environment
  readonly terminal: Terminal
  readonly logger: Logger
  readonly clock: Clock
  /** What the target's answers say of its load. */
  readonly slowDowns: SlowDowns
  /** Aborts on the first SIGINT or SIGTERM: stop cleanly. */
  readonly signal: AbortSignal
}

export type Command = (input: CommandInput) => Promise<ExitCode>
