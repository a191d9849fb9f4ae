// One page of a listing, past the SDK: a bucket is listed whole at the end of every pass, and the SDK takes 40 us of
// processor time an object for it. It asks for url-encoded keys, so that no character can break the XML, and decodes only when
// the answer says that it did so: versitygw ignores the wish. Pages start behind a key and not at a store's token, so that a
// listing goes on after a restart; the probe finds stores that list in another order than that of the bytes.
//
// The answer is no XML to us but a text of which a few elements are taken; what is not whole is an error.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
import { WaybillError } from '#libs/domain/errors'
import { encodedValue } from './address.ts'
import type { RoleContext } from './writer.ts'

export const pageKeysMax = 1000
/** A page of 1,000 long keys is about 3 MiB. */
const answerBytesMax = 16 * 1024 * 1024

export interface ListedObject {
  /** As it was written. */
  readonly key: string
  readonly size: number
  readonly tag: string | null
}

export interface ListedPage {
  readonly objects: readonly ListedObject[]
  readonly isTruncated: boolean
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** Text of an element as it was before it became XML. @throws RangeError for a number that is no character. */
function plainText(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]{2,4});/gi, (whole, name: string) => {
    if (name.startsWith('#x') || name.startsWith('#X')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16))
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)))
    return entities[name] ?? whole
  })
}

/** Text of the first element of that name in a range of the answer; null when there is none. */
function elementIn(xml: string, name: string, range: { readonly from: number; readonly to: number }): string | null {
  const open = `<${name}>`
  const start = xml.indexOf(open, range.from)
  if (start < 0 || start >= range.to) return null
  const end = xml.indexOf(`</${name}>`, start)
  return end < 0 || end > range.to ? null : plainText(xml.slice(start + open.length, end))
}

function unreadable(cause?: unknown): WaybillError {
  return new WaybillError('TARGET_BUSY', { reason: 'unreadable answer' }, { cause })
}

/** A key as it was written; `+` stands for a blank in this encoding. */
export function decodedKey(key: string, encoding: string | null | undefined): string {
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key
}

/** @throws WaybillError TARGET_BUSY when it is not a whole listing. */
export function parseListing(xml: string): ListedPage {
  if (!xml.includes('<ListBucketResult') || !xml.trimEnd().endsWith('</ListBucketResult>')) throw unreadable()
  const open = '<Contents>'
  const close = '</Contents>'
  const objects: ListedObject[] = []
  let rest = ''
  let at = 0
  try {
    for (;;) {
      const from = xml.indexOf(open, at)
      if (from < 0) break
      const to = xml.indexOf(close, from)
      if (to < 0) throw unreadable()
      rest += xml.slice(at, from)
      at = to + close.length
      const key = elementIn(xml, 'Key', { from, to })
      const size = Number(elementIn(xml, 'Size', { from, to }) ?? Number.NaN)
      if (key === null || !Number.isSafeInteger(size)) throw unreadable()
      objects.push({ key, size, tag: elementIn(xml, 'ETag', { from, to }) })
    }
    rest += xml.slice(at)
    const whole = { from: 0, to: rest.length }
    const encoding = elementIn(rest, 'EncodingType', whole)
    const decoded =
      encoding === 'url' ? objects.map((one) => ({ ...one, key: decodedKey(one.key, encoding) })) : objects
    return { objects: decoded, isTruncated: elementIn(rest, 'IsTruncated', whole) === 'true' }
  } catch (error) {
    // A number that is no character, or an escape that is no UTF-8.
    throw error instanceof WaybillError ? error : unreadable(error)
  }
}

/** Keys are whole, with the job's prefix. @throws WaybillError */
export async function listPage(
  context: RoleContext,
  place: { readonly prefix: string; readonly after: string | null; readonly limit: number },
  signal: AbortSignal,
): Promise<ListedPage> {
  const after = place.after === null ? '' : `&start-after=${encodedValue(place.after)}`
  const query =
    `encoding-type=url&list-type=2&max-keys=${Math.min(place.limit, pageKeysMax)}` +
    `&prefix=${encodedValue(place.prefix)}${after}`
  const pieces: Buffer[] = []
  let bytes = 0
  const take = (piece: Buffer): void => {
    bytes += piece.length
    if (bytes > answerBytesMax) throw new WaybillError('TARGET_UNREADABLE', { reason: 'answer too long' })
    // The bytes may lie in a buffer that is used again once this call is over.
    pieces.push(Buffer.from(piece))
  }
  const accept = ({ status }: { readonly status: number }): typeof take | null => (status === 200 ? take : null)
  await context.client.send({ method: 'GET', key: null, query, accept }, signal)
  return parseListing(Buffer.concat(pieces).toString('utf8'))
}
