// One reading of the log: all partitions from own positions, one request under way to each node that leads some of them,
// the next one sent before the records of the last are handed out. No group, hence no rebalance and no session to miss.
import { WaybillError } from '#libs/domain/errors'
import { batchRecordsMax, type LogRecord, type Positions, partitionId } from '#libs/log/event-log'
import { assertNotBehind } from '#libs/log/record-rules'
import type { Clock } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'
import type { Topic } from '#schemas/events'
import { kafkaError } from './kafka-error.ts'
import type { Cursor, FetchLimits, KafkaLink } from './kafka-link.ts'
import { assertOk, type FetchedPartition } from './protocol.ts'
import { decodeBatches } from './record-batch.ts'

/** A node answers as soon as there is one byte, so this bounds only how often an idle reader asks. */
const waitMsMax = 1000
const limits: FetchLimits = { waitMsMax, bytesMax: 8 * 1024 * 1024, partitionBytesMax: 2 * 1024 * 1024 }
/** Records are there and none came for so long: the connections are made anew. */
const stallMsMax = 20_000
const pauseMsMax = 2000
/** So often a reader makes sure that the topics are still those it began with. */
const checkEveryMs = 30_000

export interface ReaderOptions {
  /** Opens connections; has made sure that the topics are those of this log. */
  readonly connect: () => Promise<KafkaLink>
  /** Throws LOG_DAMAGED when they are not those of this log any more. */
  readonly check: (link: KafkaLink) => Promise<void>
  readonly partitions: readonly { readonly topic: Topic; readonly partition: number }[]
  readonly topicsByName: ReadonlyMap<string, Topic>
  readonly clock: Clock
  readonly logger: Logger
  /** How long brokers may be away before the reading ends with LOG_UNREACHABLE. */
  readonly patienceMs: number
}

type Answer =
  | { readonly node: number; readonly partitions: readonly FetchedPartition[] }
  | { readonly node: number; readonly error: unknown }

/** Connections of one reading, and what is asked over them. */
interface Session {
  readonly link: KafkaLink
  readonly pending: Map<number, Promise<Answer>>
  checkedAtMs: number
}

/**
 * Records that were there are gone, at the end or at the start. What is compacted or not audited (rates) may begin later.
 * @throws WaybillError LOG_DAMAGED
 */
async function place(cursors: readonly Cursor[], link: KafkaLink): Promise<void> {
  const [first, ends] = await Promise.all([link.offsets('earliest'), link.offsets('latest')])
  for (const cursor of cursors) {
    const { topic, partition, position } = cursor
    const start = first.get(cursor.id) ?? 0
    if (position >= start) continue
    if (topic !== 'rates') {
      throw new WaybillError('LOG_DAMAGED', { reason: 'records were deleted', topic, partition, position, start })
    }
    cursor.position = start
  }
  assertNotBehind(new Map(cursors.map(({ id, position }) => [id, position])), ends)
}

export class KafkaReader {
  readonly #options: ReaderOptions
  /** In the order in which they are asked for: who delivered goes to the end, so that nobody is left out. */
  readonly #cursors: Map<string, Cursor>
  /** Partitions with records that do not come: since when, and since when over these connections. */
  readonly #stalls = new Map<string, { readonly sinceMs: number; connectedAtMs: number }>()
  #session: Session | null = null
  #failingAtMs: number | null = null
  #pauseMs = 0
  /** Connections that were still being made when the reading was stopped. */
  #closingLate: Promise<void> = Promise.resolve()

