// One serving process: folds the log, joins the groups of its roles, claims what they assign, and runs the roles of every
// live job on it. What it keeps is its store, which the log rebuilds.
import { codeOf, errorCatalogue } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { partitionOfName } from '#libs/domain/placement'
import { createEventWriter, type PlacedDraft } from '#libs/log/event-writer'
import type { GroupRole, Membership } from '#libs/log/membership'
import { openProjection } from '#libs/projection/projection'
import type { Claim } from '#libs/runtime/claims'
import { runRole } from '#libs/runtime/role'
import { createGranter } from '../coordinator/granting.ts'
import { startApiRole } from './api-role.ts'
import { createFence } from './fence.ts'
import { createJobRoles, createSharedLimits, type JobRoles, type SharedLimits } from './job-roles.ts'
import { createJobWatch, type LiveJob } from './jobs.ts'
import { type Ownership, ownPartitions } from './ownership.ts'
import { roleContext, type ServeOptions, type ServeParts } from './parts.ts'
import { keepReport } from './reports.ts'
import { createRoleDesk, type RoleFailure, type WantedRole } from './role-desk.ts'

/** Least time between two looks at which roles are wanted, and the most. */
const lookMs = { least: 100, most: 1_000 } as const
/** A worker or verifier that fails so often in a row has a trouble that a person must end. */
const failuresMax = 5

interface Shares {
  readonly coordinator: Ownership | null
  readonly worker: Ownership | null
  readonly verifier: Membership | null
}

/** Topics in which each claiming role claims its numbers. */
const claimedTopics = { coordinator: ['jobs', 'listings', 'rates'], worker: ['chunks'] } as const

class ServingProcess {
  readonly #parts: ServeParts
  readonly #shares: Shares
  readonly #fence: ReturnType<typeof createFence>
  readonly #limits: SharedLimits
  readonly #roles = new Map<string, JobRoles>()
  readonly #watch: ReturnType<typeof createJobWatch>
  readonly #desk: ReturnType<typeof createRoleDesk>
  #reporting: Promise<void> | null = null
  #nudge = new AbortController()

  constructor(parts: ServeParts, shares: Shares, limits: SharedLimits) {
    this.#parts = parts
    this.#shares = shares
    this.#limits = limits
    this.#fence = createFence(parts, () => this.#claims())
    this.#watch = createJobWatch({ ...parts, keepsEnds: shares.coordinator !== null })
    const wake = (): void => this.#nudge.abort()
    shares.coordinator?.onChange(wake)
    shares.worker?.onChange(wake)
    this.#desk = createRoleDesk({ clock: parts.clock, onFailure: (failure) => this.#failed(failure), onEnd: wake })
  }

