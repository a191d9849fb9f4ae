// Records that do not decode, or contradict what was folded: set aside with their place and reason, never skipped in
// silence. One that belongs to a job stops that job alone; one that names no job is a finding of the log.
import { isJobName } from '#libs/domain/job-name'
import { parsePoisonKey, poisonPrefixOf } from '#libs/domain/keys'
import type { LogRecord } from '#libs/log/event-log'
import { jobOfKey } from '#libs/log/record-key'
import type { Topic, WaybillEvent } from '#schemas/events'
import type { RowReader } from './row-reader.ts'

export interface PoisonRecord {
  /** Empty: it names none. */
  readonly job: string
  readonly topic: Topic
  readonly partition: number
  readonly position: number
  /** In words. */
  readonly reason: string
}

/** The job that a poison record stops; empty for none. `event`: null when it does not decode. */
export function poisonedJob(event: WaybillEvent | null, record: LogRecord): string {
  if (event === null) return jobOfKey(record.key)
  // Anyone may ask for a job under any name, and so in the wrong place.
  return event.type !== 'JobRequested' && isJobName(event.job) ? event.job : ''
}

const poisonMax = 100

/** The poison records of a job by place, at most `limit`; for an empty `job` those that name none. */
export function poisonOf(rows: RowReader, job: string, limit = poisonMax): Promise<readonly PoisonRecord[]> {
  return poisonBelow(rows, poisonPrefixOf(job), limit)
}

/** Those of all jobs and of none, at most 100. */
export function allPoison(rows: RowReader): Promise<readonly PoisonRecord[]> {
  return poisonBelow(rows, 'poison/', poisonMax)
}

/** Where it is and why, in one line. */
export function poisonText({ job, topic, partition, position, reason }: PoisonRecord): string {
  return `${topic}:${partition}:${position} of ${job === '' ? 'no job' : job}: ${reason}`
}

async function poisonBelow(rows: RowReader, prefix: string, limit: number): Promise<readonly PoisonRecord[]> {
  const found = await rows.slice('poison', prefix, limit)
  return found.map(({ key, row }) => ({ ...parsePoisonKey(key), reason: row.reason }))
}
