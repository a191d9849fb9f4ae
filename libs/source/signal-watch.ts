// Asks the signals of sources every few seconds and remembers what each said last, and when.
import { codeOf } from '#libs/domain/errors'
import { reportEveryMs } from '#libs/domain/rate'
import type { SignalLevel } from '#libs/domain/rate-control'
import type { Clock } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'
import type { LoadReading, LoadSignal } from './load-signal.ts'

/** An answer that takes longer is given up. */
const readMsMax = 5_000

interface Watched {
  readonly signal: LoadSignal
  reading: LoadReading | null
  readMs: number
  isFailing: boolean
}

export interface SignalWatch {
  /** What the signals of a source say; empty for a source without any. */
  levels(source: string): readonly SignalLevel[]
  /** Asks until the signal aborts; never throws for a signal that fails. */
  run(signal: AbortSignal): Promise<void>
}

export function watchSignals(options: {
  readonly signals: ReadonlyMap<string, readonly LoadSignal[]>
  readonly clock: Clock
  readonly logger: Logger
  readonly everyMs?: number
}): SignalWatch {
  const { signals, clock, logger, everyMs = reportEveryMs } = options
  const startedMs = clock.monotonic()
  const watched = new Map(
    [...signals].map(([source, list]) => [
      source,
      list.map((signal): Watched => ({ signal, reading: null, readMs: startedMs, isFailing: false })),
    ]),
  )

  async function ask(one: Watched, outer: AbortSignal): Promise<void> {
    const patience = new AbortController()
    const both = AbortSignal.any([outer, patience.signal])
    const overdue = clock.sleep(readMsMax, both).then(
      () => patience.abort(new Error('no answer in time')),
      () => undefined,
    )
    try {
      const reading = await one.signal.read(both)
      if (reading === null) return
      Object.assign(one, { reading, readMs: clock.monotonic(), isFailing: false })
    } catch (error) {
      if (outer.aborted) return
      // Said once: the decisions in the log tell how long it lasts.
      if (!one.isFailing)
        logger.warn({ code: codeOf(error), error, signal: one.signal.name }, 'signal of the source failed')
      one.isFailing = true
    } finally {
      patience.abort(new Error('answered'))
      await overdue
    }
  }

  return {
    levels: (source) =>
      (watched.get(source) ?? []).map(({ signal, reading, readMs }) => ({
        name: signal.name,
        value: reading?.value ?? null,
        ageMs: Math.round(clock.monotonic() - readMs),
        threshold: signal.threshold,
        bytesPerSecond: reading?.bytesPerSecond ?? null,
      })),
    async run(signal) {
      while (!signal.aborted) {
        await Promise.all([...watched.values()].flat().map((one) => ask(one, signal)))
        await clock.sleep(everyMs, signal).catch((error: unknown) => {
          if (!signal.aborted) throw error
        })
      }
    },
  }
}