  async run(signal: AbortSignal): Promise<void> {
    const { projection, clock } = this.#parts
    try {
      while (!signal.aborted) {
        this.#nudge = new AbortController()
        const version = projection.version()
        const jobs = await this.#watch.live()
        this.#desk.sync([...this.#granters(), ...jobs.flatMap((job) => this.#wanted(job))])
        await this.#closeUnused(jobs)
        // Not awaited: a large report takes a while, and roles come and go meanwhile.
        this.#reporting ??= this.#keepReports()
          .catch((error: unknown) => this.#parts.logger.error({ code: codeOf(error), error }, 'reports are not kept'))
          .finally(() => {
            this.#reporting = null
          })
        const waiting = AbortSignal.any([signal, this.#nudge.signal])
        await clock.sleep(lookMs.least, signal).catch(() => undefined)
        const idle = new AbortController()
        const either = AbortSignal.any([waiting, idle.signal])
        await Promise.race([projection.changed(version, either), clock.sleep(lookMs.most, either)])
          .catch((error: unknown) => {
            if (!either.aborted) throw error
          })
          .finally(() => idle.abort())
      }
    } finally {
      await this.#desk.close()
      await this.#reporting
      await this.#closeUnused([])
    }
  }

  #claims(): readonly Claim[] {
    const { coordinator, worker } = this.#shares
    const ofCoordinator = claimedTopics.coordinator.flatMap((topic) => coordinator?.claimsOf(topic) ?? [])
    return [...ofCoordinator, ...(worker?.claimsOf('chunks') ?? [])]
  }

  #rolesOf(job: LiveJob): JobRoles {
    const known = this.#roles.get(job.name)
    if (known !== undefined) return known
    const made = createJobRoles(this.#parts, this.#limits, this.#fence, job)
    this.#roles.set(job.name, made)
    return made
  }

  async #closeUnused(jobs: readonly LiveJob[]): Promise<void> {
    const live = new Set(jobs.map(({ name }) => name))
    for (const [name, roles] of this.#roles) {
      // What its roles have under way still uses its connections; their end wakes this loop.
      if (live.has(name) || this.#desk.isRunning(name)) continue
      this.#roles.delete(name)
      await roles.close().catch((error: unknown) => {
        this.#parts.logger.warn({ job: name, code: codeOf(error), error }, 'connections of a job were not closed')
      })
    }
  }

  /** Reports of jobs whose coordinator this process is. One that cannot be written can be made from the log at any time. */
  async #keepReports(): Promise<void> {
    const { projection, counts, logger } = this.#parts
    for (const [name, pass] of this.#watch.ended()) {
      if (this.#claimAt('jobs', partitionOfName(name, counts.jobs)) === null) continue
      const row = await projection.rows.get(keyOf.job(name))
      // A further pass has begun meanwhile: its own end will be told.
      if (row === undefined || row.pass !== pass) continue
      this.#watch.take(name)
      await keepReport(this.#parts, name, row).catch((error: unknown) => {
        logger.error({ job: name, code: codeOf(error), error }, 'the report was not written')
      })
    }
  }

  #granters(): readonly WantedRole[] {
    const { coordinator } = this.#shares
    const { projection, clock, counts, knowledge } = this.#parts
    return (coordinator?.claimsOf('rates') ?? []).flatMap((rates) => {
      const jobs = this.#claimAt('jobs', rates.partition)
      if (jobs === null) return []
      const run = (signal: AbortSignal): Promise<void> =>
        runRole(
          createGranter({ projection, clock, jobs, rates, partitionCount: counts.rates, knowledge }),
          roleContext(this.#parts, signal),
        )
      return [{ key: `granter/${rates.claim}/${jobs.claim}`, job: '', run }]
    })
  }

  #claimAt(topic: 'jobs' | 'listings', partition: number): Claim | null {
    return this.#shares.coordinator?.claimsOf(topic).find((claim) => claim.partition === partition) ?? null
  }

  #wanted(job: LiveJob): readonly WantedRole[] {
    const { coordinator, worker, verifier } = this.#shares
    const { name } = job
    const wanted: WantedRole[] = []
    const partition = partitionOfName(name, this.#parts.counts.jobs)
    const [jobs, listings] = [this.#claimAt('jobs', partition), this.#claimAt('listings', partition)]
    if (coordinator !== null && jobs !== null && listings !== null) {
      const fence = `${name}/${jobs.claim}/${listings.claim}`
      const roles = (): JobRoles => this.#rolesOf(job)
      const claims = { jobs, listings }
      if (job.isAsked)
        wanted.push({ key: `answer/${fence}`, job: name, run: (signal) => roles().answer(claims, signal) })
      if (job.row !== null)
        wanted.push({ key: `coordinator/${fence}`, job: name, run: (signal) => roles().coordinator(claims, signal) })
    }
    // Nothing is moved or read before the target was probed.
    if (job.row?.abilities == null) return wanted
    if (worker !== null) {
      const run = (signal: AbortSignal): Promise<void> =>
        this.#rolesOf(job).worker(() => worker.claimsOf('chunks'), signal)
      wanted.push({ key: `worker/${name}`, job: name, run })
    }
    if (verifier !== null) {
      const run = (signal: AbortSignal): Promise<void> =>
        this.#rolesOf(job).verifier(() => [...verifier.assigned()], signal)
      wanted.push({ key: `verifier/${name}`, job: name, run })
    }
    return wanted
  }

  /** A job whose coordinator fails for a reason that does not pass, or a role of which fails again and again, waits for a person. */
  #failed({ key, job, error, times }: RoleFailure): void {
    const { logger, writer, counts } = this.#parts
    const code = codeOf(error)
    logger.error({ code, key, times, error }, 'a role ended')
    const isForGood = key.startsWith('coordinator/') && errorCatalogue[code].retry !== 'again'
    const isSerious = isForGood || times === failuresMax
    if (job === '' || !isSerious) return
    const reason = errorCatalogue[code].help
    const event = { type: 'JobPaused', job, actor: 'coordinator', reason, code } as const
    const draft: PlacedDraft = { topic: 'jobs', partition: partitionOfName(job, counts.jobs), event }
    writer.append([draft]).catch((cause: unknown) => logger.error({ job, error: cause }, 'the pause was not written'))
  }
}

