// What may be done to a job in which state: one table for the API, the command line and the simulation.
import type { JobRow, TallyRow } from '#schemas/rows'
import { outcomes, type Totals, verdictOfPass } from './report.ts'
import { codesSince, pendingOf } from './tally.ts'

/** The words of the API. A cancelled job is failed. */
export type JobStatus = 'pending' | 'running' | 'paused' | 'complete' | 'failed'

export type JobCommand = 'pause' | 'resume' | 'cancel' | 'retry' | 'throttle'

/**
 * done: it is so already, or could not be otherwise; refused names the state. `retry` asks for a further pass. Limits may
 * be changed at any time: a job that ended keeps them for its next pass.
 */
const allowed: Readonly<Record<JobStatus, Readonly<Record<JobCommand, boolean>>>> = {
  pending: { pause: true, resume: false, cancel: true, retry: false, throttle: true },
  running: { pause: true, resume: false, cancel: true, retry: false, throttle: true },
  paused: { pause: false, resume: true, cancel: true, retry: false, throttle: true },
  complete: { pause: false, resume: false, cancel: false, retry: true, throttle: true },
  failed: { pause: false, resume: false, cancel: false, retry: true, throttle: true },
}

export function totalsOf(tally: TallyRow): Totals {
  const counts = { ...tally, pending: pendingOf(tally) }
  return Object.fromEntries(outcomes.map((outcome) => [outcome, counts[outcome]])) as Totals
}

/** The newest pass came to its end. */
export function hasEnded(job: Pick<JobRow, 'pass' | 'passesCompleted'>): boolean {
  return job.pass > 0 && job.passesCompleted === job.pass
}

/** The newest pass came to its end, and no further one is asked for. */
export function isAtRest(job: Pick<JobRow, 'pass' | 'passesCompleted' | 'passAsked'>): boolean {
  return hasEnded(job) && job.passAsked <= job.pass
}

function hasSelection({ request }: JobRow): boolean {
  const { rules, filesFromDigest, sizeBytesMin, sizeBytesMax, modifiedAfterMs } = request
  return (
    rules.length > 0 || [filesFromDigest, sizeBytesMin, sizeBytesMax, modifiedAfterMs].some((value) => value !== null)
  )
}

/** Verdict of the newest pass as far as it is. */
export function verdictOf(job: JobRow, tally: TallyRow): ReturnType<typeof verdictOfPass> {
  const ended = job.isLastPassCancelled ? 'cancelled' : 'completed'
  const going = job.control === 'running' ? 'running' : job.control === 'cancelled' ? 'cancelled' : 'stopped'
  const state = hasEnded(job) ? ended : going
  return verdictOfPass({ state, totals: totalsOf(tally), listed: tally.listed, hasSelection: hasSelection(job) })
}

/** null: asked for and not accepted yet. */
export function statusOf(job: JobRow | undefined, tally: TallyRow): JobStatus {
  if (job === undefined) return 'pending'
  if (isAtRest(job)) return verdictOf(job, tally).status === 'pass' ? 'complete' : 'failed'
  // Asked for a further pass, and no coordinator has opened it yet; a cancelled pass is over then, too.
  if (hasEnded(job)) return job.control === 'paused' ? 'paused' : 'running'
  switch (job.control) {
    case 'paused':
      return 'paused'
    case 'cancelled':
      return 'failed'
    case 'running':
      return job.pass === 0 ? 'pending' : 'running'
  }
}

/**
 * Why a command is refused; null: it is not. A cancelled job whose pass has not come to its end yet still lets go of what
 * it holds: a further pass waits for that.
 */
export function refusalOf(command: JobCommand, status: JobStatus, job: JobRow): string | null {
  if (!allowed[status][command]) return `a job that is ${status} takes no ${command}`
  if (command === 'retry' && !isAtRest(job)) return 'the job is failed and still stopping; try again in a few seconds'
  return null
}

/** Why a job is not as it should be, in words; null: it is. */
export function failureReasonOf(job: JobRow, tally: TallyRow): string | null {
  if (job.control === 'paused' && job.controlCode !== null) return `${job.controlCode}: ${job.controlReason}`
  if (hasEnded(job) && !isAtRest(job)) return null
  if (job.control === 'cancelled' || (isAtRest(job) && job.isLastPassCancelled)) {
    return `cancelled by ${job.controlActor}: ${job.controlReason}`
  }
  if (isAtRest(job)) {
    const { status, sentence } = verdictOf(job, tally)
    return status === 'pass' ? null : sentence
  }
  const problems = tally.failed.items + tally.mismatched.items + tally.missing.items + tally.changed.items
  if (problems === 0) return null
  const [worst] = [...codesSince(tally.codes, job.codesBefore)].sort((a, b) => b.count - a.count)
  return `${problems} items are not right so far${worst === undefined ? '' : `, most often ${worst.code}`}`
}
