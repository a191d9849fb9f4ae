// Opens what the locations name: sources read-only, targets with the credentials of the role.

import { noObjectOptions, type ObjectOptions, sortedPairs } from '#libs/domain/object-options'
import { openSource, openTarget, type S3Access } from '#libs/runtime/adapters'
import type { Environment } from '#libs/runtime/environment'
import { systemRandom } from '#libs/runtime/system-random'
import type { Source } from '#libs/source/source'
import type { Target } from '#libs/target/target'
import type { Bytes } from '#schemas/avro'
import type { CommandInput } from './command.ts'
import type { Location } from './locations.ts'
import type { Settings } from './options.ts'

/** Connections of a role at an S3 store when --concurrency does not say: enough to keep small objects flowing. */
export const requestsDefault = 16
/** Chunks worked on at a time when --concurrency does not say. */
export const chunksDefault = 4

/** The server of a target: flags beat the location, which beats the environment; null is AWS. */
export function endpointOf(location: Location, settings: Settings, environment: Environment): string | null {
  if (location.kind !== 's3') return null
  return settings['target-endpoint'] ?? location.endpoint ?? environment.aws.endpoint
}

/** What the settings put on every object of an S3 target. */
export function objectOptionsIn(settings: Settings): ObjectOptions {
  return {
    storageClass: settings['storage-class'],
    encryption: settings.sse,
    encryptionKey: settings['sse-kms-key-id'],
    metadata: sortedPairs(settings.metadata),
    tags: sortedPairs(settings.tag),
  }
}

function accessOf(input: CommandInput, location: Location, profile: string | null): S3Access {
  const { settings, environment, clock, logger, slowDowns } = input
  const endpoint = endpointOf(location, settings, environment)
  const s3 = location.kind === 's3' ? location : null
  return {
    endpoint,
    region: settings['target-region'] ?? s3?.region ?? null,
    // Servers other than AWS rarely have a host name for each bucket.
    isPathStyle: settings['target-path-style'] || (s3?.isPathStyle ?? endpoint !== null),
    profile: profile ?? s3?.profile ?? environment.aws.profile,
    identity: profile === null ? (s3?.identity ?? null) : null,
    caFile: settings['ca-file'] ?? environment.aws.caFile,
    proxies: environment.proxies,
    objectOptions: s3 === null ? noObjectOptions : objectOptionsIn(settings),
    connectionsMax: settings.concurrency ?? requestsDefault,
    clock,
    random: systemRandom,
    onRetry: ({ operation, code, facts, attempt, delayMs }) => {
      slowDowns.note(facts, clock.monotonic())
      logger.warn({ operation, code, attempt, delayMs }, 'target request failed, will retry')
    },
  }
}

export function connectSource(location: Location, enters?: (name: Bytes) => boolean): Source {
  return openSource(location, enters)
}

/** The target for those who write. */
export function connectTarget(input: CommandInput, location: Location, job: string): Promise<Target> {
  return openTarget(location, job, accessOf(input, location, input.settings['target-profile']))
}

/** The verifier's target: its own connections, and its own credentials where --verify-profile names them. */
export function connectReader(input: CommandInput, location: Location, job: string): Promise<Target> {
  const { settings } = input
  return openTarget(location, job, accessOf(input, location, settings['verify-profile'] ?? settings['target-profile']))
}
