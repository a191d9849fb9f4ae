// The events that commands become, whoever gives them: the API, or the command line on a log that it opens itself.
import type { LimitsChange } from '#schemas/api/migration'
import type { Draft } from '#schemas/events'
import { bytesPerSecondOf, type JobSight, type Limits, limitsOf } from './job-sight.ts'
import { timetableOf } from './migration-order.ts'

/** Commands that need nothing but a reason. */
export type OrderedCommand = 'pause' | 'resume' | 'cancel' | 'retry'

interface Ordered {
  readonly job: string
  readonly actor: string
  readonly reason: string
}

export function commandEvent(command: OrderedCommand, { job, actor, reason }: Ordered): Draft {
  switch (command) {
    case 'pause':
      return { type: 'JobPaused', job, actor, reason, code: null }
    case 'cancel':
      return { type: 'JobCancelled', job, actor, reason }
    case 'resume':
    // On a job that came to its end, the same event asks for a further pass.
    case 'retry':
      return { type: 'JobResumed', job, actor, reason }
  }
}

function changedLimits(sight: JobSight, change: LimitsChange): Limits {
  const before = limitsOf(sight)
  const {
    throughput_limit_gb_per_hour: throughput,
    source_peak_gb_per_hour: peak,
    max_parallel_workers: workers,
    priority,
  } = change
  const timetable = timetableOf(change)
  const rate = (value: number | string | undefined, kept: number | null): number | null =>
    value === undefined ? kept : typeof value === 'number' ? bytesPerSecondOf(value) : null
  return {
    throughputBytesPerSecond: rate(throughput, before.throughputBytesPerSecond),
    // One limit that is set by hand ends the timetable; who wants one again asks for it.
    throughputTimetable: timetable ?? (throughput === undefined ? before.throughputTimetable : null),
    sourcePeakBytesPerSecond: rate(peak, before.sourcePeakBytesPerSecond),
    workersMax: workers === undefined ? before.workersMax : typeof workers === 'number' ? workers : null,
    priority: priority ?? before.priority,
  }
}

/** What the change leaves out stays as it is. Throws OPTIONS_CONFLICT. */
export function limitsEvent(sight: JobSight, change: LimitsChange, actor: string): Draft {
  const reason = change.reason ?? 'limits changed'
  return {
    type: 'LimitsChanged',
    job: sight.job,
    actor,
    reason,
    ...changedLimits(sight, change),
    settings: null,
  }
}
