// Avro in the Confluent wire format: 0x00, schema id (4 bytes, big endian), body. Without a registry the ids are those of
// the table below, which only grows; a registry hands out its own and passes them in.
import avsc from 'avsc'
import { toAvsc } from './avro.ts'
import { type EventType, eventRecords, type WaybillEvent } from './events.ts'

/** Never change a number: it stands in logs that people keep. */
export const schemaIds: Readonly<Record<EventType, number>> = {
  JobRequested: 1,
  JobAccepted: 2,
  JobRejected: 3,
  JobPaused: 4,
  JobResumed: 5,
  JobCancelled: 6,
  LimitsChanged: 7,
  RateDecided: 8,
  TargetProbed: 9,
  PassOpened: 10,
  ListingEnded: 11,
  RoundOpened: 12,
  PassCompleted: 13,
  PartitionClaimed: 14,
  ItemsListed: 15,
  UploadOpened: 16,
  PacksPlaced: 17,
  PagePlanned: 18,
  UploadSealed: 19,
  TargetListed: 20,
  DirectoriesFinished: 21,
  ChunkPlanned: 22,
  ChunkLeased: 23,
  ChunkTransferred: 24,
  ChunkVerified: 25,
  ChunkFailed: 26,
  RateGranted: 27,
  WorkerReported: 28,
}

export const eventTypes = Object.keys(schemaIds) as readonly EventType[]

/** Events stay under this size in every log (architecture.md "Topics"). */
export const eventBytesMax = 512 * 1024
/** Longest array accepted on decode: an array of empty things is a bomb of five bytes. */
const headerBytes = 5

const codecs = new Map(eventTypes.map((type) => [type, avsc.Type.forSchema(toAvsc(eventRecords[type]) as avsc.Schema)]))
const typeOfId = new Map(eventTypes.map((type) => [schemaIds[type], type]))

export class WireError extends Error {}

/** Throws when a field does not fit its schema or the event passes 512 KiB. */
export function encodeEvent(event: WaybillEvent): Buffer {
  const codec = codecs.get(event.type)
  if (codec === undefined) throw new WireError(`no schema for ${event.type}`)
  const body = codec.toBuffer(event)
  if (body.length + headerBytes > eventBytesMax) {
    throw new WireError(`${event.type} takes ${body.length} bytes, more than ${eventBytesMax}`)
  }
  const wire = Buffer.allocUnsafe(headerBytes + body.length)
  wire.writeUInt8(0, 0)
  wire.writeUInt32BE(schemaIds[event.type], 1)
  body.copy(wire, headerBytes)
  return wire
}

/** Throws WireError for anything that is not exactly one event of a known schema. */
export function decodeEvent(wire: Buffer): WaybillEvent {
  if (wire.length < headerBytes || wire.readUInt8(0) !== 0) throw new WireError('not in the Confluent wire format')
  if (wire.length > eventBytesMax) throw new WireError(`event of ${wire.length} bytes`)
  const id = wire.readUInt32BE(1)
  const type = typeOfId.get(id)
  if (type === undefined) throw new WireError(`unknown schema id ${id}`)
  const codec = codecs.get(type) as avsc.Type
  try {
    const { value, offset } = codec.decode(wire, headerBytes) as { value: object; offset: number }
    if (offset !== wire.length)
      throw new WireError(`${wire.length - offset} bytes behind a ${type}, or it is cut short`)
    return { type, ...value } as WaybillEvent
  } catch (cause) {
    if (cause instanceof WireError) throw cause
    throw new WireError(`${type} does not decode`, { cause })
  }
}
