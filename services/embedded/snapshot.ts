// How far a run is, from a few rows of the state.

import { keyOf } from '#libs/domain/keys'
import { limitOf, phaseOf } from '#libs/domain/phase'
import { rateSourceOf } from '#libs/domain/rate'
import { emptyListing, emptyTally } from '#libs/domain/rows'
import { finalOutcomes, pendingOf } from '#libs/domain/tally'
import type { Projection } from '#libs/projection/projection'
import type { Outcome } from '#schemas/records'
import type { ProgressSnapshot } from './progress-snapshot.ts'

/** null until the job is accepted. @param targetLimit what the target's answers say limits the run; null: nothing. */
export async function snapshotOf(
  projection: Pick<Projection, 'rows'>,
  name: string,
  targetLimit: string | null,
): Promise<ProgressSnapshot | null> {
  const { rows } = projection
  const job = await rows.get(keyOf.job(name))
  if (job === undefined) return null
  const listing = (await rows.get(keyOf.listing(name, job.pass))) ?? emptyListing
  const tally = (await rows.get(keyOf.tally(name))) ?? emptyTally
  const rate = await rows.get(keyOf.rate(rateSourceOf(job.request.source)))
  const pending = pendingOf(tally)
  const entries = finalOutcomes.map((outcome) => [outcome, tally[outcome].items] as const)
  const items = Object.fromEntries([...entries, ['pending', pending.items]]) as Record<Outcome, number>
  return {
    job: name,
    pass: job.pass,
    phase: phaseOf(job, listing, tally),
    isTotalKnown: job.lastPage !== null,
    totalItems: tally.listed.items,
    totalBytes: tally.listed.bytes - tally.skipped.bytes,
    copiedBytes: tally.bytesTransferred,
    verifiedBytes: tally.bytesVerified,
    mismatches: tally.mismatched.items + tally.missing.items,
    items,
    chunks: {
      planned: tally.chunksPlanned,
      done: tally.chunksVerified + tally.chunksFailed,
      inFlight: tally.chunksLeased,
      retrying: tally.owed,
    },
    limitedBy: limitOf(job, rate, targetLimit),
    stoppedBecause: job.control === 'running' ? null : `${job.control}: ${job.controlReason}`,
  }
}
