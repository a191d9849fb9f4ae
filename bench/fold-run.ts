// Folds a whole log into a fresh store and measures it.
import type { EventLog } from '#libs/log/event-log'
import { openProjection } from '#libs/projection/projection'
import { stateDigest } from '#libs/projection/state-digest'
import { systemClock } from '#libs/runtime/system-clock'
import { openRocksStore } from '#libs/store/rocksdb/rocks-store'

export interface FoldFigures {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly digest: string
}

export async function foldInto(log: EventLog, folder: string): Promise<FoldFigures> {
  const store = await openRocksStore({ folder })
  const projection = await openProjection(log, store)
  const stop = new AbortController()
  const started = systemClock.monotonic()
  const cpuBefore = process.cpuUsage()
  const running = projection.run(stop.signal)
  await Promise.race([projection.caughtUp(stop.signal), running])
  const seconds = (systemClock.monotonic() - started) / 1_000
  const { user, system } = process.cpuUsage(cpuBefore)
  stop.abort()
  await running
  const digest = await stateDigest(store)
  await store.close()
  return { seconds, cpuSeconds: (user + system) / 1e6, digest }
}
