// waybill verify JOB | SOURCE TARGET: every stored byte of a complete job is read again; nothing is repaired.
import { WaybillError } from '#libs/domain/errors'
import type { JobRow } from '#schemas/rows'
import { acceptedRow } from '../../embedded/job-view.ts'
import type { Command, CommandInput } from '../command.ts'
import { connectReader, connectSource, connectTarget, endpointOf } from '../connections.ts'
import { deriveJobName } from '../job-name.ts'
import { jobNamed, storedSource, storedTarget, viewJobHere, wordsOfJob } from '../jobs.ts'
import { parseLocation } from '../locations.ts'
import { runSession, sessionOf } from '../session-run.ts'
import { shellWords } from '../shell-words.ts'

/** The job that the words mean. Throws USAGE. */
function jobOf({ words, settings, aliases, environment }: CommandInput): string {
  const [first, second, ...more] = words
  if (first === undefined || more.length > 0) {
    throw new WaybillError('USAGE', { problem: 'verify needs JOB, or SOURCE and TARGET' })
  }
  if (second === undefined) return settings.job ?? jobNamed(first)
  const source = parseLocation(first, aliases)
  const target = parseLocation(second, aliases)
  return settings.job ?? deriveJobName(source, target, endpointOf(target, settings, environment))
}

/** The job's row; what was never migrated cannot be verified, and is told so. Throws JOB_UNKNOWN, JOB_HELD, USAGE. */
async function readRow(input: CommandInput, job: string): Promise<JobRow> {
  const view = await viewJobHere(input, job).catch((error: unknown) => {
    if (!(error instanceof WaybillError) || error.code !== 'JOB_UNKNOWN' || input.words.length < 2) throw error
    const migrate = shellWords(['waybill', 'migrate', ...input.words])
    throw new WaybillError(
      'JOB_UNKNOWN',
      { problem: `no job has moved these yet, so there is nothing to compare with; first: ${migrate}` },
      { cause: error },
    )
  })
  try {
    if (view.isHeldElsewhere) throw new WaybillError('JOB_HELD', { job })
    const row = acceptedRow(view)
    if (row.pass === 0 || row.passesCompleted < row.pass) {
      const { migrate } = wordsOfJob(input, job, row.request)
      throw new WaybillError('JOB_UNFINISHED', { job, first: shellWords(migrate) })
    }
    return row
  } finally {
    await view.close()
  }
}

export const verify: Command = async (input) => {
  const job = jobOf(input)
  const { request } = await readRow(input, job)
  const target = storedTarget(request)
  const options = await sessionOf(input, job, {
    request: null,
    aim: 'verify',
    source: connectSource(storedSource(request)),
    target: await connectTarget(input, target, job),
    readTarget: await connectReader(input, target, job),
    selects: () => true,
  })
  return runSession(input, options, wordsOfJob(input, job, request))
}
