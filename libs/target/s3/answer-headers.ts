// Headers of an answer as text. undici hands them out as bytes in a buffer that is used again. Turning a dozen of them into
// text costs 8 us, so a lean request gets only those that somebody here reads.
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>

/** What lean requests read. */
const leanNames = [
  'content-length',
  'content-range',
  'date',
  'etag',
  'server',
  'x-amz-bucket-region',
  'x-amz-meta-waybill',
  'x-amz-meta-waybill-kind',
  'x-amz-version-id',
] as const

const leanByLength: readonly (readonly string[] | undefined)[] = leanNames.reduce<string[][]>((byLength, name) => {
  byLength[name.length] = [...(byLength[name.length] ?? []), name]
  return byLength
}, [])

const lowerCaseBit = 0x20

/** Letters in either case, digits and hyphens have that bit, or get it without becoming another one's. */
function isNamed(raw: Uint8Array, name: string): boolean {
  for (let at = 0; at < name.length; at += 1) {
    if (((raw[at] ?? 0) | lowerCaseBit) !== name.charCodeAt(at)) return false
  }
  return true
}

function leanName(raw: Uint8Array): string | null {
  for (const name of leanByLength[raw.length] ?? []) if (isNamed(raw, name)) return name
  return null
}

/** @param raw name, value, name, value. A name that comes more than once has all its values. */
export function readHeaders(raw: readonly Buffer[], reads: 'all' | 'lean'): AnswerHeaders {
  // A name from outside may be that of a property which every other object has.
  const headers: Record<string, string | string[]> = reads === 'lean' ? {} : Object.create(null)
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name, value] = [raw[at], raw[at + 1]]
    if (name === undefined || value === undefined) continue
    const known = reads === 'lean' ? leanName(name) : name.toString('latin1').toLowerCase()
    if (known === null) continue
    const text = value.toString('latin1')
    const before = headers[known]
    headers[known] = before === undefined ? text : [before, text].flat()
  }
  return headers
}
