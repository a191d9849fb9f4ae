// Names to keys, one rule, injective and reversible; written out for readers in docs/keys.md, and once more, without any
// of this code, in test/support/keys.py. Names are bytes; keys are valid UTF-8 that every store we know keeps and lists
// unharmed. What needs no escape stays as it is.
import { hash } from 'node:crypto'
import type { Bytes } from '#schemas/avro'
import type { ItemKind } from '#schemas/records'
import type { KeyEncoding } from '../target.ts'

/** Keys of S3 hold at most 1,024 bytes, the prefix included. */
export const keyBytesMax = 1024
/** Stores on file systems make a file or folder of each segment. */
const segmentBytesMax = 255
/** Objects of the probe lie below this segment; no item can have it, since `%probe` is escaped in names. */
export const probeFolder = '%probe/'

const emptySegment = '%empty'
const continued = '%more'
const longFolder = '%long/'
const hashedKey = /^%long\/[0-9a-f]{64}$/

const slash = 0x2f
const percent = 0x25
const dot = 0x2e
const escapes: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
)
/** A percent sign is escaped only where the text behind it would read as one of our own signs. */
const ownSign = /^(?:[0-9A-F]{2}|empty|more|long|probe)/
/** Bytes of the longest sign behind the percent. */
const signBytes = 5
/** Unicode White_Space: MinIO trims it before it looks for dots. */
const dotsInBlanks =
  /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*\.{1,2}[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/
/** Names that are their own keys, whatever the prefix: plain ASCII, no percent, no odd segment; length is looked at apart. */
const plainName = /^[\x20-\x24\x26-\x2e\x30-\x7e]+(?:\/[\x20-\x24\x26-\x2e\x30-\x7e]+)*$/
const dotSegment = /(?:^|[\\/]) *\.{1,2} *(?:[\\/]|$)/

/** Length of the UTF-8 sequence at `at` that may stand in a key; 0 when the byte there has to be escaped. */
function sequenceBytes(name: Bytes, at: number): number {
  const first = name[at] ?? 0
  if (first < 0x20 || first === 0x7f) return 0
  if (first < 0x80) return 1
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  const sequence = name.subarray(at, at + length)
  const text = sequence.toString('utf8')
  // Overlong forms, surrogates, lone bytes and cut sequences do not come back as the same bytes.
  if (sequence.length !== length || !Buffer.from(text, 'utf8').equals(sequence)) return 0
  // XML 1.0 has no U+FFFE and U+FFFF: one of them would make a listing unreadable.
  return text === '\ufffe' || text === '\uffff' ? 0 : length
}

/** Places of dots that stand for a folder or its parent: alone in the segment, or between backslashes, as MinIO sees it. */
function foldingDots(segment: Bytes): ReadonlySet<number> {
  const places = new Set<number>()
  let start = 0
  for (const part of segment.includes('.') ? segment.toString('latin1').split('\\') : []) {
    const end = start + part.length
    if (dotsInBlanks.test(segment.toString('utf8', start, end))) {
      for (let at = start; at < end; at += 1) if (segment[at] === dot) places.add(at)
    }
    start = end + 1
  }
  return places
}

/** The segment as pieces that must not be cut: escapes and whole characters. */
function unitsOf(segment: Bytes): string[] {
  const dots = foldingDots(segment)
  const units: string[] = []
  for (let at = 0; at < segment.length; ) {
    const byte = segment[at] ?? 0
    const isSign = byte === percent && ownSign.test(segment.toString('latin1', at + 1, at + 1 + signBytes))
    const length = isSign || dots.has(at) ? 0 : sequenceBytes(segment, at)
    units.push(length === 0 ? (escapes[byte] ?? '') : segment.toString('utf8', at, at + length))
    at += Math.max(length, 1)
  }
  return units
}

function escaped(unit: string): string {
  const isEscape = unit.length > 1 && unit.startsWith('%')
  return isEscape ? unit : Array.from(Buffer.from(unit, 'utf8'), (byte) => escapes[byte]).join('')
}

/**
 * Cut so that each piece fits a segment. The character behind a cut is escaped, so that no cut sets dots or blanks alone.
 */
function cutSegment(units: readonly string[]): string {
  const pieces: string[] = []
  let rest = units
  while (Buffer.byteLength(rest.join('')) > segmentBytesMax) {
    let bytes = 0
    const end = rest.findIndex((unit) => {
      bytes += Buffer.byteLength(unit)
      return bytes > segmentBytesMax - continued.length
    })
    pieces.push(rest.slice(0, end).join('') + continued)
    rest = rest.slice(end).map((unit, index) => (index === 0 ? escaped(unit) : unit))
  }
  return [...pieces, rest.join('')].join('/')
}

function encodedSegment(segment: Bytes): string {
  if (segment.length === 0) return emptySegment
  const units = unitsOf(segment)
  const whole = units.join('')
  return Buffer.byteLength(whole) <= segmentBytesMax ? whole : cutSegment(units)
}

function segmentsOf(name: Bytes): Bytes[] {
  const segments: Bytes[] = []
  let start = 0
  for (let end = name.indexOf(slash); end >= 0; end = name.indexOf(slash, start)) {
    segments.push(name.subarray(start, end))
    start = end + 1
  }
  return [...segments, name.subarray(start)]
}

function isPlain(name: Bytes): boolean {
  const text = name.toString('latin1')
  if (!plainName.test(text) || dotSegment.test(text)) return false
  return text.length <= segmentBytesMax || text.split('/').every((segment) => segment.length <= segmentBytesMax)
}

/** The key without the job's prefix, its length not yet looked at. */
function encodedName(name: Bytes): Bytes {
  if (isPlain(name)) return name
  return Buffer.from(segmentsOf(name).map(encodedSegment).join('/'), 'utf8')
}

/** @param prefixBytes length of the job's prefix in UTF-8. */
export function createKeyEncoding(prefixBytes: number): KeyEncoding {
  const roomBytes = keyBytesMax - prefixBytes

  const keyOf: KeyEncoding['keyOf'] = (name, kind: ItemKind) => {
    const end = kind === 'directory' ? '/' : ''
    const key = encodedName(name)
    if (key.length + end.length <= roomBytes) {
      return { key: end === '' ? key : Buffer.concat([key, Buffer.from(end)]) }
    }
    const long = Buffer.from(`${longFolder}${hash('sha256', name, 'hex')}${end}`)
    return long.length <= roomBytes ? { key: long } : { code: 'KEY_TOO_LONG' }
  }

  return {
    keyOf,
    nameOf: (key) => {
      if (hashedKey.test(key.toString('latin1'))) return 'hashed'
      const name = nameOfKey(key)
      const encoded = name === null ? null : keyOf(name, 'file')
      // What others wrote may read like a name of ours and yet not be how we write it.
      return encoded !== null && 'key' in encoded && encoded.key.equals(key) ? name : null
    },
    isEncoded: (name) => {
      const encoded = keyOf(name, 'file')
      return !('key' in encoded) || !encoded.key.equals(name)
    },
  }
}

/**
 * The name of a key (without prefix and, for directories, without the last slash); null for the hashed form of long names,
 * whose names stand in the report.
 */
export function nameOfKey(key: Bytes): Bytes | null {
  const text = key.toString('latin1')
  if (text.startsWith(longFolder)) return null
  const segments: string[] = []
  let open = ''
  for (const segment of text.split('/')) {
    if (segment.endsWith(continued)) {
      open += segment.slice(0, -continued.length)
    } else {
      segments.push(segment === emptySegment ? '' : open + segment)
      open = ''
    }
  }
  const decoded = segments.map((segment) =>
    segment.replace(/%([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
  )
  return open === '' ? Buffer.from(decoded.join('/'), 'latin1') : null
}
