// Taking over partitions: append a claim with the next epoch, fold it, and see whether it stands (rule 1).

import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { PlacedDraft } from '#libs/log/event-writer'
import type { Topic } from '#schemas/events'
import { appendAndFold, type RoleContext } from './role.ts'

export interface Claim {
  readonly topic: Topic
  readonly partition: number
  /** `WHO.TOPIC.PARTITION`: what follows the last dot says whose heir it is (folders of temporary files). */
  readonly claim: string
  readonly epoch: number
}

export interface WantedClaim extends Omit<Claim, 'epoch'> {
  readonly cause: 'start' | 'takeover'
}

type ClaimContext = Pick<RoleContext, 'projection' | 'writer' | 'signal'>

async function standingOf(
  { projection }: ClaimContext,
  wanted: readonly WantedClaim[],
): Promise<readonly ({ readonly claim: string; readonly epoch: number } | undefined)[]> {
  return projection.rows.getMany(wanted.map(({ topic, partition }) => keyOf.partition(topic, partition)))
}

/** Claims each partition once, all in one append, and returns the claims that stand once they are folded. */
export async function tryClaims(context: ClaimContext, wanted: readonly WantedClaim[]): Promise<readonly Claim[]> {
  const before = await standingOf(context, wanted)
  const drafts = wanted.map(({ topic, partition, claim, cause }, index): PlacedDraft => {
    const epoch = (before[index]?.epoch ?? 0) + 1
    return { topic, partition, event: { type: 'PartitionClaimed', job: '', claim, epoch, cause } }
  })
  await appendAndFold(context, drafts, context.signal)
  const after = await standingOf(context, wanted)
  return wanted.flatMap(({ topic, partition, claim }, index) => {
    const row = after[index]
    return row?.claim === claim ? [{ topic, partition, claim, epoch: row.epoch }] : []
  })
}

/** Tries before a claim that others win again and again is given up. */
const claimTriesMax = 5

/** Claims one partition and returns once the claim stands. Throws JOB_HELD when others keep winning. */
export async function claimPartition(context: ClaimContext, wanted: WantedClaim): Promise<Claim> {
  for (let tries = 0; tries < claimTriesMax; tries += 1) {
    const [claim] = await tryClaims(context, [wanted])
    if (claim !== undefined) return claim
  }
  throw new WaybillError('JOB_HELD', { topic: wanted.topic, partition: wanted.partition })
}
