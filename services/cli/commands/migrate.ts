// waybill migrate SOURCE TARGET: the same command again goes on, or makes a new pass on a complete job.
import { WaybillError } from '#libs/domain/errors'
import type { Command, CommandInput } from '../command.ts'
import { connectReader, connectSource, connectTarget, endpointOf } from '../connections.ts'
import { deriveJobName } from '../job-name.ts'
import { wordsOfRun } from '../jobs.ts'
import { type Location, locationWarning, parseLocation } from '../locations.ts'
import { checkEnds } from '../preflight.ts'
import { orderOf } from '../request.ts'
import { runSession, sessionOf } from '../session-run.ts'

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

export const migrate: Command = async (input) => {
  const ends = endsOf(input)
  const { source, target, job } = ends
  const { request, selection, selects } = await orderOf(input, source, target)
  const opened = connectSource(source, (name) => selection.entersDirectory(name))
  await checkEnds(ends, opened)
  const options = await sessionOf(input, job, {
    request,
    aim: 'migrate',
    source: opened,
    target: await connectTarget(input, target, job),
    readTarget: await connectReader(input, target, job),
    selects,
  })
  return runSession(input, options, wordsOfRun(input))
}
