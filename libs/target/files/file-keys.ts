// Names and keys on a file system are the same bytes. What a directory tree cannot hold, or what would lead out of it,
// has no key: nothing is ever resolved (`..`) or normalised.
import { WaybillError } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { KeyEncoding } from '../target.ts'

export const reservedName: Bytes = Buffer.from('.waybill')
export const slash = 0x2f
/** NAME_MAX of every file system that is supported; some allow less, which a write then says. */
const segmentBytesMax = 255

/** Why these bytes are no key: a code of the catalogue, or null for a good key. */
export function refusalOf(key: Bytes): 'RESERVED_NAME' | 'KEY_TOO_LONG' | 'TARGET_REFUSED' | null {
  if (key.includes(0)) return 'TARGET_REFUSED'
  let start = 0
  while (start <= key.length) {
    const found = key.indexOf(slash, start)
    const end = found < 0 ? key.length : found
    const length = end - start
    const isDots = length <= 2 && key.subarray(start, end).equals(Buffer.from('..').subarray(0, length))
    if (isDots) return 'TARGET_REFUSED'
    if (length > segmentBytesMax) return 'KEY_TOO_LONG'
    if (start === 0 && key.subarray(start, end).equals(reservedName)) return 'RESERVED_NAME'
    start = end + 1
  }
  return null
}

export interface KeyPlace {
  /** The directory's key; empty for the root. */
  readonly parent: Bytes
  readonly name: Bytes
}

/** Splits a key at its last slash. @throws RESERVED_NAME, KEY_TOO_LONG, TARGET_REFUSED for what is no key (I6). */
export function placeOf(key: Bytes): KeyPlace {
  const refusal = refusalOf(key)
  if (refusal !== null) throw new WaybillError(refusal)
  const last = key.lastIndexOf(slash)
  return last < 0
    ? { parent: Buffer.alloc(0), name: key }
    : { parent: key.subarray(0, last), name: key.subarray(last + 1) }
}

export function joinPath(directory: Bytes, name: Bytes): Bytes {
  if (directory.length === 0) return name
  const path = Buffer.allocUnsafe(directory.length + 1 + name.length)
  directory.copy(path)
  path.writeUInt8(slash, directory.length)
  name.copy(path, directory.length + 1)
  return path
}

export const fileKeys: KeyEncoding = {
  keyOf: (name) => {
    const code = refusalOf(name)
    return code === null ? { key: name } : { code }
  },
  nameOf: (key) => (refusalOf(key) === null ? key : null),
  isEncoded: () => false,
}
