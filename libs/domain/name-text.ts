// Names are bytes; this is how people see them. Never used as an identity: use the bytes.

/** Controls, line and paragraph separators, marks that turn the direction of text, invisible and unassigned characters. */
const unsafeCharacter = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
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
 * One line of text that cannot act on a terminal: control and invisible characters, a backslash, and bytes that are not
 * UTF-8 are written `\xHH` or `\u{H}`. Two different names never look the same.
 */
export function showName(bytes: Uint8Array): string {
  let shown = ''
  const units = unitsOf(bytes)
  for (let index = 0; index < units.length; index += 1) shown += showUnit(units[index] ?? 0)
  return shown
}

function showUnit(unit: number): string {
  if (unit >= invalidByte) return hex(unit - invalidByte)
  const character = String.fromCodePoint(unit)
  if (character === '\\') return '\\\\'
  if (!unsafeCharacter.test(character)) return character
  return unit < 0x80 ? hex(unit) : `\\u{${unit.toString(16)}}`
}

/** The same for text that is known to be text (an error of a server, a path that was typed), backslashes left alone. */
export function showText(text: string): string {
  let shown = ''
  for (const character of text) {
    const unit = character.codePointAt(0) ?? 0
    shown += character === '\\' ? character : showUnit(unit)
  }
  return shown
}
