// Where a bucket is reached, and how keys are written in requests.
import type { Bytes } from '#schemas/avro'

export interface Address {
  /** `https://host:port` */
  readonly origin: string
  /** As signed and sent. */
  readonly host: string
  /** What stands before `/key`: `/bucket` in path style, else empty. */
  readonly base: string
  readonly bucket: string
  readonly region: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
  /** What stands before an encoded key in paths: base, slash, encoded prefix. */
  readonly keyBase: string
}

const plainKey = /^[A-Za-z0-9\-._~/]*$/

/** RFC 3986 unreserved bytes and the slash stay, all others become %XX: the form that S3 signs, sent as it is. */
const encodedBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  return plainKey.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
})

export function encodedKey(key: Bytes): string {
  const text = key.toString('latin1')
  if (plainKey.test(text)) return text
  let encoded = ''
  for (const byte of key) encoded += encodedBytes[byte] ?? ''
  return encoded
}

/** The same for one value of a query, where the slash is escaped too. */
export function encodedValue(value: string): string {
  return encodedKey(Buffer.from(value, 'utf8')).replaceAll('/', '%2F')
}

/** @param key without the job's prefix; null: the bucket itself. */
export function pathOf(address: Address, key: Bytes | null): string {
  if (key === null) return address.base === '' ? '/' : address.base
  return address.keyBase + encodedKey(key)
}

/** The whole key as the SDK takes it. Keys are valid UTF-8 (keys.ts). */
export function fullKey(address: Address, key: Bytes): string {
  return address.prefix + key.toString('utf8')
}
