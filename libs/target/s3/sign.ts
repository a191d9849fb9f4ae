// AWS Signature Version 4 for requests whose payload hash is known, as S3 wants it: the path is encoded once and taken as
// it is sent. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
//
// An HMAC made of two one-shot hashes costs a third of `createHmac`; with the signing key's padded blocks kept for the
// day, a signature takes some microseconds, so a small object costs about as much to sign as to hash.
import { createHmac, hash } from 'node:crypto'

export interface SigningIdentity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** Headers as they are sent: name, value, name, value; names in lower case. Pairs as arrays of their own would cost more. */
export type Headers = readonly string[]

export interface SignRequest {
  readonly method: string
  /** As sent: percent-encoded, starting with a slash. */
  readonly path: string
  /** As sent and sorted: `a=1&b=`; empty when there is none. */
  readonly query: string
  /** All of them are signed, in any order; without `authorization`, `x-amz-date` and the token. */
  readonly headers: Headers
  /** SHA-256 of the body in hex, or a word such as UNSIGNED-PAYLOAD. */
  readonly payloadHash: string
}

export interface Signer {
  /** @param nowMs wall clock of the store, ms since 1970. @returns all headers to send, the signature among them. */
  sign(request: SignRequest, identity: SigningIdentity, nowMs: number): string[]
}

const blockBytes = 64
/** Strings to sign are about 140 bytes: algorithm, time, scope, one digest. */
const messageBytesMax = 1024

interface SigningKey {
  readonly secret: string
  readonly date: string
  /** Inner padded key followed by room for the message; outer padded key followed by the inner digest. */
  readonly inner: Buffer
  readonly outer: Buffer
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function padded(key: Buffer, pad: number, roomBytes: number): Buffer {
  const block = Buffer.alloc(blockBytes + roomBytes, pad)
  for (let index = 0; index < key.length; index += 1) block[index] = (key[index] ?? 0) ^ pad
  return block
}

function signingKey(secret: string, date: string, region: string, service: string): SigningKey {
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), 'aws4_request')
  return { secret, date, inner: padded(key, 0x36, messageBytesMax), outer: padded(key, 0x5c, 32) }
}

/** HMAC-SHA-256 in hex (RFC 2104) under a key whose blocks are ready. */
function signature(key: SigningKey, text: string): string {
  const length = key.inner.write(text, blockBytes, 'latin1')
  hash('sha256', key.inner.subarray(0, blockBytes + length), 'buffer').copy(key.outer, blockBytes)
  return hash('sha256', key.outer, 'hex')
}

/** `20130524T000000Z` */
function timeStamp(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

/** Runs of blanks count as one in the canonical form; most values hold none, so they are looked at first. */
function canonicalValue(value: string): string {
  return value.includes('  ') || value.startsWith(' ') || value.endsWith(' ') ? value.trim().replace(/ +/g, ' ') : value
}

/** By name, in place. A dozen headers that come nearly sorted need no better way. */
function sortByName(headers: string[]): void {
  for (let from = 2; from < headers.length; from += 2) {
    const [name = '', value = ''] = [headers[from], headers[from + 1]]
    let at = from
    for (; at > 0 && (headers[at - 2] ?? '') > name; at -= 2) {
      headers[at] = headers[at - 2] ?? ''
      headers[at + 1] = headers[at - 1] ?? ''
    }
    headers[at] = name
    headers[at + 1] = value
  }
}

/** @param scope region and service, as `us-east-1` and `s3`. Throws nothing; a wrong key shows in the store's answer. */
export function createSigner(scope: { readonly region: string; readonly service: string }): Signer {
  const { region, service } = scope
  let key: SigningKey | null = null
  let second = Number.NaN
  let stamp = ''

  const stampOf = (nowMs: number): string => {
    const now = Math.floor(nowMs / 1000)
    if (now !== second) {
      second = now
      stamp = timeStamp(now * 1000)
    }
    return stamp
  }

  const keyFor = (secret: string, date: string): SigningKey => {
    if (key === null || key.secret !== secret || key.date !== date) key = signingKey(secret, date, region, service)
    return key
  }

  return {
    sign({ method, path, query, headers, payloadHash }, identity, nowMs) {
      const time = stampOf(nowMs)
      const date = time.slice(0, 8)
      const all = headers.slice()
      all.push('x-amz-date', time)
      if (identity.sessionToken !== undefined) all.push('x-amz-security-token', identity.sessionToken)
      sortByName(all)
      let lines = ''
      let names = ''
      for (let at = 0; at < all.length; at += 2) {
        const name = all[at] ?? ''
        lines += `${name}:${canonicalValue(all[at + 1] ?? '')}\n`
        names += at === 0 ? name : `;${name}`
      }
      const canonical = `${method}\n${path}\n${query}\n${lines}\n${names}\n${payloadHash}`
      const credential = `${date}/${region}/${service}/aws4_request`
      const text = `AWS4-HMAC-SHA256\n${time}\n${credential}\n${hash('sha256', canonical, 'hex')}`
      const proof = signature(keyFor(identity.secretAccessKey, date), text)
      all.push(
        'authorization',
        `AWS4-HMAC-SHA256 Credential=${identity.accessKeyId}/${credential}, SignedHeaders=${names}, Signature=${proof}`,
      )
      return all
    },
  }
}
