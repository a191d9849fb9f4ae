// Pressure of this machine's storage, for a source on a local disk: the share of time in which something waited for it
// (Linux PSI, Documentation/accounting/psi.rst: `some` of /proc/pressure/io). Our own waiting is part of it.
import { readFile } from 'node:fs/promises'
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { LoadSignal } from '../load-signal.ts'

/** Percent of the time; well below it production notices nothing. */
export const pressureThreshold = 40
const name = 'io-pressure-percent'

export interface Pressure {
  readonly percentOfTenSeconds: number
  /** Microseconds since the machine started. */
  readonly totalMicroseconds: number
}

/** Reads the line `some avg10=0.47 avg60=1.21 avg300=1.28 total=279308161`. Throws SIGNAL_UNREADABLE. */
export function parsePressure(text: string): Pressure {
  const match = /^some avg10=([0-9.]+) .*total=([0-9]+)$/m.exec(text)
  if (match === null) throw new WaybillError('SIGNAL_UNREADABLE', { name, problem: 'no line of the form some avg10=' })
  return { percentOfTenSeconds: Number(match[1]), totalMicroseconds: Number(match[2]) }
}

async function look(path: string): Promise<Pressure> {
  try {
    return parsePressure(await readFile(path, 'utf8'))
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause
    throw new WaybillError('SIGNAL_FAILED', { name, problem: 'this kernel tells no pressure' }, { cause })
  }
}

export function openPressureSignal(options: {
  readonly clock: Clock
  readonly threshold?: number | undefined
  readonly path?: string
}): LoadSignal {
  const { clock, threshold = pressureThreshold, path = '/proc/pressure/io' } = options
  let last: { readonly atMs: number; readonly totalMicroseconds: number } | null = null
  return {
    name,
    threshold,
    async read() {
      const { percentOfTenSeconds, totalMicroseconds } = await look(path)
      const [before, atMs] = [last, clock.monotonic()]
      last = { atMs, totalMicroseconds }
      // Between two looks the total is exact and sooner than the mean of ten seconds.
      if (before === null || atMs <= before.atMs) return { value: percentOfTenSeconds, bytesPerSecond: null }
      const waitedMs = (totalMicroseconds - before.totalMicroseconds) / 1000
      return { value: Math.min(100, (100 * waitedMs) / (atMs - before.atMs)), bytesPerSecond: null }
    },
  }
}
