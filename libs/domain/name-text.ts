// Names are bytes; this is how people see them. Never used as an identity: use the bytes.

/** Controls, separators, marks that turn the direction of text, invisible, unassigned and blank characters but the space. */
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}|\u2800/u

const encoder = new TextEncoder()

function percentEscaped(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

/** Length of the valid UTF-8 sequence at `start`, 0 when there is none (RFC 3629). */
function sequenceLength(bytes: Uint8Array, start: number): number {
  const first = bytes[start] ?? 0
  if (first < 0x80) return 1
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  if (first < 0xc2 || first > 0xf4 || start + length > bytes.length) return 0
  for (let offset = 1; offset < length; offset += 1) {
    if (((bytes[start + offset] ?? 0) & 0xc0) !== 0x80) return 0
  }
  const second = bytes[start + 1] ?? 0
  const isOverlong = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90)
  const isSurrogate = first === 0xed && second > 0x9f
  const isBeyond = first === 0xf4 && second > 0x8f
  return isOverlong || isSurrogate || isBeyond ? 0 : length
}

/** The code points of a name; each byte that is not part of valid UTF-8 stands alone as `invalidByte + byte`. */
export const invalidByte = 0x11_0000

/** Code points of valid UTF-8, and single bytes (shifted beyond all code points) where it is not. */
export function unitsOf(bytes: Uint8Array): ArrayLike<number> {
  if (bytes.every((byte) => byte < 0x80)) return bytes
  const units: number[] = []
  for (let index = 0; index < bytes.length; ) {
    const length = sequenceLength(bytes, index)
    const first = bytes[index] ?? 0
    if (length === 0) {
      units.push(invalidByte + first)
      index += 1
      continue
    }
    let point = length === 1 ? first : first & (0xff >> (length + 1))
    for (let offset = 1; offset < length; offset += 1) point = (point << 6) | ((bytes[index + offset] ?? 0) & 0x3f)
    units.push(point)
    index += length
  }
  return units
}

/**
 * One line of text that cannot act on a terminal: what cannot be seen, `%`, and bytes that are not UTF-8 are written
 * `%HH`, byte by byte. Two different names never look the same; percent-decoding gives the bytes back.
 */
export function showName(bytes: Uint8Array): string {
  let shown = ''
  const units = unitsOf(bytes)
  for (let index = 0; index < units.length; index += 1) {
    const unit = units[index] ?? 0
    shown += unit === percent ? '%25' : showUnit(unit)
  }
  return shown
}

const percent = 0x25

function showUnit(unit: number): string {
  if (unit >= invalidByte) return percentEscaped(Uint8Array.of(unit - invalidByte))
  const character = String.fromCodePoint(unit)
  return unseen.test(character) ? percentEscaped(encoder.encode(character)) : character
}

/** The same for text that is known to be text (an error of a server, a path that was typed); `%` is left alone. */
export function showText(text: string): string {
  let shown = ''
  for (const character of text) shown += showUnit(character.codePointAt(0) ?? 0)
  return shown
}

/** The bytes of a name that was written by `showName`; null when a `%` is not followed by two hex digits. */
export function readShownName(shown: string): Uint8Array | null {
  const bytes: number[] = []
  for (let index = 0; index < shown.length; ) {
    const point = shown.codePointAt(index) ?? 0
    if (point === percent) {
      const hex = shown.slice(index + 1, index + 3)
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) return null
      bytes.push(Number.parseInt(hex, 16))
      index += 3
    } else {
      const character = String.fromCodePoint(point)
      bytes.push(...encoder.encode(character))
      index += character.length
    }
  }
  return Uint8Array.from(bytes)
}
