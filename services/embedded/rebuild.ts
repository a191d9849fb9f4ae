// Folds a job's log again into a fresh store and compares it with the live one (I5: one history).
import { codeOf } from '#libs/domain/errors'
import type { EventLog } from '#libs/log/event-log'
import { openProjection, type Projection } from '#libs/projection/projection'
import { stateDigest } from '#libs/projection/state-digest'
import type { Clock } from '#libs/runtime/clock'
import { openRebuildFolder } from '#libs/runtime/job-folder'
import type { StateStore } from '#libs/store/state-store'

export interface RebuildOptions {
  readonly folder: string
  readonly clock: Clock
  /** Called every 10 s with the events folded so far. */
  readonly onProgress: (events: number) => void
  readonly signal: AbortSignal
}

export interface RebuildEnd {
  readonly freshDigest: string
  /** null: the live store was damaged. */
  readonly liveDigest: string | null
  readonly events: number
  readonly stale: number
  readonly poison: number
  /** Of the folding alone. */
  readonly ms: number
  /** Where the store that differed was moved; null: nothing was replaced. */
  readonly movedAside: string | null
}

const progressEveryMs = 10_000

async function foldAll(log: EventLog, store: StateStore, options: RebuildOptions): Promise<Projection> {
  const { signal, clock, onProgress } = options
  const projection = await openProjection(log, store)
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  const folding = projection.run(ended)
  const watch = async (): Promise<void> => {
    while (!ended.aborted) {
      await clock.sleep(progressEveryMs, ended)
      onProgress(projection.counts().folded)
    }
  }
  const watching = watch()
  try {
    await Promise.race([folding.then(() => signal.throwIfAborted()), projection.caughtUp(signal)])
  } finally {
    stop.abort(new Error('folded'))
    await Promise.allSettled([folding, watching])
  }
  return projection
}

/** The live store's digest, once it is folded to the end as well; null when it turns out to be damaged. */
async function liveDigest(log: EventLog, live: StateStore | null, options: RebuildOptions): Promise<string | null> {
  if (live === null) return null
  try {
    await foldAll(log, live, options)
    return await stateDigest(live)
  } catch (error) {
    if (codeOf(error) !== 'STORE_DAMAGED') throw error
    return null
  }
}

/** Replaces the live store when it differs. Throws what openRebuildFolder throws, and the signal's reason. */
export async function rebuildJob(options: RebuildOptions): Promise<RebuildEnd> {
  const { clock } = options
  const { log, live, fresh, close } = await openRebuildFolder(options.folder)
  let end: 'adopt' | 'discard' = 'discard'
  let movedAside: string | null = null
  let told: Omit<RebuildEnd, 'movedAside'>
  try {
    const startedMs = clock.monotonic()
    const projection = await foldAll(log, fresh, options)
    const ms = clock.monotonic() - startedMs
    const { folded, known, stale, poison } = projection.counts()
    const digests = { freshDigest: await stateDigest(fresh), liveDigest: await liveDigest(log, live, options) }
    told = { ...digests, events: folded + known + stale + poison, stale, poison, ms }
    end = digests.freshDigest === digests.liveDigest ? 'discard' : 'adopt'
  } finally {
    movedAside = await close(end)
  }
  return { ...told, movedAside }
}
