// The one place that chooses adapters. The S3 client is loaded only where a bucket is named, that of Kafka where brokers
// are: the former takes half a second.
import { join } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import type { ObjectOptions } from '#libs/domain/object-options'
import type { EventLog, LogRecord } from '#libs/log/event-log'
import type { KafkaAddress } from '#libs/log/kafka/kafka-client'
import { findingLine, type TopicFinding } from '#libs/log/kafka/topic-settings'
import type { TopicIds } from '#libs/log/kafka/topic-table'
import type { OpenTopicPlan } from '#libs/log/kafka/topics'
import type { GroupRole, Membership } from '#libs/log/membership'
import type { PartitionCounts } from '#libs/log/record-rules'
import type { SchemaFinding } from '#libs/log/registry/schema-check'
import { exportRecords, storedPartitionCounts } from '#libs/log/segments/exported-log'
import { openSegmentLog } from '#libs/log/segments/segment-log'
import { soleMembership } from '#libs/log/sole-membership'
import { openFileSource } from '#libs/source/files/file-source'
import { type MeasuredSpeed, type MeasureOptions, measureSpeed } from '#libs/source/files/speed'
import type { LoadSignal } from '#libs/source/load-signal'
import { type CommandSettings, openCommandSignal } from '#libs/source/signals/command-signal'
import { openDiskSignal } from '#libs/source/signals/disk-signal'
import { type HttpSettings, openHttpSignal } from '#libs/source/signals/http-signal'
import { openPressureSignal } from '#libs/source/signals/pressure-signal'
import type { Source } from '#libs/source/source'
import { moveAside, openRocksStore } from '#libs/store/rocksdb/rocks-store'
import type { StateStore } from '#libs/store/state-store'
import { openFileTarget } from '#libs/target/files/file-target'
import { Pace } from '#libs/target/pace'
import { defaultRetryRules, type RetrySettings, retryingTarget } from '#libs/target/retrying'
import { defaultDeadlines, type S3Credentials, type S3Proxies } from '#libs/target/s3/settings'
import type { Target } from '#libs/target/target'
import type { Bytes } from '#schemas/avro'
import type { Topic } from '#schemas/events'
import type { Clock, Random } from './clock.ts'
import type { ClusterSettings, KafkaSettings } from './cluster-settings.ts'
import type { Logger } from './logger.ts'
import { systemClock } from './system-clock.ts'

export type Place =
  | { readonly kind: 'files'; readonly path: string }
  | {
      readonly kind: 's3'
      readonly bucket: string
      readonly prefix: string
      readonly endpoint: string | null
      readonly region: string | null
      readonly isPathStyle: boolean | null
    }

/** How an S3 store is reached, beside what the location says. */
export interface S3Access {
  readonly endpoint: string | null
  readonly region: string | null
  readonly isPathStyle: boolean
  readonly profile: string | null
  /** Keys that were given with the location; they beat the profile. */
  readonly identity: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  readonly caFile: string | null
  readonly proxies: S3Proxies
  readonly objectOptions: ObjectOptions
  readonly connectionsMax: number
  readonly clock: Clock
  readonly random: Random
  readonly onRetry: RetrySettings['onRetry']
}

/** Throws NOT_SUPPORTED for what is no source yet. */
export function openSource(place: Place, enters: (name: Bytes) => boolean = () => true): Source {
  if (place.kind === 'files')
    return openFileSource({ root: place.path, isSameFileSystemOnly: true, enters, clock: systemClock })
  throw new WaybillError('NOT_SUPPORTED', { problem: 's3:// as a source is not supported yet' })
}

/** Connects to nothing yet, but an S3 region may be looked up. Throws CONFIG_INVALID. */
export async function openTarget(place: Place, job: string, access: S3Access): Promise<Target> {
  const { clock, random, onRetry } = access
  const retry = { rules: defaultRetryRules, pace: new Pace(clock), clock, random, onRetry }
  return retryingTarget(await openBareTarget(place, job, access), retry)
}

function credentialsOf({ identity, profile }: S3Access): S3Credentials {
  return identity === null ? { kind: 'chain', profile } : { kind: 'provider', provide: () => Promise.resolve(identity) }
}

