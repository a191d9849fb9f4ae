// GET /migrations/{job_id}/events: pages of JSON, or a stream (text/event-stream, WHATWG HTML "Server-sent events") whose ids
// are positions of the log: Last-Event-ID takes it up again after a lost connection or a restart, in any process.
import type { PartitionId, Positions } from '#libs/log/event-log'
import type { Asked } from '#schemas/api/routes'
import type { LoggedEvent } from '#schemas/api/system'
import type { Call, Handler } from './calls.ts'
import { told } from './calls.ts'
import { eventBlock, idBlock, isShown, laterOf, type Reader } from './event-feed.ts'
import { loggedEvent } from './event-text.ts'
import { accepts } from './forms.ts'
import { type JobSight, knownJob } from './job-sight.ts'
import { entriesOf } from './migrations.ts'
import { hasReached, readPast } from './past-events.ts'
import { parsePosition, positionText } from './position-text.ts'
import { ApiProblem } from './problems.ts'

/** Records looked at for one page. */
const pageRecordsMax = 50_000
/** Unsent bytes of one stream: who reads slower loses the connection, and comes again from its last id. */
const unsentBytesMax = 4 * 1024 * 1024
const aliveEveryMs = 15_000
/** Streams that read the past at the same time. */
const pastMax = 8

function positionOf(text: string, call: Call, pointer: string): Positions {
  const positions = parsePosition(text, call.context.partitionCounts)
  if (positions === null)
    throw new ApiProblem('POSITION_INVALID', { errors: [{ pointer, detail: 'is none of this log' }] })
  return positions
}

/** Nothing of a migration stands before it was asked for; only its acceptance is known by position. */
function startOf({ row }: JobSight): Map<PartitionId, number> {
  return row === undefined || row.acceptedAt < 0 ? new Map() : new Map([[`jobs/${row.acceptedIn}`, row.acceptedAt]])
}

const typesOf = (types: string | undefined): ReadonlySet<string> | null =>
  types === undefined ? null : new Set(types.split(','))

async function page({ params, query }: Asked<'listEvents'>, call: Call) {
  const { context } = call
  const sight = await knownJob(context, params.job_id)
  const list = `events ${params.job_id} ${query.types ?? ''}`
  const from =
    query.cursor === undefined
      ? startOf(sight)
      : positionOf(context.cursors.open(list, query.cursor), call, '/query/cursor')
  const wanted = entriesOf(query.limit)
  const types = typesOf(query.types)
  const entries: LoggedEvent[] = []
  const end = context.projection.positions()
  const positions = await readPast(context, {
    from,
    job: params.job_id,
    until: () => end,
    signal: call.signal,
    recordsMax: pageRecordsMax,
    take: ({ record, event }) => {
      if (isShown(event, params.job_id, types)) entries.push(loggedEvent(record, event))
      return entries.length < wanted
    },
  })
  const isEnd = hasReached(positions, end)
  const next = isEnd ? null : context.cursors.seal(list, positionText(positions, context.partitionCounts))
  return told(200, { entries, next })
}

/** Slots for streams that read the past, first come first served. */
class PastSlots {
  #free = pastMax
  readonly #waiting: (() => void)[] = []

  async within<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }
}

const slotsOf = new WeakMap<object, PastSlots>()

/** Writes what stands between `from` and the live end; returns where it ended, at or beyond what is folded. */
async function catchUp(
  call: Call,
  reader: Reader,
  from: Positions,
  gone: AbortSignal,
): Promise<Map<PartitionId, number>> {
  const { context } = call
  const slots = slotsOf.get(context) ?? new PastSlots()
  slotsOf.set(context, slots)
  return slots.within(async () => {
    let text = ''
    let isMoved = false
    return readPast(context, {
      from,
      job: reader.job,
      until: () => context.projection.positions(),
      signal: gone,
      recordsMax: Number.POSITIVE_INFINITY,
      take: ({ record, event }) => {
        if (isShown(event, reader.job, reader.types)) text += eventBlock(record, event)
        isMoved = true
        return !gone.aborted
      },
      onBatch: async (positions) => {
        if (isMoved) reader.write(`${text.slice(0, -1)}${idBlock(positionText(positions, context.partitionCounts))}`)
        text = ''
        isMoved = false
        await drained(call, gone)
      },
    })
  })
}

/** The past is read no faster than the client takes it. */
async function drained(call: Call, gone: AbortSignal): Promise<void> {
  const { raw } = call.reply
  while (raw.writableLength > unsentBytesMax / 4 && !gone.aborted) {
    await call.context.clock.sleep(20, gone).catch(() => undefined)
  }
}

async function beginningOf(asked: Asked<'listEvents'>, call: Call, sight: JobSight): Promise<Positions> {
  const lastId = call.request.headers['last-event-id']
  if (typeof lastId === 'string' && lastId !== '') {
    const from = positionOf(lastId, call, '/headers/last-event-id')
    const ends = await call.context.log.ends()
    if ([...from].every(([id, next]) => next <= (ends.get(id) ?? 0))) return from
    const errors = [{ pointer: '/headers/last-event-id', detail: 'is behind the end of the log' }]
    throw new ApiProblem('POSITION_INVALID', { errors })
  }
  if (asked.query.from === 'now') return call.context.projection.positions()
  return startOf(sight)
}

async function stream(asked: Asked<'listEvents'>, call: Call): Promise<'taken'> {
  const { context, reply, signal } = call
  const sight = await knownJob(context, asked.params.job_id)
  const from = await beginningOf(asked, call, sight)
  const leave = context.streams.enter(call.principal.name)
  const { raw } = reply
  reply.hijack()
  const gone = new AbortController()
  const ended = AbortSignal.any([signal, gone.signal])
  raw.once('close', () => gone.abort())
  raw.on('error', () => gone.abort())
  const reader: Reader = {
    job: asked.params.job_id,
    types: typesOf(asked.query.types),
    ahead: new Map(),
    write: (text) => {
      if (raw.writableLength > unsentBytesMax) raw.destroy()
      else if (!raw.destroyed) raw.write(text)
    },
  }
  try {
    const headers = Object.fromEntries(Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined))
    raw.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
    raw.write('retry: 3000\n\n')
    await follow(call, reader, from, ended)
  } catch (error) {
    if (!ended.aborted) context.logger.warn({ code: String(error) }, 'event stream ended early')
  } finally {
    leave()
    raw.end()
  }
  return 'taken'
}

/** Past, then live, until the client leaves or the API closes. */
async function follow(call: Call, reader: Reader, from: Positions, ended: AbortSignal): Promise<void> {
  const { context } = call
  let positions: ReadonlyMap<PartitionId, number> = from
  while (!ended.aborted && !hasReached(positions, context.projection.positions())) {
    positions = await catchUp(call, reader, positions, ended)
  }
  if (ended.aborted) return
  // Nothing is awaited between the last look and joining: no event falls between.
  reader.ahead = new Map(positions)
  const leave = context.feed.join(reader)
  try {
    reader.write(idBlock(positionText(laterOf(context.projection.positions(), reader.ahead), context.partitionCounts)))
    while (!ended.aborted) {
      await context.clock.sleep(aliveEveryMs, ended)
      reader.write(': alive\n\n')
    }
  } catch (error) {
    if (!ended.aborted) throw error
  } finally {
    leave()
  }
}

export const listEvents: Handler<'listEvents'> = (asked, call) => {
  const form = accepts(call.request.headers.accept, ['application/json', 'text/event-stream'])
  return form === 'text/event-stream' ? stream(asked, call) : page(asked, call)
}
