// What every effect of the coordinator works with.

import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { PartitionLoad } from '#libs/domain/placement'
import type { PlacedDraft } from '#libs/log/event-writer'
import type { ItemContext } from '#libs/projection/item-reader'
import type { Projection } from '#libs/projection/projection'
import type { Claim } from '#libs/runtime/claims'
import type { Logger } from '#libs/runtime/logger'
import type { Source, SourceEntry } from '#libs/source/source'
import type { KeyEncoding, TargetSurvey, TargetUploads } from '#libs/target/target'
import type { Draft, EventType } from '#schemas/events'
import type { JobRow } from '#schemas/rows'

/** A process that holds partitions of chunks. */
export interface Claimant {
  readonly name: string
  readonly partitions: readonly number[]
}

export interface CoordinatorContext {
  readonly job: string
  readonly projection: Projection
  readonly items: ItemContext
  readonly source: Source
  readonly keys: KeyEncoding
  readonly survey: TargetSurvey
  /** Made once the probe's result is folded. */
  readonly uploads: () => Promise<TargetUploads>
  readonly jobs: Claim
  readonly listings: Claim
  /** Who may be given work; nobody: planning waits. */
  readonly claimants: () => Promise<readonly Claimant[]>
  /** The job's selection: filters, sizes, ages, --files-from. */
  readonly selects: (entry: SourceEntry) => boolean
  readonly logger: Logger
}

type Bare<K extends EventType> = { [T in K]: Omit<Extract<Draft, { type: T }>, 'job' | 'claim' | 'epoch'> }[K]
type JobFact =
  | 'JobAccepted'
  | 'JobRejected'
  | 'TargetProbed'
  | 'PassOpened'
  | 'ListingEnded'
  | 'RoundOpened'
  | 'PassCompleted'
type ListingFact =
  | 'ItemsListed'
  | 'UploadOpened'
  | 'PacksPlaced'
  | 'PagePlanned'
  | 'UploadSealed'
  | 'TargetListed'
  | 'DirectoriesFinished'

type Owner = Pick<CoordinatorContext, 'job' | 'jobs' | 'listings'>

export function onJobs({ job, jobs }: Owner, event: Bare<JobFact>): PlacedDraft {
  const draft = { ...event, job, claim: jobs.claim, epoch: jobs.epoch } as Draft
  return { topic: 'jobs', partition: jobs.partition, event: draft }
}

export function onListings({ job, listings }: Owner, event: Bare<ListingFact>): PlacedDraft {
  const draft = { ...event, job, claim: listings.claim, epoch: listings.epoch } as Draft
  return { topic: 'listings', partition: listings.partition, event: draft }
}

/** What the claimants' partitions still owe. */
export async function loadsOf({
  claimants,
  projection,
}: Pick<CoordinatorContext, 'claimants' | 'projection'>): Promise<readonly PartitionLoad[]> {
  const held = (await claimants()).flatMap(({ name, partitions }) =>
    partitions.map((partition) => ({ claimant: name, partition })),
  )
  const rows = await projection.rows.getMany(held.map(({ partition }) => keyOf.load(partition)))
  return held.map((each, index) => ({ ...each, chunks: 0, bytes: 0, ...rows[index] }))
}

/** The job's row; effects run only for accepted jobs, so its absence is a mistake of ours. */
export async function jobRowOf({ projection, job }: Pick<CoordinatorContext, 'projection' | 'job'>): Promise<JobRow> {
  const row = await projection.rows.get(keyOf.job(job))
  if (row === undefined) throw new WaybillError('JOB_UNKNOWN', { job })
  return row
}
