// How fast migrations really go: bytes written over the last minutes, from a look at their tallies every few seconds.

import { isAtRest } from '#libs/domain/job-control'
import { keyOf } from '#libs/domain/keys'
import type { Projection } from '#libs/projection/projection'
import type { Clock } from '#libs/runtime/clock'

const everyMs = 5_000
const windowMs = 300_000
/** Less than this says nothing. */
const enoughMs = 9_000
const jobsMax = 2_000
const rowsAtOnce = 200

interface Sample {
  readonly atMs: number
  readonly bytes: number
}

export interface PaceBook {
  /** Bytes a second; null: too little is known, or it does not run. */
  of(job: string): number | null
  /** Counts one more open migration; false, and counts none, when there are `max` already. What came to nothing is forgotten soon. */
  takeOpen(max: number): boolean
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export function createPaceBook(projection: Pick<Projection, 'rows'>, clock: Clock): PaceBook {
  const samples = new Map<string, readonly Sample[]>()
  /** Migrations that were under way, or not begun, when last looked, and those that were asked for since. */
  let open = 0
  let taken = 0

  async function runningJobs(): Promise<readonly string[]> {
    const running: string[] = []
    const takenBefore = taken
    let count = 0
    let after: string | undefined
    for (;;) {
      const rows = await projection.rows.slice('job', 'job/', rowsAtOnce, after)
      for (const { key, row } of rows) {
        if (isAtRest(row) || row.control === 'cancelled') continue
        count += 1
        if (row.control === 'running' && running.length < jobsMax) running.push(key.slice('job/'.length))
      }
      after = rows.at(-1)?.key
      if (rows.length < rowsAtOnce) break
    }
    const asked = await projection.rows.slice('request', 'request/', jobsMax)
    // Those of this moment may be counted twice, until the next look, and none is missed.
    open = count + asked.length + taken - takenBefore
    return running
  }

  async function look(): Promise<void> {
    const jobs = await runningJobs()
    const tallies = await projection.rows.getMany(jobs.map((job) => keyOf.tally(job)))
    const atMs = clock.monotonic()
    const known = new Set(jobs)
    for (const job of samples.keys()) if (!known.has(job)) samples.delete(job)
    for (const [index, job] of jobs.entries()) {
      const bytes = tallies[index]?.bytesTransferred ?? 0
      const kept = (samples.get(job) ?? []).filter((sample) => sample.atMs > atMs - windowMs)
      samples.set(job, [...kept, { atMs, bytes }])
    }
  }

  return {
    of(job) {
      const [first, ...rest] = samples.get(job) ?? []
      const last = rest.at(-1)
      if (first === undefined || last === undefined || last.atMs - first.atMs < enoughMs) return null
      const pace = ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1000
      return pace > 0 ? pace : null
    },
    takeOpen(max) {
      if (open >= max) return false
      open += 1
      taken += 1
      return true
    },
    async run(signal) {
      while (!signal.aborted) {
        await look()
        await clock.sleep(everyMs, signal).catch((error: unknown) => {
          if (!signal.aborted) throw error
        })
      }
    },
  }
}