async function openBareTarget(place: Place, job: string, access: S3Access): Promise<Target> {
  if (place.kind === 'files') return openFileTarget({ root: place.path, job })
  const { openS3Target } = await import('#libs/target/s3/target')
  return openS3Target({
    bucket: place.bucket,
    prefix: place.prefix,
    endpoint: access.endpoint ?? place.endpoint,
    region: access.region ?? place.region,
    isPathStyle: access.isPathStyle || place.isPathStyle === true,
    credentials: credentialsOf(access),
    job,
    caFile: access.caFile,
    proxies: access.proxies,
    objectOptions: access.objectOptions,
    connectionsMax: access.connectionsMax,
    clock: access.clock,
    random: access.random,
    deadlines: defaultDeadlines,
  })
}

/** An embedded log has one partition a topic: one process owns all of them. A copy has those of the log it came from. */
async function embeddedCounts(folder: string): Promise<PartitionCounts> {
  return (await storedPartitionCounts(folder)) ?? { jobs: 1, listings: 1, chunks: 1, rates: 1 }
}

/** Throws LOG_DAMAGED, LOG_NEWER, LOG_FULL. */
export async function openEmbeddedLog(folder: string): Promise<EventLog> {
  return openSegmentLog({ folder, partitionCounts: await embeddedCounts(folder) })
}

/** The log of a job that another process may be writing. */
export async function openLogToRead(folder: string, clock: Clock): Promise<EventLog> {
  return openSegmentLog({ folder, partitionCounts: await embeddedCounts(folder), isReadOnly: true, clock })
}

/** Writes records of another log into a new one, which keeps their places. Returns how many. Throws LOG_FULL, LOG_WRITE_ERROR. */
export function writeCopiedLog(
  folder: string,
  partitionCounts: PartitionCounts,
  records: AsyncIterable<LogRecord>,
): Promise<number> {
  return exportRecords({ folder, partitionCounts, records })
}

/** Throws STORE_DAMAGED, STORE_FULL. */
export function openEmbeddedStore(folder: string): Promise<StateStore> {
  return openRocksStore({ folder })
}

/** Renames a store away; returns where it is now, or null when there was none. */
export function moveStoreAside(folder: string): Promise<string | null> {
  return moveAside(folder)
}

export type { OpenTopicPlan, SchemaFinding, TopicFinding, TopicIds }
export { findingLine }

/** What opens a log of a cluster. */
export interface ClusterLogOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Ids that the topics had when their records were folded; LOG_DAMAGED when they are others now. */
  readonly topicIds?: TopicIds
  /** Ends the waiting for a schema registry that is away. */
  readonly signal?: AbortSignal
  /** For a person who looks: no schema is registered before something is appended, and the registry is not waited for long. */
  readonly isLook?: boolean
}

const never = new AbortController().signal
const lookPatienceMs = 10_000

export interface ClusterLog extends EventLog {
  /** To be kept beside positions; null: the log has no topics that could be deleted and made again. */
  readonly topicIds: TopicIds | null
}

function addressOf(log: KafkaSettings, clientId: string, logger: Logger): KafkaAddress {
  const { brokers, ssl, sasl, topicPrefix } = log
  return { brokers, ssl, ...(sasl === null ? {} : { sasl }), topicPrefix, clientId, logger }
}

/**
 * The log of a cluster, with its schema registry where one is named.
 * @throws WaybillError CONFIG_INVALID, LOG_UNREACHABLE, LOG_DENIED, LOG_DAMAGED, LOG_NEWER, LOG_FULL, REGISTRY_UNREACHABLE,
 * REGISTRY_DENIED, SCHEMA_INCOMPATIBLE
 */
export async function openClusterLog(settings: ClusterSettings, options: ClusterLogOptions): Promise<ClusterLog> {
  const { log, stateFolder, instance } = settings
  const { clock, logger, topicIds, signal, isLook = false } = options
  if (log.kind === 'embedded') {
    return Object.assign(await openEmbeddedLog(join(stateFolder, 'log')), { topicIds: null })
  }
  const { openKafkaLog } = await import('#libs/log/kafka/kafka-log')
  const known = topicIds === undefined ? {} : { topicIds }
  const kafka = await openKafkaLog({ ...addressOf(log, instance, logger), clock, ...known })
  if (log.registry === null) return kafka
  const { openRegisteredLog, openRegisteredLook } = await import('#libs/log/registry/registered-log')
  const address = { ...log.registry, clock, logger }
  const isReaderOwner = true
  try {
    const registered = isLook
      ? openRegisteredLook(kafka, { ...address, patienceMs: lookPatienceMs }, { isReaderOwner })
      : await openRegisteredLog(kafka, address, signal ?? never, { isReaderOwner })
    return Object.assign(registered, { topicIds: kafka.topicIds })
  } catch (error) {
    await kafka.close()
    throw error
  }
}

