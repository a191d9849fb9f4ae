// waybill serve: one or more roles over the event log of a cluster, until a signal stops it.
import { randomBytes } from 'node:crypto'
import { WaybillError } from '#libs/domain/errors'
import type { ClusterSettings, RoleName } from '#libs/runtime/cluster-settings'
import { systemRandom } from '#libs/runtime/system-random'
import { serveProcess } from '../../serve/process.ts'
import { keepAliveFile } from '../alive-file.ts'
import { clusterSettingsOf } from '../cluster-settings.ts'
import type { Command } from '../command.ts'
import { software } from '../software.ts'
import { mustHaveSoundTopics } from './topics.ts'

/** A process in which a call of the kernel hangs is ended after this: nothing else ends such a call. */
const stuckExitMs = 1_000

/** What a job needs; the role api only tells of it. */
const neededRoles: readonly RoleName[] = ['coordinator', 'worker', 'verifier']

/** Without brokers no other process sees the log: what this one does not do, nobody does, and every job would stand still. */
function mustDoWholeJobs({ log, roles }: ClusterSettings): void {
  const missing = log.kind === 'embedded' ? neededRoles.filter((role) => !roles.includes(role)) : []
  if (missing.length === 0) return
  const problem = `without [kafka] brokers no other process can do the rest of a job: name brokers, or add ${missing.join(',')} to --roles`
  throw new WaybillError('CONFIG_INVALID', { problem })
}

export const serve: Command = async (input) => {
  const { clock, logger, signal } = input
  const settings = await clusterSettingsOf(input)
  if (settings.roles.length === 0) throw new WaybillError('USAGE', { problem: 'serve needs --roles LIST' })
  mustDoWholeJobs(settings)
  await mustHaveSoundTopics(input)
  const ended = new AbortController()
  const alive = keepAliveFile({ folder: settings.stateFolder, clock, logger, signal: ended.signal })
  const serving = serveProcess({
    settings,
    clock,
    random: systemRandom,
    logger,
    software: software().version,
    incarnation: randomBytes(4).toString('hex'),
    onStuck: (code) => {
      logger.error({ code }, 'a call did not return after it was aborted: the process ends')
      void clock.sleep(stuckExitMs).then(() => process.exit(1))
    },
    signal,
  })
  try {
    await serving
    return 0
  } finally {
    ended.abort()
    await alive
  }
}
