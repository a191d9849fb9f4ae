// waybill serve: one or more roles over the event log of a cluster, until a signal stops it.
import { randomBytes } from 'node:crypto'
import { WaybillError } from '#libs/domain/errors'
import { systemRandom } from '#libs/runtime/system-random'
import { serveProcess } from '../../serve/process.ts'
import { keepAliveFile } from '../alive-file.ts'
import { clusterSettingsOf } from '../cluster-settings.ts'
import type { Command } from '../command.ts'
import { software } from '../software.ts'
import { mustHaveSoundTopics } from './topics.ts'

/** A process in which a call of the kernel hangs is ended after this: nothing else ends such a call. */
const stuckExitMs = 1_000

export const serve: Command = async (input) => {
  const { clock, logger, signal } = input
  const settings = await clusterSettingsOf(input)
  if (settings.roles.length === 0) throw new WaybillError('USAGE', { problem: 'serve needs --roles LIST' })
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
