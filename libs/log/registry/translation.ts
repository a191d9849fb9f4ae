// From the bytes of a registry's schema to those of the repository's. Same schema: only the number differs. Another version
// of the same record: read with that schema, resolved to ours (Avro 1.12 specification, "Schema Resolution") and encoded
// again. All else cannot be read, and is marked with the reason. A resolver is made once for each number.
import avsc from 'avsc'
import { toAvsc } from '#schemas/avro'
import { type EventType, eventRecords, type WaybillEvent } from '#schemas/events'
import { unreadable } from '#schemas/unreadable'
import { encodeEvent, eventBytesMax, eventTypes, schemaIds, WireError } from '#schemas/wire'
import { ShapeError, shapeOf } from '#schemas/wire-shape'
import type { FoundSchema } from './schema-registry.ts'

export const headerBytes = 5

export type Translation =
  /** The repository's number stands in place of the registry's. */
  | { readonly kind: 'renumber'; readonly id: number }
  /** Returns the record in the repository's form, or marked as unreadable. */
  | { readonly kind: 'rewrite'; readonly rewrite: (record: Buffer) => Buffer }

type Ours = { readonly event: EventType; readonly avro: avsc.Type }

/** By full name, `waybill.ChunkPlanned`. */
const ours: ReadonlyMap<string, Ours> = new Map(
  eventTypes.map((event) => {
    const schema = toAvsc(eventRecords[event]) as avsc.Schema
    return [subjectOf(event), { event, avro: avsc.Type.forSchema(schema, { omitRecordMethods: true }) }]
  }),
)

/** A subject is called as its record. */
export function subjectOf(event: EventType): string {
  return `waybill.${event}`
}

export function schemaOfEvent(event: EventType): unknown {
  return toAvsc(eventRecords[event])
}

const refusing = (reason: string): Translation => ({
  kind: 'rewrite',
  rewrite: (record) => unreadable(reason, record),
})

/** avsc writes full names; the shape check wants records of our namespace by their own. */
function withOwnNames(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withOwnNames)
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => {
    const isOwnName = key === 'name' && 'fields' in schema && typeof value === 'string'
    return [key, isOwnName ? value.replace(/^waybill\./, '') : withOwnNames(value)]
  })
  return Object.fromEntries(entries)
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function rewriterOf(id: number, { event, avro }: Ours, theirs: avsc.Type): Translation {
  const resolver = avro.createResolver(theirs)
  const checkShape = shapeOf(withOwnNames(theirs.schema()))
  const rewrite = (record: Buffer): Buffer => {
    try {
      if (record.length > eventBytesMax) throw new WireError(`an event of ${record.length} bytes`)
      checkShape(record, headerBytes)
      const { value } = avro.decode(record, headerBytes, resolver) as { readonly value: object }
      return encodeEvent({ type: event, ...value } as WaybillEvent)
    } catch (error) {
      const isOfRecord = error instanceof WireError || error instanceof ShapeError
      const reason = isOfRecord ? error.message : 'it does not decode'
      return unreadable(`${event} of schema id ${id} cannot be read: ${reason}`, record)
    }
  }
  return { kind: 'rewrite', rewrite }
}

/** What is done with records of the registry's schema `id`. */
export function translationOf(id: number, found: FoundSchema): Translation {
  if (found.kind === 'unknown') return refusing(`unknown schema id ${id}`)
  if (found.kind === 'unusable') return refusing(`schema id ${id} cannot be used: ${found.reason}`)
  try {
    const theirs = avsc.Type.forSchema(found.schema as avsc.Schema)
    const known = ours.get(theirs.name ?? '')
    if (known === undefined) return refusing(`schema id ${id} is of ${theirs.name ?? theirs.typeName}, no event`)
    if (known.avro.equals(theirs)) return { kind: 'renumber', id: schemaIds[known.event] }
    return rewriterOf(id, known, theirs)
  } catch (error) {
    return refusing(`schema id ${id} is no version that can be read: ${reasonOf(error)}`)
  }
}

/** Number of the record's schema; null for what is not in the Confluent wire format. */
export function schemaIdOf(record: Buffer | null): number | null {
  return record !== null && record.length >= headerBytes && record[0] === 0 ? record.readUInt32BE(1) : null
}
