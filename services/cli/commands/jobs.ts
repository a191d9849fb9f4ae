// waybill jobs list, waybill jobs show JOB: from the state at rest, or from the log while another process works on the job.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { formatSize } from '#libs/domain/quantity'
import { listJobs } from '#libs/runtime/job-folder'
import { bytesBelow } from '../bytes-below.ts'
import { isOfCluster } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'
import { type JobSight, listText, showLines, sightObject, sightOf, type Unreadable } from '../job-sight.ts'
import { jobNamed, viewJobHere, wordsOfJob } from '../jobs.ts'
import { shellWords } from '../shell-words.ts'
import { stateFolderOf } from '../state-folder.ts'
import { apiJobsList, apiJobsShow } from './api-jobs.ts'
import { clusterJobsList, clusterJobsShow } from './cluster-jobs.ts'

async function lookAt(input: CommandInput, job: string): Promise<JobSight> {
  const view = await viewJobHere(input, job)
  try {
    return await sightOf(view)
  } finally {
    await view.close()
  }
}

export const jobsList: Command = async (input) => {
  if (input.settings.api !== null) return apiJobsList(input, input.settings.api)
  if (isOfCluster(input)) return clusterJobsList(input)
  const { settings, terminal } = input
  const stateFolder = stateFolderOf(input)
  // At rest a job's own store says all, some 10 ms for each; of a job that another process works on the log is folded.
  const sights: (JobSight | Unreadable)[] = []
  for (const job of await listJobs(stateFolder)) {
    // One job whose state is broken must not hide the others.
    sights.push(await lookAt(input, job).catch((error: unknown) => ({ job, code: codeOf(error) })))
  }
  if (settings.json) {
    const jobs = sights.map((sight) =>
      'code' in sight ? { job_id: sight.job, state: 'unreadable', code: sight.code } : sightObject(sight),
    )
    await terminal.result(`${JSON.stringify({ state_folder: stateFolder, jobs })}\n`)
  } else {
    await terminal.result(listText(sights, stateFolder))
  }
  return 0
}

/** Disk that log and store take. */
async function stateBytes(folder: string): Promise<{ readonly log: number; readonly store: number }> {
  const size = (name: string): Promise<number> => bytesBelow(join(folder, name))
  return { log: await size('log'), store: await size('store') }
}

async function reportsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(join(folder, 'reports')).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  return names
    .filter((name) => name.endsWith('.ndjson'))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => join(folder, 'reports', name))
}

export const jobsShow: Command = async (input) => {
  if (input.settings.api !== null) return apiJobsShow(input)
  if (isOfCluster(input)) return clusterJobsShow(input)
  const { words, settings, terminal } = input
  const job = jobNamed(words[0] ?? '')
  const folder = join(stateFolderOf(input), job)
  const sight = await lookAt(input, job)
  const { row } = sight
  const again =
    row === undefined || sight.isHeldElsewhere ? null : shellWords(wordsOfJob(input, job, row.request).migrate)
  const { log, store } = await stateBytes(folder)
  const reports = await reportsIn(folder)
  const more = [
    ` state         ${showText(folder)}, log ${formatSize(log)}, store ${formatSize(store)}`,
    ...reports.map((report) => ` report        ${showText(report)}`),
  ]
  const told = { ...sightObject(sight), state_folder: folder, log_bytes: log, store_bytes: store, reports }
  await terminal.result(settings.json ? `${JSON.stringify(told)}\n` : `${showLines(sight, more, again).join('\n')}\n`)
  return 0
}
