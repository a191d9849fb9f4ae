// The log of a job's folder as a test reads it: every event in the order of the segments.
import { openSegmentLog } from '#libs/log/segments/segment-log'
import { systemClock } from '#libs/runtime/system-clock'
import type { EventOf, EventType, WaybillEvent } from '#schemas/events'
import { decodeEvent } from '#schemas/wire'

/** Reads what is there now; the job may be running. Only events of `types`, in log order. */
export async function readJobLog<K extends EventType>(
  logFolder: string,
  types: readonly K[],
): Promise<readonly EventOf<K>[]> {
  const wanted: ReadonlySet<string> = new Set(types)
  const isWanted = (event: WaybillEvent): event is EventOf<K> & WaybillEvent => wanted.has(event.type)
  const partitionCounts = { jobs: 1, listings: 1, chunks: 1, rates: 1 } as const
  const log = await openSegmentLog({ folder: logFolder, partitionCounts, isReadOnly: true, clock: systemClock })
  try {
    const ends = await log.ends()
    let left = [...ends.values()].reduce((sum, next) => sum + next, 0)
    const events: EventOf<K>[] = []
    const stop = new AbortController()
    if (left === 0) return events
    for await (const records of log.read(new Map(), stop.signal)) {
      for (const { value } of records) {
        if (value === null) continue
        const event = decodeEvent(value)
        if (isWanted(event)) events.push(event)
      }
      left -= records.length
      if (left <= 0) stop.abort()
    }
    return events
  } finally {
    await log.close()
  }
}
