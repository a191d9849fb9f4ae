// Who may read how fast (docs/source-protection.md "Sharing"). A rate is shared out among the jobs of one source, strictly by
// priority, and among the workers of a job, equally; what one cannot use flows on. Rates are bytes a second, Infinity
// stands for no limit.
import type { JobLimit, Priority } from './rate.ts'

/** A worker of one job, as its reports and its grants show it. */
export interface Grantee {
  /** Names the worker and the run of its process. */
  readonly id: string
  readonly process: string
  readonly job: string
  readonly hasWork: boolean
  /** What it could use, Infinity when it uses all it has. */
  readonly demand: number
  /** The most that it may be reading under grants that still live; 0: none lives that admits anything. */
  readonly reserved: number
  /** Order in which it got its first grant; null while it has none. */
  readonly heldSince: number | null
  /** Order of its first report. */
  readonly seenSince: number
}

/** Splits `total` so that nobody gets more than it wants, and all others the same. */
export function fillEqually(total: number, wants: readonly number[]): readonly number[] {
  const shares = wants.map(() => 0)
  let left = total
  const order = wants.map((_, index) => index).sort((a, b) => (wants[a] ?? 0) - (wants[b] ?? 0))
  for (const [place, index] of order.entries()) {
    const share = Math.min(wants[index] ?? 0, left / (wants.length - place))
    shares[index] = share
    if (left !== Number.POSITIVE_INFINITY) left -= share
  }
  return shares
}

const priorities: readonly Priority[] = ['high', 'normal', 'low']

function remainder(total: number, taken: number): number {
  if (total === Number.POSITIVE_INFINITY) return taken === total ? 0 : total
  return Math.max(0, total - taken)
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/**
 * Workers that may hold a grant: with `workersMax`, those of at most so many processes. Who holds a grant keeps its place
 * while it has work, and blocks it while the grant lives; a free place goes to who waits longest.
 */
export function chosenWorkers(workersMax: number | null, grantees: readonly Grantee[]): readonly Grantee[] {
  const working = grantees.filter(({ hasWork }) => hasWork)
  if (workersMax === null) return working
  const orderOf = ({ heldSince, seenSince }: Grantee): number => heldSince ?? seenSince
  const processesOf = (list: readonly Grantee[]): readonly string[] => [
    ...new Set([...list].sort((a, b) => orderOf(a) - orderOf(b)).map((grantee) => grantee.process)),
  ]
  const holders = processesOf(grantees.filter(({ reserved }) => reserved > 0))
  const waiting = processesOf(working).filter((name) => !holders.includes(name))
  const chosen = new Set([...holders, ...waiting].slice(0, workersMax))
  return working.filter((grantee) => chosen.has(grantee.process))
}

interface SharingJob {
  readonly limit: number
  readonly workers: readonly Grantee[]
  given: number
}

/** Gives out `left` by priority; returns what nobody took. */
function giveOut(
  left: number,
  jobs: readonly (SharingJob & { readonly priority: Priority })[],
  isSpare: boolean,
): number {
  let rest = left
  for (const priority of priorities) {
    const same = jobs.filter((job) => job.priority === priority)
    const wants = same.map(({ limit, given, workers }) => {
      const demand = isSpare ? Number.POSITIVE_INFINITY : sum(workers.map((worker) => worker.demand))
      return workers.length === 0 ? 0 : Math.max(0, Math.min(remainder(limit, given), demand))
    })
    const shares = fillEqually(rest, wants)
    for (const [index, job] of same.entries()) job.given += shares[index] ?? 0
    if (rest !== Number.POSITIVE_INFINITY) rest -= sum(shares)
  }
  return Math.max(0, rest)
}

function shareOfWorkers(job: SharingJob, shares: Map<string, number>): void {
  const { workers } = job
  const wanted = fillEqually(
    job.given,
    workers.map(({ demand }) => demand),
  )
  const spare = job.given === Number.POSITIVE_INFINITY ? job.given : job.given - sum(wanted)
  const more = fillEqually(
    Math.max(0, spare),
    workers.map(() => Number.POSITIVE_INFINITY),
  )
  for (const [index, { id }] of workers.entries()) shares.set(id, (wanted[index] ?? 0) + (more[index] ?? 0))
}

/** The rate that each worker should have, by its id; who is not in it should have none. */
export function shareRate(
  rate: number,
  limits: readonly JobLimit[],
  grantees: readonly Grantee[],
): ReadonlyMap<string, number> {
  const jobs = limits.map(({ job, bytesPerSecond, priority, workersMax }) => {
    const own = grantees.filter((grantee) => grantee.job === job)
    // Where nothing is limited, a worker that finds work later need not ask first.
    const isFree = rate === Number.POSITIVE_INFINITY && bytesPerSecond === null && workersMax === null
    const workers = isFree ? own : chosenWorkers(workersMax, own)
    return { limit: bytesPerSecond ?? Number.POSITIVE_INFINITY, priority, given: 0, workers }
  })
  const spare = giveOut(rate, jobs, false)
  giveOut(spare, jobs, true)
  const shares = new Map<string, number>()
  for (const job of jobs) shareOfWorkers(job, shares)
  return shares
}

/**
 * What a worker is granted now: its share, but no more than what the grants of others that still live leave of the rate and
 * of its job's limit. A grant that it holds already may go on at the same height or lower: that raises no sum.
 */
export function grantFor(
  { id, job, reserved }: Grantee,
  share: number,
  bounds: { readonly rate: number; readonly limit: number; readonly grantees: readonly Grantee[] },
): number {
  const others = bounds.grantees.filter((grantee) => grantee.id !== id)
  const taken = sum(others.map((other) => other.reserved))
  const takenOfJob = sum(others.filter((other) => other.job === job).map((other) => other.reserved))
  const freeOf = (bound: number, used: number): number =>
    bound === Number.POSITIVE_INFINITY ? bound : Math.max(0, bound - used)
  const free = Math.min(freeOf(bounds.rate, taken), freeOf(bounds.limit, takenOfJob))
  const granted = Math.min(share, Math.max(reserved, free))
  return granted === Number.POSITIVE_INFINITY ? granted : Math.floor(Math.max(0, granted))
}
