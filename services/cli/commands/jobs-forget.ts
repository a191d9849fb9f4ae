// waybill jobs forget JOB: removes the state of a job from this machine. What was moved stays where it is.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import { statusOf } from '#libs/domain/job-control'
import { keyOf } from '#libs/domain/keys'
import { emptyTally } from '#libs/domain/rows'
import { acceptedRow } from '../../embedded/job-view.ts'
import type { Command } from '../command.ts'
import { jobNamed, viewJob } from '../jobs.ts'
import { stateFolderOf } from '../state-folder.ts'

export const jobsForget: Command = async (input) => {
  const { words, settings, terminal } = input
  const job = jobNamed(words[0] ?? '')
  const folder = join(stateFolderOf(input), job)
  const view = await viewJob(input, job)
  let status: ReturnType<typeof statusOf>
  try {
    if (view.isHeldElsewhere) throw new WaybillError('JOB_HELD', { job })
    status = statusOf(acceptedRow(view), (await view.rows.get(keyOf.tally(job))) ?? emptyTally)
  } finally {
    await view.close()
  }
  // An unfinished job may have uploads open at its target, which only the job itself still knows.
  if (status !== 'complete' && status !== 'failed')
    throw new WaybillError('JOB_STATE', {
      job,
      problem: `it is ${status}: finish it, or cancel it and run it once more`,
    })
  if (!settings.yes)
    throw new WaybillError('USAGE', {
      problem: `this removes ${folder} with the log and the reports of the job; add --yes`,
    })
  await rm(folder, { recursive: true, force: true })
  if (settings.json) await terminal.result(`${JSON.stringify({ job_id: job, removed: folder })}\n`)
  else await terminal.result(`${job}: forgotten; what was moved stays where it is\n`)
  return 0
}
