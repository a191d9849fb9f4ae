// Rows as bytes in the state store. The store can always be rebuilt, so the form may change with `rowFormat`.
import avsc from 'avsc'
import { toAvsc } from './avro.ts'
import { type RowKind, type RowOf, rowRecords } from './rows.ts'

/** A store of another format is rebuilt from the log. */
export const rowFormat = 4

const kinds = Object.keys(rowRecords) as readonly RowKind[]
const codecs = new Map(kinds.map((kind) => [kind, avsc.Type.forSchema(toAvsc(rowRecords[kind]) as avsc.Schema)]))

function codecOf(kind: RowKind): avsc.Type {
  const codec = codecs.get(kind)
  if (codec === undefined) throw new Error(`no row of kind ${kind}`)
  return codec
}

export function encodeRow<K extends RowKind>(kind: K, row: RowOf<K>): Buffer {
  return codecOf(kind).toBuffer(row)
}

export function decodeRow<K extends RowKind>(kind: K, bytes: Buffer): RowOf<K> {
  return codecOf(kind).fromBuffer(bytes) as RowOf<K>
}
