// Opens what the locations name: sources read-only, targets with the credentials of the role.

import { openSource, openTarget, type S3Access } from '#libs/runtime/adapters'
import type { Source } from '#libs/source/source'
import type { Target } from '#libs/target/target'
import type { CommandInput } from './command.ts'
import type { Location } from './locations.ts'

/** Connections of a role at an S3 store when --concurrency does not say: enough to keep small objects flowing. */
export const requestsDefault = 16

function accessOf(input: CommandInput, profile: string | null): S3Access {
  const { settings, environment, clock, logger } = input
  return {
    endpoint: settings['target-endpoint'] ?? environment.aws.endpoint,
    region: settings['target-region'],
    isPathStyle: settings['target-path-style'],
    profile: profile ?? environment.aws.profile,
    caFile: settings['ca-file'] ?? environment.aws.caFile,
    proxies: environment.proxies,
    connectionsMax: settings.concurrency ?? requestsDefault,
    clock,
    random: Math.random,
    onRetry: ({ operation, code, attempt, delayMs }) =>
      logger.warn({ operation, code, attempt, delayMs }, 'target request failed, will retry'),
  }
}

export function connectSource(location: Location): Source {
  return openSource(location)
}

/** The target for those who write. */
export function connectTarget(input: CommandInput, location: Location, job: string): Promise<Target> {
  return openTarget(location, job, accessOf(input, input.settings['target-profile']))
}

/** The verifier's target: its own connections, and its own credentials where --verify-profile names them. */
export function connectReader(input: CommandInput, location: Location, job: string): Promise<Target> {
  const { settings } = input
  return openTarget(location, job, accessOf(input, settings['verify-profile'] ?? settings['target-profile']))
}
