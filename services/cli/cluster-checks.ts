// What doctor looks at for a process of a cluster: brokers, topics, registry, connections, and the disk of its state.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { noObjectOptions } from '#libs/domain/object-options'
import { formatCount, formatSize } from '#libs/domain/quantity'
import {
  checkClusterSchemas,
  checkClusterTopics,
  findingLine,
  openClusterLog,
  openSource,
  openTarget,
} from '#libs/runtime/adapters'
import type { ClusterSettings, ConnectionSettings, KafkaSettings } from '#libs/runtime/cluster-settings'
import { systemRandom } from '#libs/runtime/system-random'
import { bytesBelow } from './bytes-below.ts'
import { type Check, check, checkSource, checkTarget, guarded } from './checks.ts'
import { clusterSettingsOf, stateFolderOfCluster } from './cluster-settings.ts'
import type { CommandInput } from './command.ts'
import { allowsUnsafeTopics, topicPlanOf } from './topic-plan.ts'

async function checkTopicSettings(input: CommandInput, log: KafkaSettings): Promise<Check> {
  const { clock, logger } = input
  const findings = await checkClusterTopics({ log, plan: topicPlanOf(input), clock, logger })
  const isRefused = findings.some(({ weight }) => weight === 'refused') && !allowsUnsafeTopics(input)
  const told = findings.map(findingLine).join('; ')
  if (findings.length === 0) return check('topics', 'ok', `${log.topicPrefix}: as they must be`)
  return check('topics', isRefused ? 'failure' : 'warning', `${log.topicPrefix}.${told}`)
}

async function checkLog(input: CommandInput, settings: ClusterSettings): Promise<Check> {
  const { clock, logger, signal } = input
  const log = await openClusterLog(settings, { clock, logger, signal, isLook: true })
  try {
    const startedMs = clock.monotonic()
    const ends = await log.ends()
    const ms = Math.round(clock.monotonic() - startedMs)
    const records = [...ends.values()].reduce((sum, next) => sum + next, 0)
    return check(
      'event log',
      'ok',
      `${formatCount(ends.size)} partitions, ${formatCount(records)} positions, answered in ${ms} ms`,
    )
  } finally {
    await log.close()
  }
}

async function checkRegistry(input: CommandInput, log: KafkaSettings): Promise<Check> {
  const { clock, logger, signal } = input
  const findings = await checkClusterSchemas(log, { clock, logger, signal })
  const wrong = findings.filter(({ state }) => state === 'incompatible')
  const others = findings.filter(({ state }) => state === 'missing' || state === 'older')
  if (wrong.length > 0) {
    const told = wrong.map(({ subject, difference }) => `${subject}: ${difference}`).join('; ')
    return check('registry', 'failure', told)
  }
  const url = log.registry?.url ?? ''
  if (others.length === 0)
    return check('registry', 'ok', `${url}: ${formatCount(findings.length)} schemas are registered`)
  return check(
    'registry',
    'warning',
    `${url}: ${formatCount(others.length)} of ${formatCount(findings.length)} schemas will be registered by the first process`,
  )
}

const jobOfDoctor = 'doctor'

function checkConnection(
  input: CommandInput,
  settings: ClusterSettings,
  connection: ConnectionSettings,
): Promise<Check> {
  const { clock, signal } = input
  const { name, place, profile } = connection
  const label = `@${name}`
  return guarded(label, async () => {
    if (place.kind === 'files') {
      const source = openSource(place)
      const found = await checkSource(label, source)
      await source.close()
      return { ...found, name: label }
    }
    const target = await openTarget(place, jobOfDoctor, {
      endpoint: null,
      region: null,
      isPathStyle: place.isPathStyle === true,
      profile,
      identity: null,
      caFile: settings.caFile,
      proxies: settings.proxies,
      objectOptions: noObjectOptions,
      connectionsMax: settings.requestsMax,
      clock,
      random: systemRandom,
      onRetry: () => undefined,
    })
    return { ...(await checkTarget(label, target, signal)), name: label }
  })
}

/** Folders of processes on this machine: that of the configuration, and those that have the usual place. */
async function processFolders(input: CommandInput, { stateFolder }: ClusterSettings): Promise<readonly string[]> {
  const usual = stateFolderOfCluster(input, 'serve')
  const names = await readdir(usual).catch(() => [])
  const found = [stateFolder, ...names.map((name) => join(usual, name))]
  const kept = await Promise.all(
    [...new Set(found)].map(async (folder) => {
      const store = await stat(join(folder, 'store')).catch(() => null)
      return store?.isDirectory() === true ? [folder] : []
    }),
  )
  return kept.flat()
}

/** Disk that the store, log and reports of each process take, and the store that reading commands keep. */
async function checkDisk(input: CommandInput, settings: ClusterSettings): Promise<readonly Check[]> {
  const sizesOf = async (folder: string): Promise<string> => {
    const sizes = await Promise.all(
      ['store', 'log', 'reports'].map(async (name) => [name, await bytesBelow(join(folder, name))] as const),
    )
    return sizes.flatMap(([name, bytes]) => (bytes === 0 ? [] : [`${name} ${formatSize(bytes)}`])).join(', ') || 'empty'
  }
  const folders = await processFolders(input, settings)
  const ofProcesses = folders.map(async (folder) => check('process state', 'ok', `${folder}: ${await sizesOf(folder)}`))
  const look = join(stateFolderOfCluster(input, ''), 'look')
  const bytes = await bytesBelow(look)
  const ofLook = bytes === 0 ? [] : [check('look store', 'ok', `${look}: ${formatSize(bytes)}; it can be deleted`)]
  return [...(await Promise.all(ofProcesses)), ...ofLook]
}

/** Throws CONFIG_INVALID. */
export async function checkCluster(input: CommandInput): Promise<readonly Check[]> {
  const settings = await clusterSettingsOf(input)
  const { log } = settings
  const checks: Check[] = []
  if (log.kind === 'kafka') {
    // Schemas are looked at first: opening the log registers them.
    if (log.registry !== null) checks.push(await guarded('registry', () => checkRegistry(input, log)))
    checks.push(await guarded('topics', () => checkTopicSettings(input, log)))
    checks.push(await guarded('event log', () => checkLog(input, { ...settings, log: { ...log, registry: null } })))
  }
  for (const connection of settings.connections.values())
    checks.push(await checkConnection(input, settings, connection))
  return [...checks, ...(await checkDisk(input, settings))]
}
