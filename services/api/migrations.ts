// Reading migrations: one, with a wait where that is asked for, and all, by name.
import { keyOf } from '#libs/domain/keys'
import { type Call, type Handler, told } from './calls.ts'
import { briefOf, findJob, type JobSight, knownJob, migrationOf, tagOfLimits } from './job-sight.ts'
import { waitUntil } from './waiting.ts'

const pageDefault = 100
/** Rows looked at for one page, whatever the filters leave of them. */
const lookedAtMax = 2_000

export function entriesOf(limit: string | undefined): number {
  return limit === undefined ? pageDefault : Number(limit)
}

const isEnded = ({ status }: JobSight): boolean => status === 'complete' || status === 'failed'

export const showMigration: Handler<'showMigration'> = async ({ params, query }, call) => {
  const { context } = call
  const job = params.job_id
  let sight = await knownJob(context, job)
  if (query.wait !== undefined) {
    const waitMs = Math.min(Number(query.wait.slice(0, -1)) * 1000, context.limits.statusWaitMs)
    await waitUntil(call, waitMs, async () => {
      sight = (await findJob(context, job)) ?? sight
      return sight.status === (query.status ?? 'complete') || isEnded(sight)
    })
  }
  const body = migrationOf(sight, context.clock.now(), context.pace.of(job))
  return told(200, body, { etag: tagOfLimits(sight) })
}

/** Names of the next migrations behind `after`: of accepted ones and of those that are only asked for, in one order. */
async function namesAfter({ context }: Call, after: string, limit: number): Promise<readonly string[]> {
  const { rows } = context.projection
  const [jobs, requests] = await Promise.all([
    rows.slice('job', 'job/', limit, keyOf.job(after)),
    // Behind all requests of that name.
    rows.slice('request', 'request/', limit, `request/${after}/\uffff`),
  ])
  const names = new Set([
    ...jobs.map(({ key }) => key.slice('job/'.length)),
    ...requests.map(({ key }) => key.split('/')[1] ?? ''),
  ])
  return [...names].sort((a, b) => (a < b ? -1 : 1)).slice(0, limit)
}

export const listMigrations: Handler<'listMigrations'> = async ({ query }, call) => {
  const { context } = call
  const list = `migrations ${query.status ?? ''} ${query.priority ?? ''}`
  const wanted = entriesOf(query.limit)
  const entries: ReturnType<typeof briefOf>[] = []
  let after = query.cursor === undefined ? '' : context.cursors.open(list, query.cursor)
  let isEnd = false
  for (let lookedAt = 0; entries.length < wanted && lookedAt < lookedAtMax && !isEnd; ) {
    const names = await namesAfter(call, after, wanted)
    isEnd = names.length < wanted
    lookedAt += names.length
    for (const name of names) {
      if (entries.length >= wanted) {
        isEnd = false
        break
      }
      after = name
      const sight = await findJob(context, name)
      if (sight === null || (query.status !== undefined && sight.status !== query.status)) continue
      const brief = briefOf(sight, context.clock.now(), context.pace.of(name))
      if (query.priority === undefined || brief.priority === query.priority) entries.push(brief)
    }
  }
  return told(200, { entries, next: isEnd ? null : context.cursors.seal(list, after) })
}
