// waybill jobs wait JOB where a process answers for the job, with --api or at its socket, and where its state is at rest.
import { codeOf, WaybillError } from '#libs/domain/errors'
import type { ExitCode } from '#libs/domain/report'
import type { Migration } from '#schemas/api/migration'
import type { CommandInput } from '../command.ts'
import { exitMeaning } from '../exit-codes.ts'
import { openJobDesk } from '../job-desk.ts'
import { jobNamed } from '../jobs.ts'
import { snapshotOfMigration, verdictOfMigration } from '../migration-text.ts'
import { askEveryMs, watchProgress } from '../progress-screen.ts'
import { screenOf } from '../session-run.ts'

/** Shorter than the API allows, so that progress is seen. */
const askSeconds = 5
const againMs = 1_000
/** A process that begins, ends or is started anew: so long nobody may answer. */
const silenceMs = 60_000

interface Ending {
  readonly migration: Migration
  readonly stoppedBecause: string | null
}

const isEnded = ({ status }: Migration): boolean => status === 'complete' || status === 'failed'

/** What is known now, after a while at most; null: nobody answers for the job, though somebody may work on it. */
async function askOnce(input: CommandInput, job: string, seconds: number): Promise<Ending | Migration | null> {
  try {
    const desk = await openJobDesk(input, job)
    try {
      const migration = await desk.wait(job, seconds)
      if (isEnded(migration)) return { migration, stoppedBecause: null }
      if (migration.status === 'paused') return { migration, stoppedBecause: migration.limited_by }
      return desk.isAtRest ? { migration, stoppedBecause: 'no process works on it' } : migration
    } finally {
      await desk.close()
    }
  } catch (error) {
    const code = codeOf(error)
    if (input.signal.aborted || (code !== 'API_UNREACHABLE' && code !== 'JOB_HELD')) throw error
    return null
  }
}

async function untilEnd(input: CommandInput, job: string, see: (migration: Migration) => void): Promise<Ending> {
  const { clock, signal, settings } = input
  const endMs = clock.monotonic() + (settings.timeout ?? Number.POSITIVE_INFINITY)
  let heardMs = clock.monotonic()
  let last: Migration | null = null
  for (;;) {
    const leftMs = endMs - clock.monotonic()
    if (leftMs <= 0 && last !== null)
      return { migration: last, stoppedBecause: 'the time of --timeout is over; the job goes on' }
    const asked = await askOnce(input, job, Math.max(1, Math.min(askSeconds, Math.ceil(leftMs / 1000))))
    if (asked !== null && 'migration' in asked) return asked
    if (asked === null) {
      if (clock.monotonic() - heardMs > silenceMs || leftMs <= 0)
        throw new WaybillError('API_UNREACHABLE', { job, reason: 'nobody answers for it' })
      await clock.sleep(againMs, signal)
      continue
    }
    heardMs = clock.monotonic()
    last = asked
    see(asked)
  }
}

export async function deskWait(input: CommandInput): Promise<ExitCode> {
  const { settings, terminal, clock } = input
  const job = jobNamed(input.words[0] ?? '')
  if (settings.report !== null)
    throw new WaybillError('USAGE', {
      problem: '--report is for jobs of a cluster; GET /migrations/JOB/report gives it',
    })
  const { mode, screen } = screenOf(input)
  let seen: Migration | null = null
  const waiting = untilEnd(input, job, (migration) => {
    seen = migration
  })
  const snapshot = () => Promise.resolve(seen === null ? null : snapshotOfMigration(seen))
  const { migration, stoppedBecause } = await watchProgress(
    screen,
    { everyMs: askEveryMs[mode], clock, snapshot },
    waiting,
  )
  const { exitCode, sentence, status } = verdictOfMigration(migration)
  if (settings.json) {
    const told = { ...migration, verdict: status, sentence, exit_code: exitCode, stopped_because: stoppedBecause }
    await terminal.result(`${JSON.stringify(told)}\n`)
  } else {
    await terminal.result(`${job}: ${migration.status}. ${sentence}\n`)
  }
  if (!settings.quiet) {
    if (stoppedBecause !== null) terminal.notice(` stopped       ${stoppedBecause}\n`)
    terminal.notice(` exit code     ${exitCode}: ${exitMeaning(exitCode)}\n`)
  }
  return exitCode
}
