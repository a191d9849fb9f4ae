// How a connection is protected as a source, from its keys in the configuration.
import type { SignalSettings } from '#libs/runtime/adapters'
import type { ProtectionSettings } from '#libs/runtime/cluster-settings'
import type { ConnectionValues } from './config-sections.ts'

/** Shorter than the interval in which signals are asked, so that no two runs of one overlap. */
const timeoutMs = 2_500

type Protection =
  | { readonly ok: true; readonly value: ProtectionSettings | null }
  | { readonly ok: false; readonly problem: string }

function contradiction(values: ConnectionValues, isFolder: boolean): string | null {
  const { signal_command: words, signal_url: url, signal_threshold: threshold } = values
  if (values.source_signals.length > 0 && !isFolder) return 'source_signals speaks of a folder, and this is none'
  if (words.length > 0 && url !== null) return 'signal_command and signal_url share signal_threshold: give one of them'
  if ((words.length > 0 || url !== null) !== (threshold !== null)) {
    return 'signal_threshold goes with signal_command or signal_url'
  }
  const ofUrl = (['signal_query', 'signal_token_file', 'signal_ca_file'] as const).find((key) => values[key] !== null)
  return url === null && ofUrl !== undefined ? `${ofUrl} goes with signal_url` : null
}

function askedSignal(name: string, values: ConnectionValues): readonly SignalSettings[] {
  const { signal_command: words, signal_url: url, signal_threshold: threshold } = values
  if (threshold === null) return []
  const [program, ...rest] = words
  if (program !== undefined) {
    return [{ kind: 'command', name: `${name}-command`, threshold, words: [program, ...rest], timeoutMs }]
  }
  if (url === null) return []
  const { signal_query: query, signal_token_file: tokenFile, signal_ca_file: caFile } = values
  return [{ kind: 'http', name: `${name}-load`, threshold, url, query, tokenFile, caFile, timeoutMs }]
}

/** null: nothing of it is configured. */
export function protectionOfConnection(name: string, values: ConnectionValues, isFolder: boolean): Protection {
  const problem = contradiction(values, isFolder)
  if (problem !== null) return { ok: false, problem }
  const ofMachine = values.source_signals.map((kind) => ({ kind, threshold: null }))
  const signals = [...ofMachine, ...askedSignal(name, values)]
  const peakBytesPerSecond = values.source_peak
  const isEmpty = signals.length === 0 && peakBytesPerSecond === null
  return { ok: true, value: isEmpty ? null : { peakBytesPerSecond, signals } }
}
