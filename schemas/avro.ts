// A small typed vocabulary for Avro: one definition gives the Avro schema (committed as .avsc) and the TypeScript type.
// Names of files are `bytes`, never `string`: avsc replaces bad UTF-8 in strings by U+FFFD without a word.
// Times in nanoseconds are decimal strings: they do not fit 2^53, and avsc throws on longs beyond it.

/** What Avro calls bytes; always a Buffer at run time. */
export type Bytes = Buffer
export const noBytes: Bytes = Buffer.alloc(0)

export interface Avro<T> {
  /** JSON form of the schema; a record inside a record is given by name after its first appearance. */
  readonly schema: unknown
  readonly fallback?: unknown
  /** The field came later: bytes of the former schema lack it. */
  readonly isAdded?: boolean
  readonly __type?: T
}

export type TypeOf<A> = A extends Avro<infer T> ? T : never
type Fields = Readonly<Record<string, Avro<unknown>>>
export type RecordOf<F extends Fields> = { readonly [K in keyof F]: TypeOf<F[K]> }

export const string: Avro<string> = { schema: 'string' }
/** Largest long that avsc takes. */
export const longMax = Number.MAX_SAFE_INTEGER - 1
export const boolean: Avro<boolean> = { schema: 'boolean' }
export const int: Avro<number> = { schema: 'int' }
/** Whole numbers from -2^52 (below, avsc writes another number without a word) to 2^53 - 2. */
export const long: Avro<number> = { schema: 'long' }
export const double: Avro<number> = { schema: 'double' }
export const bytes: Avro<Bytes> = { schema: 'bytes' }

/** A field that may be null; null is also what older events give when the field is new. */
export function nullable<T>(inner: Avro<T>): Avro<T | null> {
  return { schema: ['null', inner.schema], fallback: null }
}

/** A field that a schema got after others had been written with it; those read as `fallback`. */
export function added<T>(inner: Avro<T>, fallback: T): Avro<T> {
  return { schema: inner.schema, fallback, isAdded: true }
}

export function list<T>(inner: Avro<T>): Avro<readonly T[]> {
  return { schema: { type: 'array', items: inner.schema } }
}

export function mapOf<T>(inner: Avro<T>): Avro<Readonly<Record<string, T>>> {
  return { schema: { type: 'map', values: inner.schema } }
}

/** A string limited to some words by type only: Avro enums break old readers when a word is added. */
export function word<T extends string>(): Avro<T> {
  return { schema: 'string' }
}

export function record<F extends Fields>(name: string, fields: F): Avro<RecordOf<F>> {
  const list = Object.entries(fields).map(([field, type]) => ({
    name: field,
    type: type.schema,
    ...('fallback' in type ? { default: type.fallback } : {}),
    ...(type.isAdded === true ? { isAdded: true } : {}),
  }))
  return { schema: { type: 'record', name, namespace: 'waybill', fields: list } }
}

const isAddedField = (node: unknown): boolean => typeof node === 'object' && node !== null && 'isAdded' in node

/**
 * The schema as Avro wants it: each named record written out once, by name from then on.
 * @param version `former`: as it was before fields were added to it
 */
export function toAvsc(type: Avro<unknown>, version: 'current' | 'former' = 'current'): unknown {
  const seen = new Set<string>()
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.filter((one) => version === 'current' || !isAddedField(one)).map(walk)
    if (typeof node !== 'object' || node === null) return node
    const entries = node as Record<string, unknown>
    if (entries['type'] === 'record') {
      const name = String(entries['name'])
      if (seen.has(name)) return `waybill.${name}`
      seen.add(name)
    }
    return Object.fromEntries(
      Object.entries(entries)
        .filter(([key]) => key !== 'isAdded')
        .map(([key, value]) => [key, key === 'default' ? value : walk(value)]),
    )
  }
  return walk(type.schema)
}
