// waybill jobs list, waybill jobs show JOB, of a cluster.
import { WaybillError } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { allPoison, poisonText } from '#libs/projection/poison'
import { clusterJobNames, openRequests, wordsOfClusterJob } from '../cluster-jobs.ts'
import { jobViewOf, openClusterLook } from '../cluster-look.ts'
import type { Command, CommandInput } from '../command.ts'
import { type JobSight, listText, showLines, sightObject, sightOf } from '../job-sight.ts'
import { jobNamed } from '../jobs.ts'
import { shellWords } from '../shell-words.ts'

const clusterText = ({ cluster: { kafka } }: CommandInput): string =>
  `${kafka.topic_prefix} at ${kafka.brokers.join(', ')}`

export const clusterJobsList: Command = async (input) => {
  const { settings, terminal } = input
  const look = await openClusterLook(input)
  try {
    const sights: JobSight[] = []
    for (const job of await clusterJobNames(look)) sights.push(await sightOf(await jobViewOf(look, job)))
    const told = { topic_prefix: input.cluster.kafka.topic_prefix, jobs: sights.map(sightObject) }
    await terminal.result(settings.json ? `${JSON.stringify(told)}\n` : listText(sights, clusterText(input)))
    if (!settings.quiet)
      for (const record of await allPoison(look.projection.rows))
        terminal.notice(`waybill: EVENT_POISON: set aside: ${showText(poisonText(record))}\n`)
    return 0
  } finally {
    await look.close()
  }
}

export const clusterJobsShow: Command = async (input) => {
  const { words, settings, terminal } = input
  const job = jobNamed(words[0] ?? '')
  const look = await openClusterLook(input)
  try {
    const sight = await sightOf(await jobViewOf(look, job))
    const [request] = await openRequests(look, job)
    if (sight.row === undefined && request === undefined) throw new WaybillError('JOB_UNKNOWN', { job })
    const ends = sight.row?.request ?? request?.request
    const next =
      ends === undefined || sight.isHeldElsewhere ? null : shellWords(wordsOfClusterJob(input, job, ends).migrate)
    const more = [` cluster       ${showText(clusterText(input))}`]
    await terminal.result(
      settings.json ? `${JSON.stringify(sightObject(sight))}\n` : `${showLines(sight, more, next).join('\n')}\n`,
    )
    return 0
  } finally {
    await look.close()
  }
}
