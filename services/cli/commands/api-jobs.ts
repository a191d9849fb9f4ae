// waybill jobs list|show|submit with --api: what a process that serves says of jobs, and is asked for.
import { type ApiClient, openApiClient } from '../api-client.ts'
import { apiOrderOf } from '../api-order.ts'
import type { CommandInput } from '../command.ts'
import { addressOf, openJobDesk } from '../job-desk.ts'
import { jobNamed } from '../jobs.ts'
import { entriesText, migrationText } from '../migration-text.ts'
import { clusterRequestOf } from '../request.ts'
import { shellWords } from '../shell-words.ts'

async function withClient<T>(input: CommandInput, url: string, ask: (client: ApiClient) => Promise<T>): Promise<T> {
  const client = await openApiClient(addressOf(input, url), input.signal)
  try {
    return await ask(client)
  } finally {
    await client.close()
  }
}

export async function apiJobsList(input: CommandInput, url: string): Promise<0> {
  const jobs = await withClient(input, url, (client) => client.list())
  await input.terminal.result(input.settings.json ? `${JSON.stringify({ api: url, jobs })}\n` : entriesText(jobs, url))
  return 0
}

export async function apiJobsShow(input: CommandInput): Promise<0> {
  const job = jobNamed(input.words[0] ?? '')
  const desk = await openJobDesk(input, job)
  try {
    const shown = await desk.show(job)
    await input.terminal.result(input.settings.json ? `${JSON.stringify(shown)}\n` : migrationText(shown))
    return 0
  } finally {
    await desk.close()
  }
}

/** A slash at the end is what shells add. */
const placeOf = (word = ''): string => word.replace(/\/+$/, '')

/** Asks for a job; the API alone knows the connections, so it judges the places. */
export async function apiJobsSubmit(input: CommandInput, url: string): Promise<0> {
  const { words, settings, terminal } = input
  const request = await clusterRequestOf(input, { source: placeOf(words[0]), target: placeOf(words[1]) })
  const accepted = await withClient(input, url, (client) => client.submit(apiOrderOf(request, settings.job)))
  const { job_id: job } = accepted
  await terminal.result(settings.json ? `${JSON.stringify(accepted)}\n` : `${job}\n`)
  if (!settings.json && !settings.quiet)
    terminal.notice(`${job} asked for\n next          ${shellWords(['waybill', 'jobs', 'wait', job, '--api', url])}\n`)
  return 0
}
