// What the log says of one chunk over its whole life: attempts, failures, readings. The rows keep the last of each only.
import type { EventLog } from '#libs/log/event-log'
import type { Proof } from '#schemas/records'
import { decodeEvent } from '#schemas/wire'

/** The reading at a position; null when no reading stands there. */
export async function readProof(log: EventLog, partition: number, position: number): Promise<Proof | null> {
  const record = await log.readAt('chunks', partition, position)
  if (record?.value == null) return null
  const event = decodeEvent(record.value)
  return event.type === 'ChunkVerified' || event.type === 'ChunkFailed' ? event.proof : null
}