/** What the registry of a cluster holds of our schemas; none without a registry. Throws REGISTRY_UNREACHABLE, REGISTRY_DENIED. */
export async function checkClusterSchemas(
  log: KafkaSettings,
  { clock, logger, signal }: Pick<ClusterLogOptions, 'clock' | 'logger' | 'signal'>,
): Promise<readonly SchemaFinding[]> {
  if (log.registry === null) return []
  const { checkSchemas } = await import('#libs/log/registry/schema-check')
  return checkSchemas({ ...log.registry, clock, logger, patienceMs: lookPatienceMs }, signal ?? never)
}

/** This process's share of a role's work: all of it where the log is its own. Throws LOG_UNREACHABLE, LOG_DENIED. */
export async function joinClusterGroup(
  settings: ClusterSettings,
  options: {
    readonly group: GroupRole
    readonly partitions: number
    readonly clock: Clock
    readonly logger: Logger
  },
): Promise<Membership> {
  const { log, instance } = settings
  const { group, partitions, clock, logger } = options
  if (log.kind === 'embedded') return soleMembership(partitions)
  const { joinGroup } = await import('#libs/log/kafka/membership')
  return joinGroup({ ...addressOf(log, `${instance}.${group}`, logger), clock, group, instance })
}

/** The store of this process. Throws STORE_DAMAGED, STORE_FULL, STORE_REFUSED, JOB_HELD. */
export function openClusterStore({ stateFolder }: Pick<ClusterSettings, 'stateFolder'>): Promise<StateStore> {
  return openRocksStore({ folder: join(stateFolder, 'store') })
}

/** What one asks about the topics of a log. */
export interface TopicsPlace {
  readonly log: KafkaSettings
  readonly plan: OpenTopicPlan
  readonly clock: Clock
  readonly logger: Logger
}

/** Partitions of topics that are made when nothing is said. */
const partitionsDefault = { jobs: 16, chunks: 256 } as const

/** Makes the topics that are missing and returns them. Throws CONFIG_INVALID, LOG_UNREACHABLE, LOG_DENIED. */
export async function createClusterTopics({ log, plan, clock, logger }: TopicsPlace): Promise<readonly Topic[]> {
  const { createTopics } = await import('#libs/log/kafka/topics')
  const { jobPartitions, chunkPartitions, ...rest } = plan
  const jobs = jobPartitions ?? partitionsDefault.jobs
  const chunks = chunkPartitions ?? partitionsDefault.chunks
  const partitionCounts = { jobs, listings: jobs, chunks, rates: jobs }
  return createTopics({ address: addressOf(log, 'topics', logger), plan: { ...rest, partitionCounts }, clock })
}

/** What is wrong with the topics. Throws LOG_UNREACHABLE, LOG_DENIED. */
export async function checkClusterTopics({ log, plan, clock, logger }: TopicsPlace): Promise<readonly TopicFinding[]> {
  const { checkFoundTopics } = await import('#libs/log/kafka/topics')
  return checkFoundTopics({ address: addressOf(log, 'topics', logger), plan, clock })
}

/** A signal of a source's load, as it is configured. null: the threshold of that kind. */
export type SignalSettings =
  | { readonly kind: 'pressure' | 'disk'; readonly threshold: number | null }
  | ({ readonly kind: 'command' } & CommandSettings)
  | ({ readonly kind: 'http' } & HttpSettings)

/** @param path of the source on this machine, for the kinds that look at its disk. Connects to nothing yet. */
export function openSourceSignal(settings: SignalSettings, path: string, clock: Clock): LoadSignal {
  switch (settings.kind) {
    case 'pressure':
      return openPressureSignal({ clock, threshold: settings.threshold ?? undefined })
    case 'disk':
      return openDiskSignal({ path, clock, threshold: settings.threshold ?? undefined })
    case 'command':
      return openCommandSignal(settings)
    case 'http':
      return openHttpSignal(settings)
  }
}

/** What a folder can deliver at least; reads and keeps nothing. Throws what its source throws. */
export function measureSourceSpeed(options: MeasureOptions): Promise<MeasuredSpeed> {
  return measureSpeed(options)
}