  constructor(from: Positions, options: ReaderOptions) {
    this.#options = options
    this.#cursors = new Map(
      options.partitions.map(({ topic, partition }) => {
        const id = partitionId(topic, partition)
        return [id, { topic, partition, id, position: from.get(id) ?? 0 }]
      }),
    )
  }

  /**
   * Records in batches of at most 10,000, none when the signal has aborted.
   * @throws WaybillError LOG_DAMAGED, LOG_DENIED, LOG_UNREACHABLE after the patience is at its end
   */
  async next(stop: AbortSignal): Promise<readonly (readonly LogRecord[])[]> {
    while (!stop.aborted) {
      try {
        const records = await this.#ask(stop)
        if (records.length > 0) return batchesOf(records)
      } catch (error) {
        await this.#recover(error, stop)
      }
    }
    return []
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = null
    await session?.link.close()
    await this.#closingLate
  }

  async #ask(stop: AbortSignal): Promise<readonly LogRecord[]> {
    const session = this.#session ?? (await this.#open(stop))
    if (session === null) return []
    this.#session = session
    await orStop(this.#checkSometimes(session), stop)
    this.#request(session)
    const answer = await orStop(Promise.race(session.pending.values()), stop)
    if (answer === null) return []
    session.pending.delete(answer.node)
    if ('error' in answer) throw answer.error
    const records = this.#take(answer.partitions)
    this.#request(session)
    this.#settle()
    return records
  }

  async #open(stop: AbortSignal): Promise<Session | null> {
    const opening = this.#connect()
    const session = await orStop(opening, stop)
    if (session === null) {
      this.#closingLate = opening.then(
        ({ link }) => link.close(),
        () => undefined,
      )
    }
    return session
  }

  async #connect(): Promise<Session> {
    const { connect, clock } = this.#options
    const link = await connect()
    try {
      await place([...this.#cursors.values()], link)
    } catch (error) {
      await link.close()
      throw error
    }
    return { link, pending: new Map(), checkedAtMs: clock.monotonic() }
  }

  async #checkSometimes(session: Session): Promise<void> {
    const nowMs = this.#options.clock.monotonic()
    if (nowMs - session.checkedAtMs < checkEveryMs) return
    await this.#options.check(session.link)
    session.checkedAtMs = nowMs
  }

  /** One request to each node that has none under way. */
  #request(session: Session): void {
    const { link, pending } = session
    const byNode = Map.groupBy(this.#cursors.values(), ({ topic, partition }) => link.leaderOf(topic, partition))
    for (const [node, cursors] of byNode) {
      if (pending.has(node)) continue
      const asked = link.fetch(node, cursors, limits)
      pending.set(
        node,
        asked.then(
          (partitions) => ({ node, partitions }),
          (error: unknown) => ({ node, error }),
        ),
      )
    }
  }

  /** Decodes an answer and moves the cursors on. */
  #take(partitions: readonly FetchedPartition[]): readonly LogRecord[] {
    const records: LogRecord[] = []
    const bytes = partitions.reduce((sum, { batches }) => sum + batches.length, 0)
    // Who gets nothing in a full answer waits for its turn.
    const hasRoom = bytes < limits.bytesMax - limits.partitionBytesMax
    for (const { name, partition, errorCode, highWatermark, batches } of partitions) {
      const topic = this.#options.topicsByName.get(name)
      const id = topic === undefined ? '' : partitionId(topic, partition)
      const cursor = this.#cursors.get(id)
      if (topic === undefined || cursor === undefined) continue
      assertOk(errorCode)
      const next = decodeBatches(batches, { topic, partition, from: cursor.position }, records)
      this.#watch(id, hasRoom && next === cursor.position && highWatermark > next)
      if (next === cursor.position) continue
      cursor.position = next
      this.#cursors.delete(id)
      this.#cursors.set(id, cursor)
    }
    return records
  }

  #watch(id: string, isStalled: boolean): void {
    if (!isStalled) {
      this.#stalls.delete(id)
      return
    }
    const nowMs = this.#options.clock.monotonic()
    const stall = this.#stalls.get(id) ?? { sinceMs: nowMs, connectedAtMs: nowMs }
    this.#stalls.set(id, stall)
    if (nowMs - stall.connectedAtMs < stallMsMax) return
    stall.connectedAtMs = nowMs
    this.#failingAtMs = Math.min(this.#failingAtMs ?? nowMs, stall.sinceMs)
    throw new WaybillError('LOG_UNREACHABLE', { reason: 'records are there and do not come', partition: id })
  }

  #settle(): void {
    if (this.#failingAtMs !== null) this.#options.logger.info({}, 'the log is reachable again')
    this.#failingAtMs = null
    this.#pauseMs = 0
  }

  async #recover(thrown: unknown, stop: AbortSignal): Promise<void> {
    const { clock, logger, patienceMs } = this.#options
    const error = kafkaError(thrown)
    // Its connections may be half open, and their leaders may be others by now.
    await this.close()
    if (stop.aborted) return
    if (!(error instanceof WaybillError) || error.code !== 'LOG_UNREACHABLE') throw error
    if (this.#pauseMs === 0) logger.warn({ ...error.facts }, 'the log is not reachable, trying again')
    const nowMs = clock.monotonic()
    this.#failingAtMs ??= nowMs
    if (nowMs - this.#failingAtMs > patienceMs) throw error
    await sleepOrStop(clock, this.#pauseMs, stop)
    this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2 + 50)
  }
}

function batchesOf(records: readonly LogRecord[]): readonly (readonly LogRecord[])[] {
  if (records.length <= batchRecordsMax) return [records]
  const count = Math.ceil(records.length / batchRecordsMax)
  return Array.from({ length: count }, (_, index) =>
    records.slice(index * batchRecordsMax, (index + 1) * batchRecordsMax),
  )
}

/** null when the signal aborts first. */
async function orStop<T>(waiting: Promise<T>, stop: AbortSignal): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const onAbort = (): void => resolve(null)
  stop.addEventListener('abort', onAbort, { once: true })
  if (stop.aborted) onAbort()
  try {
    return await Promise.race([waiting, promise])
  } finally {
    stop.removeEventListener('abort', onAbort)
  }
}

async function sleepOrStop(clock: Clock, ms: number, stop: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, stop)
  } catch (error) {
    if (!stop.aborted) throw error
  }
}