async function joinAll({ settings, join }: ServeOptions): Promise<Readonly<Record<GroupRole, Membership | null>>> {
  const joined = async (role: GroupRole): Promise<Membership | null> =>
    settings.roles.includes(role) ? join(role) : null
  const [coordinator, worker, verifier] = await Promise.all([
    joined('coordinator'),
    joined('worker'),
    joined('verifier'),
  ])
  return { coordinator, worker, verifier }
}

/** Payload that the workers of this process hold; null: it has none. */
function inflightBytesOf({ settings }: ServeParts, limits: SharedLimits): (() => number) | null {
  return settings.roles.includes('worker') ? (): number => limits.budget.inFlight : null
}

/** Runs until the signal aborts (then it leaves its groups and returns), or throws what ends the process. */
export async function runServe(options: ServeOptions): Promise<void> {
  const { settings, log, store, clock, software, signal, logger } = options
  const process = `${settings.instance}.${options.incarnation}`
  const projection = await openProjection(log, store)
  const writer = createEventWriter({ log, clock, writer: process, software })
  const folding = new AbortController()
  const stop = new AbortController()
  const working = AbortSignal.any([signal, stop.signal])
  const projected = projection.run(folding.signal)
  const broken = projected.then(() => new Promise<never>(() => undefined))
  const parts: ServeParts = {
    ...options,
    process,
    projection,
    writer,
    counts: await log.partitionCounts(),
    signal: working,
  }
  let memberships: readonly Membership[] = []
  let running: readonly Promise<void>[] = []
  let api: Awaited<ReturnType<typeof startApiRole>> | null = null
  try {
    // A process with a cold store owns nothing until it caught up (rule 9).
    await Promise.race([broken, projection.caughtUp(working)])
    logger.info({ process, roles: settings.roles }, 'caught up with the log')
    const limits = createSharedLimits(parts)
    // First: an address that is in use must be found before this process takes anybody's share.
    if (settings.roles.includes('api')) api = await startApiRole(parts, inflightBytesOf(parts, limits))
    const joined = await Promise.race([broken, joinAll(options)])
    memberships = Object.values(joined).filter((each) => each !== null)
    const shares: Shares = {
      coordinator: joined.coordinator && ownPartitions(parts, joined.coordinator, claimedTopics.coordinator),
      worker: joined.worker && ownPartitions(parts, joined.worker, claimedTopics.worker),
      verifier: joined.verifier,
    }
    const owners = [shares.coordinator, shares.worker].filter((each) => each !== null)
    const serving = new ServingProcess(parts, shares, limits)
    running = [...owners.map((owner) => owner.run(working)), serving.run(working)]
    await Promise.race([broken, ...memberships.map(({ failed }) => failed), Promise.all(running)])
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error
  } finally {
    stop.abort()
    await api?.close()
    await Promise.allSettled(running)
    await Promise.allSettled(memberships.map((membership) => membership.leave()))
    folding.abort()
    await Promise.allSettled([projected])
  }
}
