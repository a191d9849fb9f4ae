// Values made from the schemas themselves: a full and a bare sample of each event, and arbitrary ones for properties.
import fc from 'fast-check'
import { toAvsc } from '#schemas/avro'
import { type EventType, eventRecords, type WaybillEvent } from '#schemas/events'

type Node = unknown
type Named = Map<string, Node>

interface RecordNode {
  readonly type: 'record' | 'array' | 'map'
  readonly name: string
  readonly fields: readonly { readonly name: string; readonly type: Node }[]
  readonly items: Node
  readonly values: Node
}

function parts(node: Node, named: Named): RecordNode | undefined {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return undefined
  const found = node as RecordNode
  if (found.type === 'record') named.set(`waybill.${found.name}`, found)
  return found
}

/** How each kind of schema becomes a value; one walk serves samples and properties. */
interface Maker<T> {
  readonly primitive: (name: string, path: string) => T
  readonly nullable: (inner: () => T, path: string) => T
  readonly list: (item: (index: number) => T) => T
  readonly map: (value: () => T) => T
  readonly record: (fields: ReadonlyMap<string, T>) => T
}

function make<T>(node: Node, maker: Maker<T>, named: Named, path: string): T {
  if (Array.isArray(node)) return maker.nullable(() => make(node[1], maker, named, path), path)
  const found = parts(node, named)
  if (found === undefined) {
    const name = String(node)
    const earlier = named.get(name)
    return earlier === undefined ? maker.primitive(name, path) : make(earlier, maker, named, path)
  }
  if (found.type === 'array') return maker.list((index) => make(found.items, maker, named, `${path}.${index}`))
  if (found.type === 'map') return maker.map(() => make(found.values, maker, named, `${path}.value`))
  return maker.record(
    new Map(found.fields.map((field) => [field.name, make(field.type, maker, named, `${path}.${field.name}`)])),
  )
}

/** A number that only depends on the path, so that no two fields of a sample hold the same. */
function numberOf(path: string): number {
  let sum = 7
  for (const letter of path) sum = (sum * 31 + letter.charCodeAt(0)) % 1_000_003
  return sum
}

function samplePrimitive(name: string, path: string): unknown {
  switch (name) {
    case 'boolean':
      return true
    case 'int':
      return numberOf(path)
    case 'long':
      return numberOf(path) * 1_000_000_007
    case 'double':
      return numberOf(path) / 8
    case 'bytes':
      return Buffer.from([0xff, 0xfe, ...Buffer.from(path)])
    case 'string':
      return `é ${path}`
    default:
      throw new Error(`no sample of ${name}`)
  }
}

const fullMaker: Maker<unknown> = {
  primitive: samplePrimitive,
  nullable: (inner) => inner(),
  list: (item) => [item(0), item(1)],
  map: (value) => ({ first: value() }),
  record: (fields) => Object.fromEntries(fields),
}

const bareMaker: Maker<unknown> = {
  ...fullMaker,
  primitive: (name) => ({ boolean: false, int: -1, long: 0, double: -0.5, bytes: Buffer.alloc(0), string: '' })[name],
  nullable: () => null,
  list: () => [],
  map: () => ({}),
}

const text = fc.string({ unit: 'binary', maxLength: 40 })

const mapKey = fc.string({ unit: 'binary', minLength: 1, maxLength: 9 }).filter((key) => key !== '__proto__')

const arbitraryMaker: Maker<fc.Arbitrary<unknown>> = {
  primitive: (name) => {
    switch (name) {
      case 'boolean':
        return fc.boolean()
      case 'int':
        return fc.integer()
      case 'long':
        return fc.integer({ min: -(2 ** 52), max: Number.MAX_SAFE_INTEGER - 1 })
      case 'double':
        return fc.double({ noNaN: true })
      case 'bytes':
        return fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
      case 'string':
        return text
      default:
        throw new Error(`no arbitrary of ${name}`)
    }
  },
  nullable: (inner) => fc.option(inner()),
  list: (item) => fc.array(item(0), { maxLength: 5 }),
  map: (value) =>
    fc.dictionary(mapKey, value(), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  record: (fields) => fc.record(Object.fromEntries(fields)),
}

function event(type: EventType, maker: Maker<unknown>): WaybillEvent {
  const value = make(toAvsc(eventRecords[type]), maker, new Map(), type)
  return Object.assign({ type }, value) as WaybillEvent
}

/** Every field set, every list with two entries, names that are not UTF-8. */
export function fullSample(type: EventType): WaybillEvent {
  return event(type, fullMaker)
}

/** Every field null, empty or zero. */
export function bareSample(type: EventType): WaybillEvent {
  return event(type, bareMaker)
}

export function arbitraryEvent(type: EventType): fc.Arbitrary<WaybillEvent> {
  const values = make(toAvsc(eventRecords[type]), arbitraryMaker, new Map(), type)
  return values.map((value) => Object.assign({ type }, value) as WaybillEvent)
}

/** Plain JSON of an event, bytes as `hex:...`: for comparing and for golden files. */
export function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return `hex:${value.toString('hex')}`
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}
