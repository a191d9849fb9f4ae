// Taking over partitions: append a claim with the next epoch, fold it, and see whether it stands (rule 1).

import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { Draft, Topic } from '#schemas/events'
import { appendAndFold, type RoleContext } from './role.ts'

export interface Claim {
  readonly topic: Topic
  readonly partition: number
  readonly claim: string
  readonly epoch: number
}

/** Tries before a claim that others win again and again is given up. */
const claimTriesMax = 5

/** Claims one partition and returns once the claim stands. Throws JOB_HELD when others keep winning. */
export async function claimPartition(
  context: Pick<RoleContext, 'projection' | 'writer' | 'signal'>,
  wanted: {
    readonly topic: Topic
    readonly partition: number
    readonly claim: string
    readonly cause: 'start' | 'takeover'
  },
): Promise<Claim> {
  const { topic, partition, claim, cause } = wanted
  const key = keyOf.partition(topic, partition)
  for (let tries = 0; tries < claimTriesMax; tries += 1) {
    const standing = await context.projection.rows.get(key)
    const epoch = (standing?.epoch ?? 0) + 1
    const event: Draft<'PartitionClaimed'> = { type: 'PartitionClaimed', job: '', claim, epoch, cause }
    await appendAndFold(context, [{ topic, partition, event }], context.signal)
    const row = await context.projection.rows.get(key)
    if (row?.claim === claim) return { topic, partition, claim, epoch: row.epoch }
  }
  throw new WaybillError('JOB_HELD', { topic, partition })
}
