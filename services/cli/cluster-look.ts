// The state of a cluster for commands that look at it: the log folded to its end, into a store that is kept below the
// state folder, so that the next look is quick.
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { foldToEnd } from '#libs/projection/fold-to-end'
import { openProjection, type Projection } from '#libs/projection/projection'
import { type ClusterLog, openClusterLog } from '#libs/runtime/adapters'
import type { ClusterSettings } from '#libs/runtime/cluster-settings'
import { type LookFolder, openLookFolder } from '#libs/runtime/look-folder'
import type { JobView } from '../embedded/job-view.ts'
import { clusterSettingsOf, stateFolderOfCluster } from './cluster-settings.ts'
import type { CommandInput } from './command.ts'
import { kafkaSettingsOf } from './topic-plan.ts'

export interface ClusterLook {
  readonly settings: ClusterSettings
  readonly log: ClusterLog
  /** Folded to the end of the log as it was when it was opened. */
  readonly projection: Projection
  close(): Promise<void>
}

/** A store that is damaged, of another format, or ahead of the log. */
const isUseless = (error: unknown): boolean => ['STORE_DAMAGED', 'LOG_DAMAGED'].includes(codeOf(error))

async function foldInto(log: ClusterLog, folder: LookFolder, signal: AbortSignal): Promise<Projection> {
  const fold = async (): Promise<Projection> => {
    const projection = await openProjection(log, folder.store())
    await foldToEnd(projection, signal)
    return projection
  }
  try {
    return await fold()
  } catch (error) {
    if (!isUseless(error)) throw error
  }
  await folder.renew()
  return fold()
}

/** Throws CONFIG_INVALID, LOG_UNREACHABLE, LOG_DENIED, LOG_DAMAGED, STORE_FULL. */
export async function openClusterLook(input: CommandInput): Promise<ClusterLook> {
  const { clock, logger, signal } = input
  const { topicPrefix } = await kafkaSettingsOf(input)
  const settings = await clusterSettingsOf(input)
  const log = await openClusterLog(settings, { clock, logger, signal, isLook: true })
  let folder: LookFolder | null = null
  const close = async (): Promise<void> => {
    await folder?.close()
    await log.close()
  }
  try {
    folder = await openLookFolder(join(stateFolderOfCluster(input, ''), 'look', topicPrefix), log.topicIds)
    return { settings, log, projection: await foldInto(log, folder, signal), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** One job as the look shows it; closing the view closes the look. */
export async function jobViewOf({ log, projection, close }: ClusterLook, job: string): Promise<JobView> {
  const { rows } = projection
  const row = await rows.get(keyOf.job(job))
  const isDone = row !== undefined && row.pass > 0 && row.passesCompleted === row.pass && row.passAsked <= row.pass
  // The processes of the cluster work on it, as far as this one knows.
  const isHeldElsewhere = !isDone && row?.control !== 'paused'
  return { job, row, rows, log, hasOwnLog: false, isHeldElsewhere, positions: projection.positions(), close }
}
