// waybill migrate SOURCE TARGET: the same command again goes on, or makes a new pass on a complete job.
import type { Command } from '../command.ts'
import { connectReader, connectTarget } from '../connections.ts'
import { endsOf } from '../ends.ts'
import { wordsOfRun } from '../jobs.ts'
import { checkEnds } from '../preflight.ts'
import { connectOrdered, orderOf } from '../request.ts'
import { runSession, sessionOf } from '../session-run.ts'
import { protectionOf } from '../source-protection.ts'
import { plan } from './plan.ts'

export const migrate: Command = async (input) => {
  if (input.settings['dry-run']) return plan(input)
  const ends = endsOf(input)
  const { source, target, job } = ends
  const order = await orderOf(input, source, target)
  const { request, selects } = order
  const opened = connectOrdered(source, order)
  await checkEnds(ends, opened)
  const options = await sessionOf(input, job, {
    request,
    aim: 'migrate',
    source: opened,
    target: await connectTarget(input, target, job),
    readTarget: await connectReader(input, target, job),
    selects,
    protection: await protectionOf(input, request),
  })
  return runSession(input, options, wordsOfRun(input))
}
