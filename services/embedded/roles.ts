// The roles of one process, wired to its ports and started together.
import type { Wish } from '#libs/domain/decide-coordinator'
import { createLoggedDigests } from '#libs/projection/logged-digests'
import type { Clients } from '#libs/runtime/clients'
import { type RoleContext, runRole } from '#libs/runtime/role'
import { watchSignals } from '#libs/source/signal-watch'
import { createByteBudget } from '#libs/transfer/byte-budget'
import { createReadGate } from '#libs/transfer/read-gate'
import { createRequestSlots } from '#libs/transfer/request-slots'
import { createCoordinator } from '../coordinator/coordinator.ts'
import { createGranter } from '../coordinator/granting.ts'
import { createVerifier } from '../verifier/verifier.ts'
import { createWorker } from '../worker/worker.ts'
import type { Claims, MigrationOptions } from './migration.ts'

export interface RolePlaces {
  readonly options: MigrationOptions
  readonly context: RoleContext
  readonly claims: Claims
  readonly clients: Clients
  readonly aim: { readonly wish: Wish; readonly round: number; readonly pass: number }
}

function coordinatorOf({ options, context, claims, clients, aim }: RolePlaces): ReturnType<typeof createCoordinator> {
  const { job, log, source, logger } = options
  const { projection } = context
  return createCoordinator({
    job,
    projection,
    items: { rows: projection.rows, log, job },
    source,
    keys: options.target.keys,
    survey: clients.survey,
    uploads: clients.uploads,
    jobs: claims.jobs,
    listings: claims.listings,
    claimants: () =>
      Promise.resolve([{ name: options.process, partitions: claims.chunks.map(({ partition }) => partition) }]),
    selects: options.selects,
    logger: logger.child({ role: 'coordinator' }),
    wish: aim.wish,
    wishedPass: aim.pass,
    wishedRound: aim.round,
    actor: options.actor,
  })
}

function workerOf({ options, context, claims, clients }: RolePlaces): ReturnType<typeof createWorker> {
  const { job, log, source, clock, random, logger, chunksMax, onBytes } = options
  const slots = createRequestSlots(options.requestsMax)
  const budget = createByteBudget(options.memoryBytes)
  const gate = createReadGate(clock)
  const loggedDigest = createLoggedDigests({ rows: context.projection.rows, log, job })
  return createWorker({
    job,
    worker: options.process,
    projection: context.projection,
    log,
    claims: () => claims.chunks,
    jobsPartition: claims.jobs.partition,
    ratesPartition: claims.rates.partition,
    clock,
    random,
    logger: logger.child({ role: 'worker' }),
    chunksMax,
    transfer: async () => {
      const writer = await clients.writer()
      return { source, writer, budget, gate, clock, slots, loggedDigest, onBytes }
    },
    takeOver: async (claim, signal) => (await clients.writer()).takeOver(claim.claim, signal),
    // The job's lock is the fence: while this process has it, no other one writes.
    mustStillHold: () => undefined,
  })
}

function verifierOf({ options, context, claims, clients }: RolePlaces): ReturnType<typeof createVerifier> {
  const { job, log, clock, logger, chunksMax, onBytes } = options
  const slots = createRequestSlots(options.requestsMax)
  return createVerifier({
    job,
    projection: context.projection,
    log,
    partitions: () => claims.chunks.map(({ partition }) => partition),
    chunksMax,
    readerName: `${options.process}.verifier`,
    logger: logger.child({ role: 'verifier' }),
    transfer: async () => ({
      reader: await clients.reader(),
      clock,
      slots,
      onBytes: (bytes) => onBytes('verified', bytes),
    }),
  })
}

/** The granter, and the watch over the signals that it hears. */
function protectSource({ options, context, claims }: RolePlaces): readonly Promise<void>[] {
  const { projection, clock, signal } = context
  const { protection, logger } = options
  // One job, one source: whatever it is called, the signals are its own.
  const only = 'source'
  const signals = new Map([[only, protection?.signals ?? []]])
  const measured = protection?.measuredPeakBytesPerSecond ?? null
  const watch = watchSignals({ signals, clock, logger: logger.child({ role: 'granter' }) })
  const granter = createGranter({
    projection,
    clock,
    jobs: claims.jobs,
    rates: claims.rates,
    partitionCount: 1,
    rules: protection?.rules,
    knowledge: {
      levels: () => watch.levels(only),
      peak: () => (measured === null ? null : { bytesPerSecond: measured, isMeasured: true }),
    },
  })
  const granting = runRole(granter, context)
  return signals.get(only)?.length === 0 ? [granting] : [granting, watch.run(signal)]
}

/** Each promise ends when its role does: the signal of the context aborted, or an effect ended the run. */
export function startRoles(places: RolePlaces): readonly Promise<void>[] {
  const { options, context } = places
  const reading = [runRole(coordinatorOf(places), context), runRole(verifierOf(places), context)]
  // A verification moves nothing: no worker, no grants.
  if (options.aim === 'verify') return reading
  return [...reading, runRole(workerOf(places), context), ...protectSource(places)]
}
