// What a coordinator is configured to know of sources: the peak of each connection, and signals of its load.
import { openSourceSignal } from '#libs/runtime/adapters'
import type { Clock } from '#libs/runtime/clock'
import type { ClusterSettings } from '#libs/runtime/cluster-settings'
import type { Logger } from '#libs/runtime/logger'
import { watchSignals } from '#libs/source/signal-watch'
import type { SourceKnowledge } from '../coordinator/granting.ts'

export interface ConfiguredSources {
  readonly knowledge: SourceKnowledge
  /** Asks the signals until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export function configuredSources(options: {
  readonly settings: Pick<ClusterSettings, 'connections' | 'roles'>
  readonly clock: Clock
  readonly logger: Logger
}): ConfiguredSources {
  const { settings, clock, logger } = options
  const known = [...settings.connections.values()].flatMap(({ name, place, protection }) => {
    if (protection === undefined) return []
    const path = place.kind === 'files' ? place.path : ''
    const signals = protection.signals.map((signal) => openSourceSignal(signal, path, clock))
    return [{ source: `@${name}`, signals, peak: protection.peakBytesPerSecond }]
  })
  const watch = watchSignals({ signals: new Map(known.map(({ source, signals }) => [source, signals])), clock, logger })
  const peaks = new Map(known.map(({ source, peak }) => [source, peak]))
  const hasSignals = settings.roles.includes('coordinator') && known.some(({ signals }) => signals.length > 0)
  return {
    knowledge: {
      levels: (source) => watch.levels(source),
      peak: (source) => {
        const bytesPerSecond = peaks.get(source) ?? null
        return bytesPerSecond === null ? null : { bytesPerSecond, isMeasured: false }
      },
    },
    run: (signal) => (hasSignals ? watch.run(signal) : Promise.resolve()),
  }
}
