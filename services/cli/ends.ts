// SOURCE and TARGET as they were typed, and the job they mean.
import { WaybillError } from '#libs/domain/errors'
import type { CommandInput } from './command.ts'
import { endpointOf } from './connections.ts'
import { deriveJobName } from './job-name.ts'
import { type Location, locationWarning, parseLocation } from './locations.ts'

export interface Ends {
  readonly source: Location
  readonly target: Location
  readonly job: string
}

/** The two locations that were typed, and the job they mean. Throws USAGE. */
export function endsOf({ words, settings, aliases, environment, terminal }: CommandInput): Ends {
  const [source, target] = words.map((word) => parseLocation(word, aliases))
  if (source === undefined || target === undefined) throw new WaybillError('USAGE', { problem: 'SOURCE and TARGET' })
  for (const location of [source, target]) {
    const warning = locationWarning(location)
    if (warning !== null && !settings.quiet) terminal.notice(`waybill: ${warning}\n`)
  }
  const job = settings.job ?? deriveJobName(source, target, endpointOf(target, settings, environment))
  return { source, target, job }
}
