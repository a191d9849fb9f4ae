// Opens what one serving process stands on (log, store, groups) and runs it. A store that is damaged is moved aside and
// folded again from the log, once, saying so.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, type ErrorCode, WaybillError } from '#libs/domain/errors'
import { loadSigningKey } from '#libs/report/keys'
import { writeWholeFile } from '#libs/report/output'
import {
  type ClusterLog,
  joinClusterGroup,
  moveStoreAside,
  openClusterLog,
  openClusterStore,
  type TopicIds,
} from '#libs/runtime/adapters'
import type { Clock, Random } from '#libs/runtime/clock'
import type { ClusterSettings } from '#libs/runtime/cluster-settings'
import { makeFolder } from '#libs/runtime/folders'
import type { Logger } from '#libs/runtime/logger'
import type { StateStore } from '#libs/store/state-store'
import { openEnds, refusalOf } from './places.ts'
import { runServe } from './serve.ts'
import { configuredSources } from './source-knowledge.ts'

export interface ProcessOptions {
  readonly settings: ClusterSettings
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly software: string
  readonly incarnation: string
  readonly onStuck: (code: ErrorCode) => void
  readonly signal: AbortSignal
}

const storeFolder = ({ stateFolder }: ClusterSettings): string => join(stateFolder, 'store')
const topicsFile = ({ stateFolder }: ClusterSettings): string => join(stateFolder, 'topics.json')

/** Which topics the store was folded from; undefined: the store is new. */
async function knownTopics(settings: ClusterSettings): Promise<TopicIds | undefined> {
  try {
    return JSON.parse(await readFile(topicsFile(settings), 'utf8')) as TopicIds
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new WaybillError('STORE_DAMAGED', { file: topicsFile(settings) }, { cause: error })
  }
}

async function keepTopics(settings: ClusterSettings, { topicIds }: ClusterLog): Promise<void> {
  if (topicIds === null) return
  try {
    await writeWholeFile(topicsFile(settings), async (sink) => {
      await sink.write(Buffer.from(`${JSON.stringify(topicIds)}\n`))
    })
  } catch (error) {
    throw new WaybillError('STATE_NOT_WRITABLE', { file: topicsFile(settings) }, { cause: error })
  }
}

async function openLog(options: ProcessOptions): Promise<ClusterLog> {
  const { settings, clock, logger, signal } = options
  const topicIds = await knownTopics(settings)
  const known = topicIds === undefined ? {} : { topicIds }
  const log = await openClusterLog(settings, { clock, logger, signal, ...known })
  try {
    // Topics that are known are those of the log: it was opened with them.
    if (topicIds === undefined) await keepTopics(settings, log)
    return log
  } catch (error) {
    // Its connections would keep the process from ending.
    await log.close()
    throw error
  }
}

async function openStore({ settings, logger }: ProcessOptions): Promise<StateStore> {
  try {
    return await openClusterStore(settings)
  } catch (error) {
    if (codeOf(error) !== 'STORE_DAMAGED') throw error
    const aside = await moveStoreAside(storeFolder(settings))
    logger.warn({ aside }, 'the state store was damaged: it is moved aside and folded again from the log')
    return openClusterStore(settings)
  }
}

async function runOnce(options: ProcessOptions): Promise<void> {
  const { settings, clock, logger } = options
  const sources = configuredSources({ settings, clock, logger })
  const signingKey = settings.signingKeyFile === null ? null : await loadSigningKey(settings.signingKeyFile)
  const log = await openLog(options)
  try {
    const counts = await log.partitionCounts()
    const store = await openStore(options)
    try {
      const asking = new AbortController()
      const asked = sources.run(asking.signal)
      await runServe({
        ...options,
        knowledge: sources.knowledge,
        log,
        store,
        join: (group) => {
          const partitions = group === 'coordinator' ? counts.jobs : counts.chunks
          return joinClusterGroup(settings, { group, partitions, clock, logger })
        },
        openEnds: (job, request) => openEnds(options, job, request),
        refusalOf: (request) => refusalOf(request, settings.connections),
        signingKey,
      }).finally(() => asking.abort())
      await asked
    } finally {
      await store.close()
    }
  } finally {
    await log.close()
  }
}

/**
 * Serves until the signal aborts. Throws CONFIG_INVALID, LOG_UNREACHABLE, LOG_DENIED, LOG_DAMAGED, JOB_HELD (another
 * process has this state folder), STATE_NOT_WRITABLE, INTERNAL.
 */
export async function serveProcess(options: ProcessOptions): Promise<void> {
  const { settings, logger } = options
  try {
    await makeFolder(settings.stateFolder, 0o700)
  } catch (error) {
    throw new WaybillError('STATE_NOT_WRITABLE', { folder: settings.stateFolder }, { cause: error })
  }
  try {
    await runOnce(options)
  } catch (error) {
    if (codeOf(error) !== 'STORE_DAMAGED') throw error
    const aside = await moveStoreAside(storeFolder(settings))
    logger.warn({ aside }, 'the state store is damaged: it is moved aside and folded again from the log')
    await runOnce(options)
  }
}
