// What every log demands of records and positions, whichever adapter keeps them.
import { strict as assert } from 'node:assert'
import { WaybillError } from '#libs/domain/errors'
import { type NewRecord, type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import { type Topic, topics } from '#schemas/events'

export type PartitionCounts = Readonly<Record<Topic, number>>

/** Above any event (512 KiB) with its key; a length beyond it in a file is damage, not a record. */
export const recordBytesMax = 1024 * 1024
export const keyBytesMax = 4096

/** A record outside these limits is a mistake of the program, so nothing of the call is appended. */
export function assertFits(record: NewRecord, counts: PartitionCounts): void {
  const { topic, partition, key, value } = record
  assert(
    Number.isInteger(partition) && partition >= 0 && partition < counts[topic],
    `no partition ${topic}/${partition}`,
  )
  assert(key.length > 0 && key.length <= keyBytesMax, `a key of ${key.length} bytes`)
  assert((value?.length ?? 0) <= recordBytesMax, `a value of ${value?.length} bytes`)
}

export function partitionsOf(counts: PartitionCounts): readonly { topic: Topic; partition: number }[] {
  return topics.flatMap((topic) => Array.from({ length: counts[topic] }, (_, partition) => ({ topic, partition })))
}

/**
 * Records that someone has already read are gone when the log ends before them: a copy that is too old was put in its
 * place. Reading on would leave out what is appended up to there, in silence.
 * @throws WaybillError LOG_DAMAGED
 */
export function assertNotBehind(from: Positions, ends: Positions): void {
  for (const [id, position] of from) {
    const end = ends.get(id) ?? 0
    if (position > end)
      throw new WaybillError('LOG_DAMAGED', { reason: 'records are missing at the end', partition: id, end, position })
  }
}

export function idOf(record: { readonly topic: Topic; readonly partition: number }): PartitionId {
  return partitionId(record.topic, record.partition)
}
