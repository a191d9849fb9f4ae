// Names are bytes. For people they are shown with everything that cannot be seen, or that moves what stands around it,
// percent-escaped byte by byte: control characters, blanks other than the plain one, direction marks, joiners, characters
// of no meaning, bytes that are not UTF-8. `%` itself is escaped, so two names never look the same to a program, and
// percent-decoding gives the bytes back.

const unseen = /[%\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}|\u2800/u

const escaped = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')

const plain = /^[ !-$&-~]*$/
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The name with what cannot be seen percent-escaped; reversible. */
export function displayName(name: Buffer): string {
  const ascii = name.toString('latin1')
  if (plain.test(ascii)) return ascii
  let shown = ''
  for (let at = 0; at < name.length; ) {
    const length = sequenceLength(name[at] ?? 0)
    const sequence = name.subarray(at, at + length)
    const character = characterOf(sequence)
    if (character === null) {
      shown += escaped(sequence.subarray(0, 1))
      at += 1
    } else {
      shown += unseen.test(character) ? escaped(sequence) : character
      at += length
    }
  }
  return shown
}

/** How many bytes a character takes that starts with this byte (RFC 3629). */
function sequenceLength(first: number): number {
  if (first < 0xc0) return 1
  if (first < 0xe0) return 2
  return first < 0xf0 ? 3 : 4
}

function characterOf(sequence: Buffer): string | null {
  try {
    return decoder.decode(sequence)
  } catch {
    // Not UTF-8: an expected answer, the caller shows the bytes.
    return null
  }
}

/** `displayName` of a name in base64. */
export function displayBase64(name: string): string {
  return displayName(Buffer.from(name, 'base64'))
}
