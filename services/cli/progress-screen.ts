// Shows progress on standard error while a run goes on: a block that is drawn over itself on a terminal, a plain line each
// 10 s elsewhere.
import type { Clock } from '#libs/runtime/clock'
import type { ProgressSnapshot } from '../embedded/progress-snapshot.ts'
import { addSample, estimate, type Sample, sampleOf } from './progress-estimate.ts'
import { type BlockStyle, blockText, jsonLine, plainLine } from './progress-text.ts'

export type ProgressMode = 'block' | 'line' | 'json' | 'none'

export interface ProgressScreenOptions {
  readonly mode: ProgressMode
  /** Asked before each drawing: the terminal may have been resized. */
  readonly style: () => BlockStyle
  readonly write: (text: string) => void
  readonly clock: Clock
}

export interface ProgressScreen {
  /** Takes a snapshot; draws when it is time to. */
  show(snapshot: ProgressSnapshot): void
  /** Draws the last state and leaves it standing. */
  end(snapshot: ProgressSnapshot): void
}

const drawEveryMs: Readonly<Record<ProgressMode, number>> = { block: 100, line: 10_000, json: 1000, none: 0 }
/** How often a snapshot is asked for; rates need more samples than lines are printed. */
export const askEveryMs: Readonly<Record<ProgressMode, number>> = { block: 200, line: 1000, json: 1000, none: 1000 }

const cursorUp = (lines: number): string => (lines > 0 ? `\u001b[${lines}A` : '')
const toLineStart = '\r'
const clearDown = '\u001b[J'

export function openProgressScreen(options: ProgressScreenOptions): ProgressScreen {
  const { mode, clock, write } = options
  let samples: readonly Sample[] = []
  let drawnAt: number | null = null
  let drawnLines = 0

  const draw = (snapshot: ProgressSnapshot): void => {
    const seen = estimate(samples, snapshot)
    if (mode === 'block') {
      const lines = blockText(snapshot, seen, options.style())
      write(`${toLineStart}${cursorUp(drawnLines)}${clearDown}${lines.join('\n')}\n`)
      drawnLines = lines.length
    } else if (mode !== 'none') {
      const at = new Date(clock.now()).toISOString()
      write(`${mode === 'json' ? jsonLine(snapshot, seen, at) : plainLine(snapshot, seen, at)}\n`)
    }
  }

  return {
    show(snapshot) {
      const now = clock.monotonic()
      samples = addSample(samples, sampleOf(snapshot, now))
      if (drawnAt !== null && now - drawnAt < drawEveryMs[mode]) return
      drawnAt = now
      draw(snapshot)
    },
    end(snapshot) {
      samples = addSample(samples, sampleOf(snapshot, clock.monotonic()))
      draw(snapshot)
    },
  }
}

/** `auto`: a block on a terminal that can move its cursor, lines elsewhere; nothing when quiet. */
export function progressModeOf(
  wanted: 'auto' | ProgressMode,
  place: { readonly isTerminal: boolean; readonly isDumb: boolean; readonly isQuiet: boolean },
): ProgressMode {
  if (wanted !== 'auto') return wanted
  if (place.isQuiet) return 'none'
  return place.isTerminal && !place.isDumb ? 'block' : 'line'
}

/** Asks for snapshots until the work settles, then draws the last one. Rejects with what the work rejects with. */
export async function watchProgress<T>(
  screen: ProgressScreen,
  options: {
    readonly everyMs: number
    readonly clock: Clock
    readonly snapshot: () => Promise<ProgressSnapshot | null>
  },
  work: Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const outcome = work.finally(() => ended.abort())
  // The caller awaits `outcome` below; a rejection while we sleep must not count as unhandled.
  outcome.catch(() => undefined)
  while (!ended.signal.aborted) {
    const snapshot = await options.snapshot()
    if (snapshot !== null && !ended.signal.aborted) screen.show(snapshot)
    await sleepQuietly(options.clock, options.everyMs, ended.signal)
  }
  const last = await options.snapshot()
  if (last !== null) screen.end(last)
  return outcome
}

async function sleepQuietly(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
