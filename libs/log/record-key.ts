// Keys of records: `JOB/TYPE/WRITER/SEQUENCE`, with an empty JOB for events that belong to none. No key is used twice, so
// compaction removes nothing. Reports of workers and grants are no part of the audit trail: of those the newest of each
// worker is enough, `/TYPE/WORKER`. The job stands in the key so that a record that cannot be read still tells its job.
import { isJobName } from '#libs/domain/job-name'
import type { WaybillEvent } from '#schemas/events'
import { eventTypes } from '#schemas/wire'

export function keyOfEvent(event: WaybillEvent): Buffer {
  const isLatestOnly = event.type === 'RateGranted' || event.type === 'WorkerReported'
  if (isLatestOnly) return Buffer.from(`/${event.type}/${event.worker}`)
  return Buffer.from(`${event.job}/${event.type}/${event.writer}/${event.sequence}`)
}

const types: ReadonlySet<string> = new Set(eventTypes)

/**
 * The job that a record's key names. Empty where it names none; also for requests, which anyone may append: one that cannot
 * be read must not stop a job that happens to have that name.
 */
export function jobOfKey(key: Buffer): string {
  const [job = '', type = '', writer, sequence] = key.toString('latin1').split('/')
  const isOurs = types.has(type) && type !== 'JobRequested' && writer !== undefined && sequence !== undefined
  return isOurs && isJobName(job) ? job : ''
}
