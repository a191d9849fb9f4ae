// waybill jobs events JOB: the history of a job as its log tells it, and what happens now.
import { showText } from '#libs/domain/name-text'
import type { LoggedEvent } from '#schemas/api/system'
import type { Command } from '../command.ts'
import { openJobDesk } from '../job-desk.ts'
import { jobNamed } from '../jobs.ts'

/** Fields that tell most, in this order. */
const told = [
  'actor',
  'reason',
  'pass',
  'page',
  'chunk',
  'item',
  'attempt',
  'by',
  'code',
  'detail',
  'action',
  'bytes_per_second',
]

function eventLine({ at, type, event }: LoggedEvent): string {
  const facts = told.flatMap((name) => {
    const value = event[name]
    const isTold = (typeof value === 'string' && value !== '') || typeof value === 'number'
    return isTold ? [`${name}=${showText(String(value))}`] : []
  })
  return `${at}  ${type.padEnd(18)} ${facts.join(' ')}`.trimEnd()
}

export const jobsEvents: Command = async (input) => {
  const { words, settings, terminal } = input
  const job = jobNamed(words[0] ?? '')
  const desk = await openJobDesk(input, job)
  try {
    await desk.events(job, {
      types: settings.types === null ? [] : settings.types.split(','),
      isFollowed: settings.follow,
      take: async (event) => {
        await terminal.result(`${settings.json ? JSON.stringify(event) : eventLine(event)}\n`)
      },
    })
    if (settings.follow && desk.isAtRest && !settings.quiet)
      terminal.notice('no process works on the job: that was all\n')
    return 0
  } finally {
    await desk.close()
  }
}
