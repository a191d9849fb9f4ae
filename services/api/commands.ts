// Commands: what may be asked of a migration in its state becomes an event, and the answer shows the state that folded it.
import { type JobCommand, refusalOf } from '#libs/domain/job-control'
import { partitionOfName } from '#libs/domain/placement'
import type { Appended } from '#libs/log/event-writer'
import type { MigrationRequest } from '#schemas/api/migration'
import type { Draft } from '#schemas/events'
import type { JobRow } from '#schemas/rows'
import { type Call, type Handler, type Told, told } from './calls.ts'
import { commandEvent, limitsEvent, type OrderedCommand } from './command-events.ts'
import type { ApiContext } from './context.ts'
import { completionOf, findJob, type JobSight, knownJob, migrationOf, pendingSight, tagOfLimits } from './job-sight.ts'
import { jobNameOf, orderOf } from './migration-order.ts'
import { positionText } from './position-text.ts'
import { ApiProblem } from './problems.ts'
import { waitUntil } from './waiting.ts'

/** A request that was just made is accepted within moments; a command on it waits for that. */
const acceptanceMs = 5_000
const foldMs = 10_000

/** Commands of one migration follow one another, so that each is judged by the state that the one before left. */
class Queues {
  readonly #last = new Map<string, Promise<unknown>>()

  async run<T>(job: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(job) ?? Promise.resolve()
    const own = before.then(work, work)
    this.#last.set(job, own)
    try {
      return await own
    } finally {
      if (this.#last.get(job) === own) this.#last.delete(job)
    }
  }
}

const queuesOf = new WeakMap<ApiContext, Queues>()

function queues(context: ApiContext): Queues {
  const found = queuesOf.get(context) ?? new Queues()
  queuesOf.set(context, found)
  return found
}

function positionOf({ topic, partition, position }: Appended, context: ApiContext): string {
  return positionText(new Map([[`${topic}/${partition}`, position + 1]]), context.partitionCounts)
}

/** Waits until it is folded here, but not for ever: what was appended is in the log whatever the fold does. */
async function foldedWithin(
  { context, signal }: Call,
  ms: number,
  { topic, partition, position }: Appended,
): Promise<void> {
  const timeUp = new AbortController()
  const either = AbortSignal.any([signal, timeUp.signal])
  const timer = context.clock.sleep(ms, either).then(
    () => timeUp.abort(),
    () => undefined,
  )
  try {
    await context.projection.foldedUpTo(topic, partition, position, either)
  } catch (error) {
    if (!either.aborted) throw error
  } finally {
    timeUp.abort()
    await timer
  }
}

/** Appends an event of the jobs topic and waits, a while, until it is folded here. Returns the position behind it. */
async function say(call: Call, event: Draft): Promise<string> {
  const { context } = call
  const partition = partitionOfName(event.job, context.partitionCounts.jobs)
  const [appended] = await context.writer.append([{ topic: 'jobs', partition, event }])
  if (appended === undefined) throw new Error('the writer gave no position')
  await foldedWithin(call, foldMs, appended)
  return positionOf(appended, context)
}

async function acceptedRow(call: Call, job: string): Promise<{ readonly sight: JobSight; readonly row: JobRow }> {
  await knownJob(call.context, job)
  await waitUntil(call, acceptanceMs, async () => (await findJob(call.context, job))?.row !== undefined)
  const sight = await knownJob(call.context, job)
  const { row } = sight
  if (row !== undefined) return { sight, row }
  throw new ApiProblem('STATE_CONFLICT', {
    state: sight.status,
    detail: 'the migration is asked for and not accepted yet; try again in a few seconds',
    headers: { 'retry-after': '5' },
  })
}

function mustAllow(command: JobCommand, { status }: JobSight, row: JobRow): void {
  const refusal = refusalOf(command, status, row)
  if (refusal !== null) throw new ApiProblem('STATE_CONFLICT', { state: status, detail: refusal })
}

async function shown(call: Call, job: string, position: string, status: number): Promise<Told> {
  const { context } = call
  const sight = await knownJob(context, job)
  const body = migrationOf(sight, context.clock.now(), context.pace.of(job))
  return told(status, body, { 'waybill-position': position, etag: tagOfLimits(sight) })
}

function commandOf(
  command: OrderedCommand,
): Handler<'pauseMigration' | 'resumeMigration' | 'cancelMigration' | 'retryMigration'> {
  return ({ params, body }, call) => {
    const job = params.job_id
    return queues(call.context).run(job, async () => {
      const { sight, row } = await acceptedRow(call, job)
      mustAllow(command, sight, row)
      const position = await say(call, commandEvent(command, { job, actor: call.principal.name, reason: body.reason }))
      return shown(call, job, position, 202)
    })
  }
}

export const pauseMigration = commandOf('pause')
export const resumeMigration = commandOf('resume')
export const cancelMigration = commandOf('cancel')
export const retryMigration = commandOf('retry')

function mustMatch(header: string | undefined, sight: JobSight): void {
  if (header === undefined || header === '*') return
  const tags = header.split(',').map((tag) => tag.trim())
  if (!tags.includes(tagOfLimits(sight))) throw new ApiProblem('LIMITS_CHANGED', { state: sight.status })
}

export const changeMigration: Handler<'changeMigration'> = ({ params, body, headers }, call) => {
  const job = params.job_id
  return queues(call.context).run(job, async () => {
    const { sight, row } = await acceptedRow(call, job)
    mustMatch(headers['if-match'], sight)
    mustAllow('throttle', sight, row)
    const event = limitsEvent(sight, body, call.principal.name)
    return shown(call, job, await say(call, event), 200)
  })
}

/** The same request again; null: another one has that name. */
function isSame(sight: JobSight, request: JobSight['request']): boolean {
  const settled = (one: JobSight['request']): string => JSON.stringify(Object.entries(one).sort())
  return settled(sight.request) === settled(request)
}

function accepted(call: Call, sight: JobSight, body: MigrationRequest, position: string | null): Told {
  const { context } = call
  const { job, status } = sight
  const at = completionOf(sight, context.clock.now(), context.pace.of(job), body.expected_bytes ?? 0)
  return told(
    202,
    { job_id: job, status, estimated_completion_at: at },
    {
      location: `/migrations/${job}`,
      ...(position === null ? {} : { 'waybill-position': position }),
    },
  )
}

export const createMigration: Handler<'createMigration'> = async ({ body, headers }, call) => {
  const { context, principal } = call
  const request = await orderOf(context, body)
  const keyText = headers['idempotency-key']
  const key = keyText === undefined ? null : { principal: principal.name, text: keyText }
  const job = body.job_id ?? jobNameOf(request, key)
  return queues(context).run(job, async () => {
    const known = await findJob(context, job)
    if (known !== null) {
      if (key !== null && isSame(known, request)) return accepted(call, known, body, null)
      const state = known.status
      if (key !== null && body.job_id === undefined)
        throw new ApiProblem('KEY_REUSED', { state, detail: `it made the migration ${job}; use a new key` })
      const detail = `the migration ${job} exists; give another job_id, or ask for a retry of it`
      throw new ApiProblem('MIGRATION_EXISTS', { state, detail })
    }
    if (!context.pace.takeOpen(context.limits.openMigrationsMax))
      throw new ApiProblem('TOO_MANY_REQUESTS', {
        detail: 'too many migrations are open',
        headers: { 'retry-after': '60' },
      })
    const position = await say(call, { type: 'JobRequested', job, request })
    const sight = await findJob(context, job)
    return accepted(call, sight ?? pendingSight(job, request), body, position)
  })
}
