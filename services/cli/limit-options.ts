// Options of what a job may take of its source, and of when it stops.
import { moving, one, optional } from './option-entry.ts'
import { choice, countWithin, duration, errorLimit, noThroughput, rate, throughput } from './value-types.ts'

export const limitOptions = {
  throughput: one(throughput, noThroughput, {
    group: 'limits',
    commands: moving,
    help: 'hard limit on reading the source, or a timetable: 400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin',
  }),
  'source-peak': one(rate, null, {
    group: 'limits',
    commands: [...moving, 'jobs throttle'],
    help: 'what the source can deliver; 10 % of it is a hard limit',
  }),
  'source-signal': one(choice(['none', 'pressure', 'disk', 'both']), 'none', {
    group: 'limits',
    commands: ['migrate'],
    help: 'on a local source: slow down when its disk is under pressure or busy with others',
  }),
  'source-quiet': one(duration, 300_000, {
    group: 'limits',
    commands: ['migrate'],
    help: 'how long the source must be quiet before a rate that was halved rises by a step',
  }),
  'max-errors': optional(errorLimit, {
    group: 'limits',
    commands: moving,
    help: 'stop the job after so many failed items, or this share of all',
  }),

  'max-workers': optional(countWithin(1, 100_000), {
    group: 'limits',
    commands: ['jobs submit', 'jobs throttle'],
    help: 'workers that may move chunks of the job at a time',
  }),
  priority: one(choice(['low', 'normal', 'high']), 'normal', {
    group: 'limits',
    commands: ['jobs submit', 'jobs throttle'],
    help: 'which of several jobs is served first',
  }),
} as const
