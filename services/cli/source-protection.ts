// What protects the source of a run beside its limits: the measured peak, and signals of its load.
import { controlRules } from '#libs/domain/rate-control'
import { openSourceSignal } from '#libs/runtime/adapters'
import { readSourcePeak } from '#libs/runtime/source-peaks'
import type { LoadSignal } from '#libs/source/load-signal'
import type { JobRequest } from '#schemas/records'
import type { SourceProtection } from '../embedded/migration.ts'
import type { CommandInput } from './command.ts'
import { stateFolderOf } from './state-folder.ts'

function signalsOf({ settings, clock }: CommandInput, path: string): readonly LoadSignal[] {
  const kinds = settings['source-signal'] === 'both' ? (['pressure', 'disk'] as const) : [settings['source-signal']]
  return kinds.flatMap((kind) => (kind === 'none' ? [] : [openSourceSignal({ kind, threshold: null }, path, clock)]))
}

function warnOfUnknownPeak({ terminal, settings }: CommandInput, request: JobRequest): void {
  if (settings.quiet || (request.throughputBytesPerSecond === null && request.throughputTimetable === null)) return
  const advice = 'declare it by --source-peak, or measure it by waybill doctor --measure-source'
  terminal.notice(`waybill: only --throughput protects the source: its peak is not known; ${advice}\n`)
}

/** Throws CONFIG_INVALID when what was measured cannot be read. */
export async function protectionOf(input: CommandInput, request: JobRequest): Promise<SourceProtection> {
  const measured = await readSourcePeak(stateFolderOf(input), request.source)
  if (measured === null && request.sourcePeakBytesPerSecond === null) warnOfUnknownPeak(input, request)
  return {
    signals: signalsOf(input, request.source),
    measuredPeakBytesPerSecond: measured?.bytesPerSecond ?? null,
    rules: { ...controlRules, quietMs: input.settings['source-quiet'] },
  }
}
