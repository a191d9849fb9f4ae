// Commands as another process appends them: pause, resume, other limits.
import type { NewRecord } from '#libs/log/event-log'
import { keyOfEvent } from '#libs/log/record-key'
import type { WaybillEvent } from '#schemas/events'
import { encodeEvent } from '#schemas/wire'
import type { Chance } from './chance.ts'
import { job } from './scenario.ts'

/** The record of one command; `sequence` rises from call to call. */
export function commandRecord(chance: Chance, sequence: number): NewRecord {
  const envelope = { job, at: 0, writer: 'person', sequence, software: 'test', actor: 'person', reason: 'simulation' }
  const kind = chance.weighted({ pause: 4, resume: 2, limits: 2, cancel: 2 })
  const events: Readonly<Record<typeof kind, WaybillEvent>> = {
    pause: { type: 'JobPaused', ...envelope, code: null },
    resume: { type: 'JobResumed', ...envelope },
    cancel: { type: 'JobCancelled', ...envelope },
    limits: {
      type: 'LimitsChanged',
      ...envelope,
      throughputBytesPerSecond: chance.happens(0.5) ? null : chance.between(100, 1_000) * 1024,
      throughputTimetable: null,
      sourcePeakBytesPerSecond: null,
      workersMax: null,
      priority: 'normal',
      settings: null,
    },
  }
  const event = events[kind]
  return {
    topic: 'jobs',
    partition: 0,
    key: keyOfEvent(event),
    value: encodeEvent(event),
  }
}
