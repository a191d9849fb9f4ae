// The one place that chooses adapters. The S3 client is loaded only where a bucket is named: it takes half a second.
import { WaybillError } from '#libs/domain/errors'
import type { ObjectOptions } from '#libs/domain/object-options'
import type { EventLog } from '#libs/log/event-log'
import { openSegmentLog } from '#libs/log/segments/segment-log'
import { openFileSource } from '#libs/source/files/file-source'
import type { Source } from '#libs/source/source'
import { moveAside, openRocksStore } from '#libs/store/rocksdb/rocks-store'
import type { StateStore } from '#libs/store/state-store'
import { openFileTarget } from '#libs/target/files/file-target'
import { Pace } from '#libs/target/pace'
import { defaultRetryRules, type RetrySettings, retryingTarget } from '#libs/target/retrying'
import { defaultDeadlines, type S3Credentials, type S3Proxies } from '#libs/target/s3/settings'
import type { Target } from '#libs/target/target'
import type { Bytes } from '#schemas/avro'
import type { Clock, Random } from './clock.ts'
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

/** An embedded log has one partition a topic: one process owns all of them. */
const partitionCounts = { jobs: 1, listings: 1, chunks: 1, rates: 1 } as const

/** Throws LOG_DAMAGED, LOG_NEWER, LOG_FULL. */
export function openEmbeddedLog(folder: string): Promise<EventLog> {
  return openSegmentLog({ folder, partitionCounts })
}

/** The log of a job that another process may be writing. */
export function openLogToRead(folder: string, clock: Clock): Promise<EventLog> {
  return openSegmentLog({ folder, partitionCounts, isReadOnly: true, clock })
}

/** Throws STORE_DAMAGED, STORE_FULL. */
export function openEmbeddedStore(folder: string): Promise<StateStore> {
  return openRocksStore({ folder })
}

/** Renames a store away; returns where it is now, or null when there was none. */
export function moveStoreAside(folder: string): Promise<string | null> {
  return moveAside(folder)
}
