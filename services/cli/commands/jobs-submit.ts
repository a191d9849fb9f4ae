// waybill jobs submit SOURCE TARGET: asks the cluster for a job, or to go on with it.
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { Appended } from '#libs/log/event-writer'
import type { JobRequest } from '#schemas/records'
import type { JobRow } from '#schemas/rows'
import { differences } from '../../embedded/migration.ts'
import { clusterLocation, clusterPlaceWords, deriveClusterJobName, openRequests, tellCluster } from '../cluster-jobs.ts'
import { type ClusterLook, openClusterLook } from '../cluster-look.ts'
import { clusterSettingsOf } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'
import { clusterRequestOf } from '../request.ts'
import { shellWords } from '../shell-words.ts'
import { apiJobsSubmit } from './api-jobs.ts'

interface Submitted {
  readonly action: 'requested' | 'requested_before' | 'resumed' | 'new_pass' | 'running'
  /** null: nothing had to be appended. */
  readonly at: Appended | null
}

const told: Readonly<Record<Submitted['action'], string>> = {
  requested: 'asked for',
  requested_before: 'was asked for before, and is waiting for a coordinator',
  resumed: 'was paused and goes on',
  new_pass: 'is complete: a new pass is asked for',
  running: 'is running already',
}

const actor = 'command line'

/** A job that is there goes on. Throws JOB_DIFFERS when it was accepted with other options. */
async function goOn(
  input: CommandInput,
  { log }: ClusterLook,
  asked: { readonly job: string; readonly request: JobRequest; readonly row: JobRow },
): Promise<Submitted> {
  const { job, request, row } = asked
  const names = differences(request, row.request)
  if (names.length > 0) throw new WaybillError('JOB_DIFFERS', { job, options: names.join(', ') })
  const isComplete = row.pass > 0 && row.passesCompleted === row.pass && row.passAsked <= row.pass
  if (row.control !== 'paused' && !isComplete) return { action: 'running', at: null }
  const event = { type: 'JobResumed', job, actor, reason: 'jobs submit' } as const
  return { action: isComplete ? 'new_pass' : 'resumed', at: await tellCluster(input, log, event) }
}

async function submit(input: CommandInput, look: ClusterLook, job: string, request: JobRequest): Promise<Submitted> {
  const row = await look.projection.rows.get(keyOf.job(job))
  if (row !== undefined) return goOn(input, look, { job, request, row })
  if ((await openRequests(look, job)).length > 0) return { action: 'requested_before', at: null }
  return { action: 'requested', at: await tellCluster(input, look.log, { type: 'JobRequested', job, request }) }
}

export const jobsSubmit: Command = async (input) => {
  const { words, settings, terminal } = input
  if (settings.api !== null) return apiJobsSubmit(input, settings.api)
  const cluster = await clusterSettingsOf(input)
  const [source, target] = [clusterLocation(words[0] ?? '', cluster), clusterLocation(words[1] ?? '', cluster)]
  const request = await clusterRequestOf(input, { source, target })
  const job = settings.job ?? deriveClusterJobName(source, target)
  const look = await openClusterLook(input)
  try {
    const { action, at } = await submit(input, look, job, request)
    if (settings.json) {
      const place = at === null ? null : { topic: at.topic, partition: at.partition, position: at.position }
      await terminal.result(`${JSON.stringify({ job_id: job, action, source, target, appended: place })}\n`)
      return 0
    }
    await terminal.result(`${job}\n`)
    if (!settings.quiet) {
      const next = shellWords(['waybill', 'jobs', 'wait', job, ...clusterPlaceWords(input)])
      terminal.notice(`${job} ${told[action]}\n next          ${next}\n`)
    }
    return 0
  } finally {
    await look.close()
  }
}
