// waybill log export --job JOB FOLDER: one job of a cluster as a state folder, for every command that looks at a job.
import { WaybillError } from '#libs/domain/errors'
import { showText } from '#libs/domain/name-text'
import { formatCount } from '#libs/domain/quantity'
import type { EventLog } from '#libs/log/event-log'
import { openClusterLog } from '#libs/runtime/adapters'
import { exportJob } from '#libs/runtime/job-export'
import { clusterSettingsOf } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'
import { shellWords } from '../shell-words.ts'
import { software } from '../software.ts'
import { kafkaSettingsOf } from '../topic-plan.ts'

/** Throws CONFIG_INVALID when no cluster is configured: the job of a state folder has its own log there. */
async function openLogOfCluster(input: CommandInput): Promise<EventLog> {
  const { clock, logger, signal } = input
  await kafkaSettingsOf(input)
  return openClusterLog(await clusterSettingsOf(input), { clock, logger, signal, isLook: true })
}

export const logExport: Command = async (input) => {
  const { words, settings, terminal, clock, signal } = input
  const [stateFolder = ''] = words
  const { job } = settings
  if (job === null) throw new WaybillError('USAGE', { problem: 'log export copies one job: give its name with --job' })
  const log = await openLogOfCluster(input)
  try {
    const { version } = software()
    const { folder, copy } = await exportJob({ log, job, stateFolder, software: version, clock, signal })
    if (settings.json) {
      await terminal.result(`${JSON.stringify({ exit_code: 0, job_id: job, folder, records: copy.records })}\n`)
      return 0
    }
    const place = shellWords([job, '--state-dir', stateFolder])
    await terminal.result(
      `${[
        `COPIED. ${formatCount(copy.records)} records of ${job} are in ${showText(folder)}.`,
        ` report   waybill report show ${place}`,
        ` check    waybill rebuild ${place}`,
      ].join('\n')}\n`,
    )
    return 0
  } finally {
    await log.close()
  }
}
