// One job of a log of many as a job folder of its own, which every command that looks at a job can read.
import type { EventLog } from '#libs/log/event-log'
import { recordsOfJob } from '#libs/projection/job-records'
import { writeCopiedLog } from './adapters.ts'
import type { Clock } from './clock.ts'
import { type JobCopy, makeJobCopy } from './job-folder.ts'

export interface JobExport {
  readonly log: EventLog
  readonly job: string
  /** Gets a folder named as the job, which must not be there. */
  readonly stateFolder: string
  readonly software: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Copies what the log holds of the job at the call; records keep topic, partition and position. An interrupted export leaves
 * nothing.
 * @throws WaybillError JOB_UNKNOWN, USAGE (there is such a folder), LOG_FULL, LOG_WRITE_ERROR, STATE_NOT_WRITABLE, what the
 * log throws; the signal's reason
 */
export function exportJob(options: JobExport): Promise<{ readonly folder: string; readonly copy: JobCopy }> {
  const { log, job, stateFolder, software, clock, signal } = options
  return makeJobCopy(stateFolder, job, async (folder) => {
    const ends = Object.fromEntries(await log.ends())
    const records = await writeCopiedLog(folder, await log.partitionCounts(), recordsOfJob(log, job, signal))
    return { job, copiedAt: clock.now(), software, records, ends }
  })
}
