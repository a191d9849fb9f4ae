// Which jobs there is something to do for, as folded.
import { keyOf } from '#libs/domain/keys'
import { partitionId } from '#libs/log/event-log'
import { poisonOf } from '#libs/projection/poison'
import type { JobRequest } from '#schemas/records'
import type { JobRow } from '#schemas/rows'
import type { ServeParts } from './parts.ts'

export interface LiveJob {
  readonly name: string
  readonly request: JobRequest
  /** A request of this name waits for its answer. */
  readonly isAsked: boolean
  /** null: not accepted yet. */
  readonly row: JobRow | null
}

export interface JobWatch {
  /** Jobs that are requested, or that a pass is open or wanted for. */
  live(): Promise<readonly LiveJob[]>
  /** All jobs whose newest pass is complete. */
  complete(): Promise<readonly LiveJob[]>
}

const rowsAtOnce = 500

function isLive({ pass, passesCompleted, passAsked }: JobRow): boolean {
  return pass === 0 || passesCompleted < pass || pass < passAsked
}

/** Looks again only when something was folded in the topic that job rows follow from. */
export function createJobWatch({
  projection,
  counts,
  logger,
}: Pick<ServeParts, 'projection' | 'counts' | 'logger'>): JobWatch {
  /** Jobs that were said to be stopped. */
  const told = new Set<string>()
  let seen = ''
  let jobs: readonly LiveJob[] = []

  async function* all<K extends 'job' | 'request'>(kind: K) {
    let after: string | undefined
    for (;;) {
      const found = await projection.rows.slice(kind, `${kind}/`, rowsAtOnce, after)
      yield* found
      after = found.at(-1)?.key
      if (found.length < rowsAtOnce) return
    }
  }

  /** Without those of which the log holds what cannot be folded: nothing is decided on a state that may be short of it. */
  async function sound(all: readonly LiveJob[]): Promise<readonly LiveJob[]> {
    const poisons = await Promise.all(all.map(({ name }) => poisonOf(projection.rows, name, 1)))
    const live = all.filter((_, index) => poisons[index]?.length === 0)
    const names = new Set(live.map(({ name }) => name))
    for (const { name } of all) {
      if (names.has(name) || told.has(name)) continue
      logger.error({ job: name, code: 'EVENT_POISON' }, 'the job is stopped')
      told.add(name)
    }
    return live
  }

  async function look(): Promise<void> {
    const positions = projection.positions()
    const now = Array.from({ length: counts.jobs }, (_, partition) => positions.get(partitionId('jobs', partition)))
    if (seen === now.join()) return
    const found = new Map<string, LiveJob>()
    for await (const { key, row } of all('job')) {
      const name = key.slice(keyOf.job('').length)
      found.set(name, { name, request: row.request, isAsked: false, row })
    }
    for await (const { key, row } of all('request')) {
      const name = key.split('/')[1] ?? ''
      const known = found.get(name) ?? { name, request: row.request, row: null }
      found.set(name, { ...known, isAsked: true })
    }
    jobs = [...found.values()]
    seen = now.join()
  }

  return {
    async live() {
      await look()
      return sound(jobs.filter(({ row, isAsked }) => isAsked || row === null || isLive(row)))
    },
    async complete() {
      await look()
      return jobs.filter(({ row }) => row !== null && !isLive(row))
    },
  }
}
