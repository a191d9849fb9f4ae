// Avro in the Confluent wire format: 0x00, schema id (4 bytes, big endian), body. Without a registry the ids are those of
// the table below, which only grows; a registry hands out its own and passes them in.
import avsc from 'avsc'
import { toAvsc } from './avro.ts'
import { type EventType, eventRecords, type WaybillEvent } from './events.ts'
import { reasonOfUnreadable } from './unreadable.ts'
import { notUtf8, ShapeError, shapeOf } from './wire-shape.ts'

/** Never change a number: it stands in logs that people keep. */
export const schemaIds: Readonly<Record<EventType, number>> = {
  JobRequested: 29,
  JobAccepted: 30,
  JobRejected: 3,
  JobPaused: 4,
  JobResumed: 5,
  JobCancelled: 6,
  LimitsChanged: 31,
  RateDecided: 32,
  TargetProbed: 9,
  PassOpened: 10,
  ListingEnded: 11,
  RoundOpened: 12,
  PassCompleted: 34,
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
  WorkerReported: 33,
}

/** Ids under which events were written before fields were added to them; read for ever, written no more. */
export const formerSchemaIds: Readonly<Partial<Record<EventType, number>>> = {
  JobRequested: 1,
  JobAccepted: 2,
  LimitsChanged: 7,
  RateDecided: 8,
  PassCompleted: 13,
  WorkerReported: 28,
}

export const eventTypes = Object.keys(schemaIds) as readonly EventType[]

/** Events stay under this size in every log (docs/events.md). */
export const eventBytesMax = 512 * 1024
const headerBytes = 5

interface Codec {
  readonly avro: avsc.Type
  readonly checkShape: (bytes: Buffer, start: number) => void
}

function codecOf(type: EventType): Codec {
  const schema = toAvsc(eventRecords[type])
  return { avro: avsc.Type.forSchema(schema as avsc.Schema, { omitRecordMethods: true }), checkShape: shapeOf(schema) }
}

const codecs = new Map(eventTypes.map((type) => [type, codecOf(type)]))

/** How bytes of one schema id become an event as it is now. */
interface Reader {
  readonly type: EventType
  readonly avro: avsc.Type
  readonly checkShape: Codec['checkShape']
  /** Gives the fields that the id's schema lacks. */
  readonly resolver: Parameters<avsc.Type['decode']>[2]
}

function formerReader(type: EventType, current: Codec): Reader {
  const schema = toAvsc(eventRecords[type], 'former')
  const former = avsc.Type.forSchema(schema as avsc.Schema, { omitRecordMethods: true })
  const resolver = current.avro.createResolver(former)
  return { type, avro: current.avro, checkShape: shapeOf(schema), resolver }
}

const readers = new Map(
  [...codecs].flatMap(([type, codec]): (readonly [number, Reader])[] => {
    const former = formerSchemaIds[type]
    const current = [schemaIds[type], { type, ...codec, resolver: undefined }] as const
    return former === undefined ? [current] : [current, [former, formerReader(type, codec)] as const]
  }),
)

/** Bytes that are no event, or an event that makes no bytes. */
export class WireError extends Error {}

function shapeFault(type: EventType, error: unknown): never {
  if (error instanceof ShapeError) throw new WireError(`${type} is not whole: ${error.message}`)
  throw error
}

/** The first field that does not fit, as `items.3.name`; values stay out of messages, since names may be private. */
function firstFault(codec: Codec, event: WaybillEvent): string {
  let fault = ''
  codec.avro.isValid(event, {
    errorHook: (path, value, type) => {
      fault ||= `${path.join('.')} is ${value === null ? 'null' : typeof value}, not ${type.typeName}`
    },
  })
  return fault
}

/** What avsc makes of a lone surrogate in a long text; a legitimate U+FFFD looks the same and is looked at again. */
const replacement = Buffer.from('\ufffd')

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return true
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWellFormed(inner))
}

/** Throws WireError when a field does not fit its schema (naming it), text is not well formed, or the event passes 512 KiB. */
export function encodeEvent(event: WaybillEvent): Buffer {
  const codec = codecs.get(event.type)
  if (codec === undefined) throw new WireError(`no schema for ${event.type}`)
  let body: Buffer
  try {
    body = codec.avro.toBuffer(event)
  } catch (cause) {
    throw new WireError(`${event.type} does not fit its schema: ${firstFault(codec, event)}`, { cause })
  }
  if (body.length + headerBytes > eventBytesMax) {
    throw new WireError(`${event.type} takes ${body.length + headerBytes} bytes, more than ${eventBytesMax}`)
  }
  try {
    codec.checkShape(body, 0)
    if (body.includes(replacement) && !isWellFormed(event)) throw new ShapeError(notUtf8)
  } catch (error) {
    shapeFault(event.type, error)
  }
  const wire = Buffer.allocUnsafe(headerBytes + body.length)
  wire.writeUInt8(0, 0)
  wire.writeUInt32BE(schemaIds[event.type], 1)
  body.copy(wire, headerBytes)
  return wire
}

/** Throws WireError for anything that is not exactly one event of a known schema. */
export function decodeEvent(wire: Buffer): WaybillEvent {
  const reason = reasonOfUnreadable(wire)
  if (reason !== null) throw new WireError(reason)
  if (wire.length < headerBytes || wire.readUInt8(0) !== 0) throw new WireError('not in the Confluent wire format')
  if (wire.length > eventBytesMax) throw new WireError(`an event of ${wire.length} bytes, more than ${eventBytesMax}`)
  const id = wire.readUInt32BE(1)
  const reader = readers.get(id)
  if (reader === undefined) throw new WireError(`unknown schema id ${id}`)
  const { type, avro, resolver } = reader
  try {
    reader.checkShape(wire, headerBytes)
  } catch (error) {
    shapeFault(type, error)
  }
  try {
    const { value } = avro.decode(wire, headerBytes, resolver) as { value: object }
    return { type, ...value } as WaybillEvent
  } catch (cause) {
    throw new WireError(`${type} does not decode`, { cause })
  }
}

/** The event, or null for a record that is poison: for those who read past the fold, which tells of it. */
export function eventIn(record: { readonly value: Buffer | null }): WaybillEvent | null {
  if (record.value === null) return null
  try {
    return decodeEvent(record.value)
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}
