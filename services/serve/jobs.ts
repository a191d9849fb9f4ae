// Which jobs there is something to do for, as folded. Rows are read anew only of the jobs that events speak of, and only
// those that are not over are kept: a log may hold thousands of jobs that ended long ago.
import { keyOf } from '#libs/domain/keys'
import { poisonOf } from '#libs/projection/poison'
import type { FoldedRecord } from '#libs/projection/projection'
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
  /** Jobs that are requested, or that a pass is open or wanted for. One call at a time. */
  live(): Promise<readonly LiveJob[]>
  /** Names of jobs whose newest pass was complete at the last look, with its number; those that were taken are left out. */
  ended(): readonly (readonly [name: string, pass: number])[]
  /** Whoever took it has seen to that end. */
  take(name: string): void
}

const rowsAtOnce = 500
/** More than so many jobs that changed since the last look: all are looked at. */
const changedMax = 1_000

function isLive({ pass, passesCompleted, passAsked }: JobRow): boolean {
  return pass === 0 || passesCompleted < pass || pass < passAsked
}

type WatchParts = Pick<ServeParts, 'projection' | 'logger'> & {
  /** Ends are kept until they are taken. */
  readonly keepsEnds: boolean
}

class FoldedJobs implements JobWatch {
  readonly #parts: WatchParts
  /** Jobs that were said to be stopped. */
  readonly #told = new Set<string>()
  readonly #live = new Map<string, LiveJob>()
  readonly #ended = new Map<string, number>()
  /** Records that name no job and that were told of, by place. */
  readonly #toldOf = new Set<string>()
  #hasPoison = true
  /** Names that events of the jobs topic spoke of since the last look; null: too many, or none was looked at yet. */
  #changed: Set<string> | null = null

  constructor(parts: WatchParts) {
    this.#parts = parts
    parts.projection.observe((folded) => this.#note(folded))
  }

  async live(): Promise<readonly LiveJob[]> {
    await this.#tellStray()
    await this.#look()
    return this.#sound([...this.#live.values()])
  }

  ended(): readonly (readonly [name: string, pass: number])[] {
    return [...this.#ended]
  }

  take(name: string): void {
    this.#ended.delete(name)
  }

  /** Job rows and requests follow from the topic of jobs alone. */
  #note(folded: readonly FoldedRecord[]): void {
    this.#hasPoison ||= folded.some(({ kind }) => kind === 'poison')
    for (const { record, event } of folded) {
      if (this.#changed === null) return
      if (record.topic !== 'jobs' || event === null || event.type === 'RateDecided') continue
      this.#changed.add(event.job)
      if (this.#changed.size > changedMax) this.#changed = null
    }
  }

  /** What cannot be folded and names no job stops nothing; somebody should know of it all the same. */
  async #tellStray(): Promise<void> {
    if (!this.#hasPoison) return
    this.#hasPoison = false
    const { projection, logger } = this.#parts
    for (const { topic, partition, position, reason } of await poisonOf(projection.rows, '')) {
      const place = `${topic}/${partition}/${position}`
      if (this.#toldOf.has(place)) continue
      this.#toldOf.add(place)
      const at = { topic, partition, position, reason }
      logger.warn({ code: 'EVENT_POISON', ...at }, 'a record that names no job cannot be read, and is set aside')
    }
  }

  async #look(): Promise<void> {
    const changed = this.#changed
    this.#changed = new Set()
    if (changed === null) return this.#lookAtAll()
    for (const name of changed) await this.#lookAt(name)
  }

  async #lookAt(name: string): Promise<void> {
    const { rows } = this.#parts.projection
    const row = (await rows.get(keyOf.job(name))) ?? null
    const [asked] = await rows.slice('request', `request/${name}/`, 1)
    const request = row?.request ?? asked?.row.request
    if (request !== undefined) this.#keep({ name, request, isAsked: asked !== undefined, row })
    else this.#forget(name)
  }

  async #lookAtAll(): Promise<void> {
    const asked = new Map<string, JobRequest>()
    for await (const { key, row } of this.#all('request')) asked.set(key.split('/')[1] ?? '', row.request)
    const known = new Set<string>()
    for await (const { key, row } of this.#all('job')) {
      const name = key.slice(keyOf.job('').length)
      known.add(name)
      this.#keep({ name, request: row.request, isAsked: asked.has(name), row })
    }
    for (const [name, request] of asked) if (!known.has(name)) this.#keep({ name, request, isAsked: true, row: null })
    for (const name of this.#live.keys()) if (!known.has(name) && !asked.has(name)) this.#forget(name)
  }

  #keep(job: LiveJob): void {
    const { name, row, isAsked } = job
    const isOver = row !== null && !isLive(row)
    if (!isOver || isAsked) this.#live.set(name, job)
    else this.#live.delete(name)
    if (!isOver) this.#ended.delete(name)
    else if (this.#parts.keepsEnds) this.#ended.set(name, row.pass)
  }

  #forget(name: string): void {
    this.#live.delete(name)
    this.#ended.delete(name)
  }

  async *#all<K extends 'job' | 'request'>(kind: K) {
    let after: string | undefined
    for (;;) {
      const found = await this.#parts.projection.rows.slice(kind, `${kind}/`, rowsAtOnce, after)
      yield* found
      after = found.at(-1)?.key
      if (found.length < rowsAtOnce) return
    }
  }

  /** Without those of which the log holds what cannot be folded: nothing is decided on a state that may be short of it. */
  async #sound(all: readonly LiveJob[]): Promise<readonly LiveJob[]> {
    const { projection, logger } = this.#parts
    const poisons = await Promise.all(all.map(({ name }) => poisonOf(projection.rows, name, 1)))
    const live = all.filter((_, index) => poisons[index]?.length === 0)
    const names = new Set(live.map(({ name }) => name))
    const stopped = all.filter(({ name }) => !names.has(name))
    for (const { name } of stopped) {
      if (this.#told.has(name)) continue
      logger.error({ job: name, code: 'EVENT_POISON' }, 'the job is stopped')
      this.#told.add(name)
    }
    if (this.#told.size > stopped.length) {
      const left = new Set(stopped.map(({ name }) => name))
      for (const name of this.#told) if (!left.has(name)) this.#told.delete(name)
    }
    return live
  }
}

export function createJobWatch(parts: WatchParts): JobWatch {
  return new FoldedJobs(parts)
}
