// waybill jobs pause|resume|cancel|retry|throttle JOB: commands to a job, wherever it runs.
import { WaybillError } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { parseRate } from '#libs/domain/quantity'
import { isTimetable, parseTimetable } from '#libs/domain/timetable'
import type { LimitsChange, Migration } from '#schemas/api/migration'
import type { OrderedCommand } from '../../api/command-events.ts'
import { gigabytesPerHour } from '../api-order.ts'
import type { Command, CommandInput } from '../command.ts'
import { type JobDesk, openJobDesk } from '../job-desk.ts'
import { jobNamed } from '../jobs.ts'

async function tell({ settings, terminal }: CommandInput, shown: Migration, { isAtRest }: JobDesk): Promise<0> {
  if (settings.json) {
    await terminal.result(`${JSON.stringify(shown)}\n`)
    return 0
  }
  const isTold = shown.status === 'paused' || shown.status === 'failed'
  const why =
    shown.control === null || !isTold ? '' : ` (${showText(shown.control.by)}: ${showText(shown.control.reason)})`
  await terminal.result(`${shown.job_id}: ${shown.status}${why}\n`)
  if (isAtRest && !settings.quiet) terminal.notice('no process works on the job: it takes effect with the next run\n')
  return 0
}

async function withDesk(input: CommandInput, work: (desk: JobDesk, job: string) => Promise<Migration>): Promise<0> {
  const job = jobNamed(input.words[0] ?? '')
  const desk = await openJobDesk(input, job)
  try {
    return await tell(input, await work(desk, job), desk)
  } finally {
    await desk.close()
  }
}

function commandOf(command: OrderedCommand): Command {
  return (input) =>
    withDesk(input, (desk, job) => desk.order(command, job, input.settings.reason ?? `waybill jobs ${command}`))
}

export const jobsPause = commandOf('pause')
export const jobsResume = commandOf('resume')
export const jobsCancel = commandOf('cancel')
export const jobsRetry = commandOf('retry')

const usage = (problem: string): WaybillError => new WaybillError('USAGE', { problem })

function throughputChange(text: string): LimitsChange {
  if (isTimetable(text)) {
    const timetable = parseTimetable(text)
    if (!timetable.ok) throw usage(timetable.problem)
    return { throughput_timetable: text.trim() }
  }
  const rate = parseRate(text)
  if (!rate.ok) throw usage(rate.problem)
  return { throughput_limit_gb_per_hour: rate.value === null ? 'unlimited' : gigabytesPerHour(rate.value) }
}

/** What was typed; what was not stays as it is. Throws USAGE when nothing was. */
function changeOf({ words, settings, origins }: CommandInput): LimitsChange {
  const isTyped = (name: 'max-workers' | 'priority' | 'source-peak'): boolean => origins.get(name)?.kind === 'flag'
  const peak = settings['source-peak']
  const change: LimitsChange = {
    ...(words[1] === undefined ? {} : throughputChange(words[1])),
    ...(isTyped('source-peak') ? { source_peak_gb_per_hour: peak === null ? 'unknown' : gigabytesPerHour(peak) } : {}),
    ...(isTyped('max-workers') ? { max_parallel_workers: settings['max-workers'] ?? 'unlimited' } : {}),
    ...(isTyped('priority') ? { priority: settings.priority } : {}),
  }
  if (Object.keys(change).length === 0)
    throw usage('say what to change: a RATE behind the job, --priority, --max-workers or --source-peak')
  return { ...change, reason: settings.reason ?? 'waybill jobs throttle' }
}

export const jobsThrottle: Command = (input) => {
  const change = changeOf(input)
  return withDesk(input, (desk, job) => desk.throttle(job, change))
}
