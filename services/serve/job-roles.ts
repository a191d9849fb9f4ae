// The roles of one job in this process. Its source and targets are opened once, when the first role needs them, and closed
// when the job has none left.
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { partitionOfName } from '#libs/domain/placement'
import { rateSourceOf } from '#libs/domain/rate'
import { compileSelection } from '#libs/domain/selection'
import { createLoggedDigests } from '#libs/projection/logged-digests'
import type { Claim } from '#libs/runtime/claims'
import { type Clients, openClients } from '#libs/runtime/clients'
import { createOnce, type Once } from '#libs/runtime/once'
import { appendAndFold, runRole } from '#libs/runtime/role'
import type { SourceEntry } from '#libs/source/source'
import { fencedUploads } from '#libs/target/fenced'
import { type ByteBudget, createByteBudget } from '#libs/transfer/byte-budget'
import { createReadGate, type ReadGate } from '#libs/transfer/read-gate'
import { createRequestSlots, type RequestSlots } from '#libs/transfer/request-slots'
import type { JobRequest } from '#schemas/records'
import type { Claimant } from '../coordinator/context.ts'
import { createCoordinator } from '../coordinator/coordinator.ts'
import { answerRequest } from '../coordinator/requests.ts'
import { createVerifier } from '../verifier/verifier.ts'
import { createWorker } from '../worker/worker.ts'
import { claimantsOf, granteeOf } from './claimants.ts'
import type { Fence } from './fence.ts'
import { type JobEnds, roleContext, type ServeParts } from './parts.ts'
import { behindLimit, createSourceLimit } from './source-limit.ts'

/** Limits that all jobs of the process share. */
export interface SharedLimits {
  readonly budget: ByteBudget
  readonly slots: RequestSlots
  readonly verifySlots: RequestSlots
  readonly sourceLimit: ReadGate | null
}

export function createSharedLimits({ settings, clock }: ServeParts): SharedLimits {
  return {
    budget: createByteBudget(settings.memoryBytes),
    slots: createRequestSlots(settings.requestsMax),
    verifySlots: createRequestSlots(settings.requestsMax),
    sourceLimit: createSourceLimit(clock, settings.sourceRateBytesPerSecond),
  }
}

/** Answered before the job is looked at anew. */
const requestsAtOnce = 100

interface Opened {
  readonly ends: JobEnds
  readonly clients: Clients
}

export interface JobRoles {
  /** Accepts what was requested, or rejects it. */
  answer(claims: { readonly jobs: Claim; readonly listings: Claim }, signal: AbortSignal): Promise<void>
  coordinator(claims: { readonly jobs: Claim; readonly listings: Claim }, signal: AbortSignal): Promise<void>
  worker(claims: () => readonly Claim[], signal: AbortSignal): Promise<void>
  verifier(partitions: () => readonly number[], signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** How long the first chunks of a job wait for workers that were not granted yet: each reports as soon as it may. */
const gatheringMs = 5_000

function selectsOf(request: JobRequest): (entry: SourceEntry) => boolean {
  const selection = compileSelection(request, null)
  if (!selection.ok) throw new WaybillError('USAGE', { problem: selection.problem })
  return (entry) => selection.value.choose(entry) !== 'leave_out'
}

class RolesOfJob implements JobRoles {
  readonly #parts: ServeParts
  readonly #limits: SharedLimits
  readonly #fence: Fence
  readonly #job: string
  readonly #request: JobRequest
  readonly #opened: Once<Opened>
  /** When this process first asked who may be given work. */
  #gatheringSince: number | null = null

  constructor(parts: ServeParts, limits: SharedLimits, fence: Fence, job: string, request: JobRequest) {
    this.#parts = parts
    this.#limits = limits
    this.#fence = fence
    this.#job = job
    this.#request = request
    this.#opened = createOnce(async () => {
      const ends = await parts.openEnds(job, request)
      return { ends, clients: openClients({ job, ...ends }, parts.projection) }
    })
  }

