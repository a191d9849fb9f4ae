// Walks encoded bytes by their schema without building anything, before the decoder proper touches them, and after the
// encoder wrote them. It finds what avsc lets pass: counts larger than the bytes that are there (a bomb of a few bytes
// fills the memory), reading behind the end, and text that is not UTF-8 (avsc reads U+FFFD instead, and writes lone
// surrogates as they are). Encoding: Avro 1.12 specification, "Binary encoding".
import { isUtf8 } from 'node:buffer'

interface Cursor {
  readonly bytes: Buffer
  at: number
}

type Walk = (cursor: Cursor) => void

/** What is wrong, in words; the caller adds the event's name. */
export class ShapeError extends Error {}

const strangeKey = 'it holds a map with the key __proto__'
export const notUtf8 = 'it holds text that is not UTF-8'

function byteAt(cursor: Cursor): number {
  const byte = cursor.bytes[cursor.at]
  if (byte === undefined) throw new ShapeError('it is cut short')
  cursor.at += 1
  return byte
}

const varintBytesMax = 10

/** Zigzag varint. Exact up to 2^53; beyond, the decoder refuses it. */
function integer(cursor: Cursor): number {
  let value = 0
  let weight = 1
  for (let index = 0; index < varintBytesMax; index += 1) {
    const byte = byteAt(cursor)
    value += (byte & 0x7f) * weight
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    weight *= 128
  }
  throw new ShapeError('it holds a number that does not end')
}

function skip(cursor: Cursor, length: number): void {
  if (length < 0 || cursor.at + length > cursor.bytes.length) throw new ShapeError('it is cut short')
  cursor.at += length
}

function text(cursor: Cursor): void {
  const length = integer(cursor)
  const start = cursor.at
  skip(cursor, length)
  for (let index = start; index < cursor.at; index += 1) {
    if ((cursor.bytes[index] ?? 0) < 0x80) continue
    if (isUtf8(cursor.bytes.subarray(start, cursor.at))) return
    throw new ShapeError(notUtf8)
  }
}

/** Entries of an array or a map come in blocks; each entry takes at least one byte in all our schemas. */
function blocks(entry: Walk): Walk {
  return (cursor) => {
    for (let count = integer(cursor); count !== 0; count = integer(cursor)) {
      // A negative count is followed by the size of its block, which nobody needs here.
      if (count < 0) integer(cursor)
      const entries = Math.abs(count)
      const left = cursor.bytes.length - cursor.at
      if (entries > left) throw new ShapeError(`it announces ${entries} entries in ${left} bytes`)
      for (let index = 0; index < entries; index += 1) entry(cursor)
    }
  }
}

function union(branches: readonly Walk[]): Walk {
  return (cursor) => {
    const branch = branches[integer(cursor)]
    if (branch === undefined) throw new ShapeError('it holds a union of an unknown branch')
    branch(cursor)
  }
}

const primitives: Readonly<Record<string, Walk>> = {
  null: () => undefined,
  boolean: (cursor) => {
    if (byteAt(cursor) > 1) throw new ShapeError('it holds a boolean that is neither true nor false')
  },
  int: integer,
  long: integer,
  double: (cursor) => skip(cursor, 8),
  bytes: (cursor) => skip(cursor, integer(cursor)),
  string: text,
}

function compile(schema: unknown, named: Map<string, Walk>): Walk {
  if (Array.isArray(schema)) return union(schema.map((branch) => compile(branch, named)))
  if (typeof schema === 'string') {
    const walk = primitives[schema] ?? named.get(schema)
    if (walk === undefined) throw new Error(`unknown Avro type ${schema}`)
    return walk
  }
  const { type, name, fields, items, values } = schema as Readonly<Record<string, unknown>>
  if (type === 'array') return blocks(compile(items, named))
  if (type === 'map') {
    const value = compile(values, named)
    return blocks((cursor) => {
      const start = cursor.at
      text(cursor)
      // avsc sets keys on a plain object, where this one would be lost.
      if (cursor.bytes.toString('latin1', start + 1, cursor.at) === '__proto__') throw new ShapeError(strangeKey)
      value(cursor)
    })
  }
  if (type !== 'record' || !Array.isArray(fields)) throw new Error(`unknown Avro type ${JSON.stringify(type)}`)
  const walks = fields.map((field: { readonly type: unknown }) => compile(field.type, named))
  const walk: Walk = (cursor) => {
    for (const field of walks) field(cursor)
  }
  named.set(`waybill.${String(name)}`, walk)
  return walk
}

/** Returns a check for one schema (as toAvsc gives it): throws ShapeError unless the bytes from `start` are exactly one value. */
export function shapeOf(schema: unknown): (bytes: Buffer, start: number) => void {
  const walk = compile(schema, new Map())
  return (bytes, start) => {
    const cursor: Cursor = { bytes, at: start }
    walk(cursor)
    if (cursor.at !== bytes.length) throw new ShapeError(`${bytes.length - cursor.at} bytes stand behind it`)
  }
}
