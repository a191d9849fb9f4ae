// An event of the log as the API shows it.
import type { LogRecord } from '#libs/log/event-log'
import { reportMembers } from '#libs/report/header'
import type { LoggedEvent } from '#schemas/api/system'
import type { WaybillEvent } from '#schemas/events'

/** Longer lists are cut: a page of the listing holds a thousand items, and its items have a route of their own. */
const listMax = 100
const depthMax = 6

function cut(value: unknown, place: string, truncated: string[], depth = 0): unknown {
  if (depth > depthMax || typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  if (Array.isArray(value)) {
    if (value.length > listMax) truncated.push(place)
    return value.slice(0, listMax).map((each) => cut(each, place, truncated, depth + 1))
  }
  const entries = Object.entries(value).map(([name, each]) => [
    name,
    cut(each, place === '' ? name : `${place}.${name}`, truncated, depth + 1),
  ])
  return Object.fromEntries(entries)
}

export function loggedEvent(
  { topic, partition, position }: Pick<LogRecord, 'topic' | 'partition' | 'position'>,
  event: WaybillEvent,
): LoggedEvent {
  const { type, at, writer, sequence, software, ...rest } = event
  const truncated: string[] = []
  const fields = reportMembers(cut(rest, '', truncated) as object)
  return {
    type,
    topic,
    partition,
    position,
    at: new Date(at).toISOString(),
    writer,
    sequence,
    software,
    event: { ...fields },
    truncated,
  }
}
