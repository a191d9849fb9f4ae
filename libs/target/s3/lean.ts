// Signed requests past the SDK, for what is done once a chunk or once an object: a tenth of the cost.
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { Bytes } from '#schemas/avro'
import { type Address, pathOf } from './address.ts'
import type { Answer, AnswerHead, Connection } from './connection.ts'
import { type Refusal, refusalError, wordOfBody } from './faults.ts'
import type { S3Deadlines, S3Identity } from './settings.ts'
import { createSigner, type Headers, type Signer } from './sign.ts'

/** SHA-256 of nothing. */
export const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export interface LeanRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** Without the job's prefix; null: the bucket itself. */
  readonly key: Bytes | null
  /** Percent-encoded, sorted by name; empty when there is none. */
  readonly query?: string
  /** Lower-case names, all signed; host, date and token are added. */
  readonly headers?: Headers
  readonly body?: Buffer | null
  /** Hex */
  readonly payloadHash?: string
  readonly accept?: (head: AnswerHead) => ((bytes: Buffer) => void) | null
  readonly isFresh?: boolean
}

/** What the store's clock has ahead of ours; shared by all roles of a target. */
export interface ClockCorrection {
  offsetMs: number
}

export interface IdentitySource {
  current(): Promise<S3Identity>
  /** The store says that the current one has expired. */
  renew(): void
}

export interface LeanContext {
  readonly address: Address
  readonly connection: Connection
  readonly identities: IdentitySource
  readonly correction: ClockCorrection
  readonly deadlines: S3Deadlines
  readonly clock: Clock
}

const errorBytesMax = 64 * 1024
/** A correction that moves the clock less than this cannot be why a time stamp was refused (S3 allows 15 minutes). */
const skewMsMin = 60_000

/** The SDK's chain of credentials takes ten promises to say the same again. */
const identityMs = 1000
/** It refreshes credentials up to five minutes before they expire; those are asked for at each request. */
const lastingMsMin = 600_000

export class LeanClient {
  readonly #context: LeanContext
  readonly #signer: Signer
  #identity: S3Identity | null = null
  #askAgainAtMs = Number.NEGATIVE_INFINITY

  constructor(context: LeanContext) {
    this.#context = context
    this.#signer = createSigner({ region: context.address.region, service: 's3' })
  }

  /** The answer of a 2xx. @throws WaybillError with the code of faults.ts, facts status and reason. */
  async send(request: LeanRequest, signal: AbortSignal): Promise<Answer> {
    const { address, connection, correction, deadlines, clock } = this.#context
    const { method, query = '', headers = [], body = null, payloadHash = emptyHash } = request
    const identity = this.#freshIdentity() ?? (await this.#askIdentity())
    const path = pathOf(address, request.key)
    const all = ['host', address.host, 'x-amz-content-sha256', payloadHash, ...headers]
    const nowMs = clock.now() + correction.offsetMs
    const signed = this.#signer.sign({ method, path, query, headers: all, payloadHash }, identity, nowMs)
    const answer = await connection.exchange(
      {
        origin: address.origin,
        method,
        path: query === '' ? path : `${path}?${query}`,
        headers: signed,
        body,
        answerMs: deadlines.answerMs,
        keptBytesMax: errorBytesMax,
        reads: 'lean',
        accept: request.accept ?? null,
        signal,
      },
      request.isFresh,
    )
    if (answer.status >= 200 && answer.status < 300) return answer
    throw this.#refused(answer)
  }

  #freshIdentity(): S3Identity | null {
    return this.#context.clock.monotonic() < this.#askAgainAtMs ? this.#identity : null
  }

  async #askIdentity(): Promise<S3Identity> {
    const { identities, clock } = this.#context
    const identity = await identities.current()
    const isLasting = identity.expiration === undefined || identity.expiration.getTime() - clock.now() > lastingMsMin
    this.#identity = isLasting ? identity : null
    this.#askAgainAtMs = clock.monotonic() + identityMs
    return identity
  }

  #refused(answer: Answer): WaybillError {
    const refusal: Refusal = { status: answer.status, code: wordOfBody(answer.body) }
    if (refusal.code.startsWith('ExpiredToken')) {
      this.#context.identities.renew()
      this.#identity = null
    }
    if (refusal.code === 'RequestTimeTooSkewed') return this.#skewed(refusal)
    const region = answer.headers['x-amz-bucket-region']
    return refusalError(refusal, typeof region === 'string' ? { region } : {})
  }

  /** Our clock is wrong: from now on requests carry the store's time, and this one may be made again. */
  #skewed(refusal: Refusal): WaybillError {
    const { connection, correction } = this.#context
    const offsetMs = connection.clockOffsetMs() ?? 0
    const isNews = Math.abs(offsetMs - correction.offsetMs) > skewMsMin
    correction.offsetMs = offsetMs
    const facts = { status: refusal.status, reason: refusal.code, offsetMs }
    return new WaybillError(isNews ? 'TARGET_BUSY' : 'TARGET_DENIED', facts)
  }
}

export function headerText(answer: AnswerHead, name: string): string | null {
  const value = answer.headers[name]
  return typeof value === 'string' ? value : null
}
