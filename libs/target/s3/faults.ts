// Answers and broken connections as codes of our own. Everything the adapter throws passes through here.
import { codeOf, type ErrorCode, type Facts, WaybillError } from '#libs/domain/errors'

/** What an answer other than success says. */
export interface Refusal {
  readonly status: number
  /** S3's own word (`NoSuchKey`), empty when the answer has no body, as to HEAD. */
  readonly code: string
}

/** Words that mean the same whatever was asked. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const codesOfWords: Readonly<Record<string, ErrorCode>> = {
  AccountProblem: 'TARGET_DENIED',
  AllAccessDisabled: 'TARGET_DENIED',
  InvalidAccessKeyId: 'TARGET_DENIED',
  InvalidSecurity: 'TARGET_DENIED',
  InvalidToken: 'TARGET_DENIED',
  NotSignedUp: 'TARGET_DENIED',
  RequestTimeTooSkewed: 'TARGET_DENIED',
  SignatureDoesNotMatch: 'TARGET_DENIED',
  ExpiredToken: 'CREDENTIALS_EXPIRED',
  ExpiredTokenException: 'CREDENTIALS_EXPIRED',
  TokenRefreshRequired: 'CREDENTIALS_EXPIRED',
  NoSuchBucket: 'TARGET_MISSING_BUCKET',
  AuthorizationHeaderMalformed: 'TARGET_WRONG_REGION',
  IllegalLocationConstraintException: 'TARGET_WRONG_REGION',
  PermanentRedirect: 'TARGET_WRONG_REGION',
  TemporaryRedirect: 'TARGET_WRONG_REGION',
  NoSuchKey: 'TARGET_MISSING',
  NoSuchVersion: 'TARGET_MISSING',
  NoSuchUpload: 'UPLOAD_LOST',
  InvalidPart: 'PART_REFUSED',
  InvalidPartOrder: 'PART_REFUSED',
  EntityTooSmall: 'PART_REFUSED',
  BadDigest: 'TARGET_REFUSED_DIGEST',
  InvalidDigest: 'TARGET_REFUSED_DIGEST',
  XAmzContentChecksumMismatch: 'TARGET_REFUSED_DIGEST',
  XAmzContentSHA256Mismatch: 'TARGET_REFUSED_DIGEST',
  IncompleteBody: 'TARGET_REFUSED_DIGEST',
  EntityTooLarge: 'ITEM_TOO_LARGE',
  KeyTooLongError: 'KEY_TOO_LONG',
  PreconditionFailed: 'TARGET_EXISTS',
  ConditionalRequestConflict: 'TARGET_BUSY',
  OperationAborted: 'TARGET_BUSY',
  RequestTimeout: 'TARGET_TIMEOUT',
  SlowDown: 'TARGET_BUSY',
  SlowDownRead: 'TARGET_BUSY',
  SlowDownWrite: 'TARGET_BUSY',
  Throttling: 'TARGET_BUSY',
  TooManyRequests: 'TARGET_BUSY',
  InsufficientCapacity: 'TARGET_FULL',
  InsufficientStorage: 'TARGET_FULL',
  QuotaExceeded: 'TARGET_FULL',
  XMinioAdminBucketQuotaExceeded: 'TARGET_FULL',
  XMinioStorageFull: 'TARGET_FULL',
}

const codesOfStatus: Readonly<Record<number, ErrorCode>> = {
  301: 'TARGET_WRONG_REGION',
  307: 'TARGET_WRONG_REGION',
  308: 'TARGET_WRONG_REGION',
  401: 'TARGET_DENIED',
  404: 'TARGET_MISSING',
  409: 'TARGET_REFUSED',
  412: 'TARGET_EXISTS',
  429: 'TARGET_BUSY',
  507: 'TARGET_FULL',
}

/**
 * The code of an answer. A bare 403 is TARGET_REFUSED: with many items a policy may deny one key only, and that item alone
 * has failed; the probe, which asks first, makes TARGET_DENIED of it.
 */
export function codeOfRefusal({ status, code }: Refusal): ErrorCode {
  const known = (Object.hasOwn(codesOfWords, code) ? codesOfWords[code] : undefined) ?? codesOfStatus[status]
  if (known !== undefined) return known
  return status >= 500 && status !== 501 ? 'TARGET_BUSY' : 'TARGET_REFUSED'
}

/** True when the store asked for fewer requests, so that everybody who talks to it should slow down. */
export function isSlowDown({ status, code }: Refusal): boolean {
  return status === 503 || status === 429 || code.startsWith('SlowDown')
}

export function refusalError(refusal: Refusal, facts: Facts = {}): WaybillError {
  const slow = isSlowDown(refusal) ? { isSlowDown: true } : {}
  return new WaybillError(codeOfRefusal(refusal), { status: refusal.status, reason: refusal.code, ...slow, ...facts })
}

/**
 * `<Code>` of an error body. The answer is a stranger's: no XML parser sees it, only one short word is taken.
 */
export function wordOfBody(body: Buffer): string {
  return /<Code>\s*([A-Za-z0-9._-]{1,64})\s*<\/Code>/.exec(body.toString('latin1'))?.[1] ?? ''
}

/** Node and OpenSSL name a refused certificate in many ways; all mean that a person must look. */
const certificateCodes =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/

function systemCode(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.cause === undefined ? '' : systemCode(error.cause)
}

/** Codes of sockets, names and undici that mean: no connection, or one that broke. */
const connectionCodes =
  /^(UND_ERR_|E(CONN|PIPE|HOST|NET|TIMEDOUT|NOTFOUND|AI_|PROTO|ADDR)|HPE_|ERR_(SSL|TLS|STREAM|HTTP))/

/**
 * An error of the transport as ours; what is ours already stays, and what is no transport error is thrown on as it is.
 * @param hasAnswer the answer had begun, so bytes are missing rather than the store.
 */
export function transportError(error: unknown, hasAnswer: boolean): unknown {
  if (error instanceof WaybillError) return error
  const code = systemCode(error)
  if (certificateCodes.test(code)) return new WaybillError('TARGET_CERTIFICATE', { reason: code }, { cause: error })
  if (!connectionCodes.test(code)) return error
  const ours = hasAnswer ? 'TARGET_SHORT_READ' : 'TARGET_UNREACHABLE'
  return new WaybillError(ours, { reason: code }, { cause: error })
}

/** The error under another code where the request gives it a meaning of its own; facts and cause stay. */
export function recoded(error: unknown, codes: Partial<Record<ErrorCode, ErrorCode>>): unknown {
  const code = codes[codeOf(error)]
  if (!(error instanceof WaybillError) || code === undefined) return error
  return new WaybillError(code, error.facts, { cause: error })
}
