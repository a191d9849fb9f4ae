// A job's state to look at: folded to the end of its log. At rest it is the job's own store, which is rebuilt when it is
// damaged; while another process works on the job, its log is folded into a temporary store.
import { join } from 'node:path'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { EventLog, Positions } from '#libs/log/event-log'
import { foldToEnd } from '#libs/projection/fold-to-end'
import { openProjection } from '#libs/projection/projection'
import type { RowReader } from '#libs/projection/row-reader'
import type { Clock } from '#libs/runtime/clock'
import { discardStore, type JobFolder, openJobToLook } from '#libs/runtime/job-folder'
import type { JobRow } from '#schemas/rows'
import { storeDamageText, storeLossText } from './store-loss.ts'

export interface JobPlace {
  /** Folder of all jobs. */
  readonly stateFolder: string
  readonly job: string
  readonly clock: Clock
  /** Said to the person at once, in words. */
  readonly onNotice: (text: string) => void
  readonly signal: AbortSignal
}

export interface JobView {
  readonly job: string
  /** undefined: the job was asked for, and nothing was done yet. */
  readonly row: JobRow | undefined
  readonly rows: RowReader
  readonly log: EventLog
  /** No other job stands in it. */
  readonly hasOwnLog: boolean
  /** Another process works on the job: this is how it was when it was opened. */
  readonly isHeldElsewhere: boolean
  /** Next position of each partition that is folded. */
  readonly positions: Positions
  close(): Promise<void>
}

async function foldFolder(folder: JobFolder, signal: AbortSignal): Promise<{ rows: RowReader; positions: Positions }> {
  const projection = await openProjection(folder.log, folder.store)
  await foldToEnd(projection, signal)
  return { rows: projection.rows, positions: projection.positions() }
}

/** Throws JOB_UNKNOWN, LOG_DAMAGED, LOG_NEWER, LOG_FULL. Close it: at rest it holds the job's lock. */
export async function openJobView(place: JobPlace): Promise<JobView> {
  const { stateFolder, job, clock, signal, onNotice } = place
  const path = join(stateFolder, job)
  for (let tries = 1; ; tries += 1) {
    const folder = await openJobToLook(path, clock)
    if (folder.movedAside !== null) onNotice(storeDamageText(folder.movedAside))
    let loss: unknown
    try {
      const { rows, positions } = await foldFolder(folder, signal)
      const row = await rows.get(keyOf.job(job))
      const { log, isHeldElsewhere, isCopy, close } = folder
      return { job, row, rows, log, hasOwnLog: !isCopy, isHeldElsewhere, positions, close }
    } catch (error) {
      await folder.close()
      if (codeOf(error) !== 'STORE_DAMAGED' || tries > 1 || folder.isHeldElsewhere) throw error
      loss = error
    }
    onNotice(storeLossText(loss, await discardStore(path)))
  }
}

/** The row of a job that was accepted. Throws JOB_UNKNOWN when it was only asked for. */
export function acceptedRow({ job, row }: JobView): JobRow {
  if (row === undefined) throw new WaybillError('JOB_UNKNOWN', { job, reason: 'nothing of it was done yet' })
  return row
}
