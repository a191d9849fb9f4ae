import assert from 'node:assert/strict'
import test from 'node:test'
import { codeOf, WaybillError } from '#libs/domain/errors'
import { codeOfRefusal, isSlowDown, recoded, transportError, wordOfBody } from '#libs/target/s3/faults'

const refusals: readonly [status: number, code: string, ours: string][] = [
  [503, 'SlowDown', 'TARGET_BUSY'],
  [429, '', 'TARGET_BUSY'],
  [500, 'InternalError', 'TARGET_BUSY'],
  [502, '', 'TARGET_BUSY'],
  [504, '', 'TARGET_BUSY'],
  [409, 'ConditionalRequestConflict', 'TARGET_BUSY'],
  [400, 'RequestTimeout', 'TARGET_TIMEOUT'],
  [403, 'InvalidAccessKeyId', 'TARGET_DENIED'],
  [403, 'SignatureDoesNotMatch', 'TARGET_DENIED'],
  [403, 'AccessDenied', 'TARGET_REFUSED'],
  [403, '', 'TARGET_REFUSED'],
  [400, 'ExpiredToken', 'CREDENTIALS_EXPIRED'],
  [404, 'NoSuchBucket', 'TARGET_MISSING_BUCKET'],
  [404, 'NoSuchKey', 'TARGET_MISSING'],
  [404, 'NoSuchUpload', 'UPLOAD_LOST'],
  [404, '', 'TARGET_MISSING'],
  [301, 'PermanentRedirect', 'TARGET_WRONG_REGION'],
  [307, '', 'TARGET_WRONG_REGION'],
  [400, 'AuthorizationHeaderMalformed', 'TARGET_WRONG_REGION'],
  [412, 'PreconditionFailed', 'TARGET_EXISTS'],
  [400, 'BadDigest', 'TARGET_REFUSED_DIGEST'],
  [400, 'XAmzContentSHA256Mismatch', 'TARGET_REFUSED_DIGEST'],
  [400, 'InvalidPart', 'PART_REFUSED'],
  [400, 'EntityTooLarge', 'ITEM_TOO_LARGE'],
  [507, 'XMinioStorageFull', 'TARGET_FULL'],
  [501, 'NotImplemented', 'TARGET_REFUSED'],
  [400, 'constructor', 'TARGET_REFUSED'],
]

for (const [status, code, ours] of refusals) {
  test(`an answer ${status} ${code} is ${ours}`, () => assert.equal(codeOfRefusal({ status, code }), ours))
}

test('only a store that asks for fewer requests is slowed down for', () => {
  assert.deepEqual(
    [503, 429, 500, 404].map((status) => isSlowDown({ status, code: '' })),
    [true, true, false, false],
  )
})

test('of an error body one short word is taken, whatever else it holds', () => {
  assert.equal(wordOfBody(Buffer.from('<Error><Code>NoSuchKey</Code></Error>')), 'NoSuchKey')
  assert.equal(wordOfBody(Buffer.from('<!DOCTYPE x [<!ENTITY a "aaaa">]><Error><Code>&a;</Code></Error>')), '')
  assert.equal(wordOfBody(Buffer.from(`<Code>${'x'.repeat(100)}</Code>`)), '')
  assert.equal(wordOfBody(Buffer.alloc(60_000, '<Code>')), '')
})

test('errors of sockets, names and certificates get our codes, all others stay what they are', () => {
  const failed = (code: string): Error => Object.assign(new Error(code), { code })
  assert.equal(codeOf(transportError(failed('ECONNREFUSED'), false)), 'TARGET_UNREACHABLE')
  assert.equal(codeOf(transportError(failed('EAI_AGAIN'), false)), 'TARGET_UNREACHABLE')
  assert.equal(codeOf(transportError(failed('UND_ERR_SOCKET'), true)), 'TARGET_SHORT_READ')
  assert.equal(codeOf(transportError(failed('CERT_HAS_EXPIRED'), false)), 'TARGET_CERTIFICATE')
  assert.equal(codeOf(transportError(failed('ERR_TLS_CERT_ALTNAME_INVALID'), false)), 'TARGET_CERTIFICATE')
  const wrapped = new Error('several', { cause: failed('ECONNRESET') })
  assert.equal(codeOf(transportError(wrapped, false)), 'TARGET_UNREACHABLE')
  const mistake = new TypeError('a mistake of ours')
  assert.equal(transportError(mistake, false), mistake)
})

test('a code is changed where the request gives it another meaning, facts and cause stay', () => {
  const error = new WaybillError('TARGET_EXISTS', { status: 412 })
  const changed = recoded(error, { TARGET_EXISTS: 'TARGET_REPLACED' })
  assert.ok(changed instanceof WaybillError)
  assert.deepEqual([changed.code, changed.facts, changed.cause], ['TARGET_REPLACED', { status: 412 }, error])
  assert.equal(recoded(error, { TARGET_BUSY: 'TARGET_MISSING' }), error)
})
