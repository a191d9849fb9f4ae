// The one order of names: raw bytes, directories as `name/`, so that a directory stands right before what is in it.
import type { Bytes } from '#schemas/avro'
import type { ItemKind } from '#schemas/records'

const slash = '/'.charCodeAt(0)

/** What a name is sorted by. */
export function orderOf(name: Bytes, kind: ItemKind): Bytes {
  if (kind !== 'directory') return name
  const order = Buffer.allocUnsafe(name.length + 1)
  name.copy(order)
  order[name.length] = slash
  return order
}

export function compareOrder(a: Bytes, b: Bytes): number {
  return Buffer.compare(a, b)
}
