// Appends drafts as events: adds time, writer, sequence and software, and the record's key (record-key.ts). It does not try again: after a failed append the outcome is unknown and the caller's run ends. A log
// that repeats an append repeats the same record, whose second copy folds to nothing.
import type { Clock } from '#libs/runtime/clock'
import type { Draft, Topic, WaybillEvent } from '#schemas/events'
import { encodeEvent } from '#schemas/wire'
import type { EventLog, NewRecord } from './event-log.ts'
import { keyOfEvent } from './record-key.ts'

export interface PlacedDraft {
  readonly topic: Topic
  readonly partition: number
  readonly event: Draft
}

export interface Appended {
  readonly topic: Topic
  readonly partition: number
  readonly position: number
}

export interface EventWriter {
  readonly writer: string
  /** Durable when it resolves. Throws LOG_FULL, LOG_UNREACHABLE; then the outcome is unknown. */
  append(drafts: readonly PlacedDraft[]): Promise<readonly Appended[]>
}

export function createEventWriter(options: {
  readonly log: EventLog
  readonly clock: Clock
  readonly writer: string
  readonly software: string
}): EventWriter {
  const { log, clock, writer, software } = options
  let sequence = 0
  return {
    writer,
    async append(drafts) {
      const records = drafts.map(({ topic, partition, event }): NewRecord => {
        sequence += 1
        const stamped = { ...event, at: clock.now(), writer, sequence, software } as WaybillEvent
        return { topic, partition, key: keyOfEvent(stamped), value: encodeEvent(stamped) }
      })
      const positions = await log.append(records)
      return records.map(({ topic, partition }, index) => ({ topic, partition, position: positions[index] as number }))
    },
  }
}
