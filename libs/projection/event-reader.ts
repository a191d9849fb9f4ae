// Events read again at the positions that the fold wrote down. Planning, transfer, read-back, comparison and report each
// ask for the same few pages and packs within a short time, so the events read last are kept decoded.

import { WaybillError } from '#libs/domain/errors'
import type { EventLog } from '#libs/log/event-log'
import { type EventOf, type EventType, isEvent, type Topic, type WaybillEvent } from '#schemas/events'
import { decodeEvent } from '#schemas/wire'

export interface EventPlace {
  readonly topic: Topic
  readonly partition: number
  readonly position: number
}

/** Bytes on the wire of the events that are kept; decoded they take some five times as much. */
const keptBytesMax = 6 * 1024 * 1024

interface Kept {
  readonly event: WaybillEvent
  readonly bytes: number
}

/** The events read last of one log, the oldest given up first. */
class RecentEvents {
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  find(key: string): WaybillEvent | undefined {
    const found = this.#kept.get(key)
    if (found === undefined) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, found)
    return found.event
  }

  keep(key: string, event: WaybillEvent, bytes: number): void {
    if (this.#kept.has(key)) return
    this.#kept.set(key, { event, bytes })
    this.#bytes += bytes
    for (const [oldest, { bytes: freed }] of this.#kept) {
      if (this.#bytes <= keptBytesMax) return
      this.#kept.delete(oldest)
      this.#bytes -= freed
    }
  }
}

const recentOf = new WeakMap<EventLog, RecentEvents>()

function recentEvents(log: EventLog): RecentEvents {
  const found = recentOf.get(log) ?? new RecentEvents()
  recentOf.set(log, found)
  return found
}

/** The event at a position; anything else there is EVENT_POISON, since the fold wrote the position down. */
export async function readEvent<K extends EventType>(log: EventLog, type: K, at: EventPlace): Promise<EventOf<K>> {
  const recent = recentEvents(log)
  const key = `${at.topic}/${at.partition}/${at.position}`
  const event = recent.find(key) ?? (await readNew(log, recent, key, at))
  if (event === null || !isEvent(event, type)) {
    throw new WaybillError('EVENT_POISON', { expected: type, found: event?.type ?? null, ...at })
  }
  return event
}

async function readNew(log: EventLog, recent: RecentEvents, key: string, at: EventPlace): Promise<WaybillEvent | null> {
  const record = await log.readAt(at.topic, at.partition, at.position)
  if (record?.value == null) return null
  const event = decodeEvent(record.value)
  recent.keep(key, event, record.value.length)
  return event
}