  async answer(claims: { readonly jobs: Claim; readonly listings: Claim }, signal: AbortSignal): Promise<void> {
    const { rows } = this.#parts.projection
    const job = this.#job
    for (const { key, row } of await rows.slice('request', `request/${job}/`, requestsAtOnce)) {
      const isKnown = (await rows.get(keyOf.job(job))) !== undefined
      const refusal = isKnown ? 'duplicate' : this.#parts.refusalOf(row.request)
      this.#parts.logger.info({ job, key, refusal }, 'request answered')
      await appendAndFold(this.#parts, [answerRequest({ job, ...claims }, row, refusal)], signal)
    }
  }

  async coordinator(claims: { readonly jobs: Claim; readonly listings: Claim }, signal: AbortSignal): Promise<void> {
    const { log, projection, logger, process } = this.#parts
    const { ends, clients } = await this.#opened.get()
    const job = this.#job
    const mustStillHold = async (): Promise<void> => {
      await this.#fence.mustStillHold(claims.listings)
      await this.#fence.mustStillHold(claims.jobs)
    }
    const role = createCoordinator({
      job,
      projection,
      items: { rows: projection.rows, log, job },
      source: ends.source,
      keys: ends.target.keys,
      survey: clients.survey,
      uploads: async () => fencedUploads(await clients.uploads(), mustStillHold),
      ...claims,
      claimants: () => this.#claimants(),
      selects: selectsOf(this.#request),
      logger: logger.child({ role: 'coordinator', job }),
      wish: 'finish',
      wishedPass: 0,
      wishedRound: 0,
      actor: process,
    })
    await runRole(role, roleContext(this.#parts, signal))
  }

  /** A whole job would be placed on the worker that is granted first, were the others not waited for. */
  async #claimants(): Promise<readonly Claimant[]> {
    const { answered, isComplete } = await claimantsOf(this.#parts, this.#job)
    const now = this.#parts.clock.monotonic()
    this.#gatheringSince ??= now
    return isComplete || now - this.#gatheringSince >= gatheringMs ? answered : []
  }

  async worker(claims: () => readonly Claim[], signal: AbortSignal): Promise<void> {
    const { log, projection, logger, process, clock, random, counts, settings, onStuck } = this.#parts
    const { ends, clients } = await this.#opened.get()
    const { source } = ends
    const { budget, slots, sourceLimit } = this.#limits
    const gate = behindLimit(createReadGate(clock), sourceLimit)
    const loggedDigest = createLoggedDigests({ rows: projection.rows, log, job: this.#job })
    const role = createWorker({
      job: this.#job,
      worker: granteeOf(process, this.#job),
      projection,
      log,
      claims,
      jobsPartition: partitionOfName(this.#job, counts.jobs),
      ratesPartition: partitionOfName(rateSourceOf(this.#request.source), counts.rates),
      clock,
      random,
      logger: logger.child({ role: 'worker', job: this.#job }),
      chunksMax: settings.chunksMax,
      transfer: async () => {
        const writer = await clients.writer()
        return { source, writer, budget, gate, clock, slots, loggedDigest, onStuck }
      },
      takeOver: async (claim, stop) => (await clients.writer()).takeOver(claim.claim, stop),
      mustStillHold: (claim) => this.#fence.mustStillHold(claim),
    })
    await runRole(role, roleContext(this.#parts, signal))
  }

  async verifier(partitions: () => readonly number[], signal: AbortSignal): Promise<void> {
    const { log, projection, logger, process, clock, settings, onStuck } = this.#parts
    const { clients } = await this.#opened.get()
    const role = createVerifier({
      job: this.#job,
      projection,
      log,
      partitions,
      chunksMax: settings.chunksMax,
      readerName: `${process}.verifier`,
      logger: logger.child({ role: 'verifier', job: this.#job }),
      transfer: async () => ({ reader: await clients.reader(), clock, slots: this.#limits.verifySlots, onStuck }),
    })
    await runRole(role, roleContext(this.#parts, signal))
  }

  async close(): Promise<void> {
    const opened = this.#opened.made()
    if (opened === null) return
    // What could not be opened needs no closing; whoever asked for it has heard why.
    const made = await opened.catch(() => null)
    await made?.clients.close()
  }
}

export function createJobRoles(
  parts: ServeParts,
  limits: SharedLimits,
  fence: Fence,
  job: { readonly name: string; readonly request: JobRequest },
): JobRoles {
  return new RolesOfJob(parts, limits, fence, job.name, job.request)
}
