// The AWS SDK for what is asked seldom (uploads, listings) and for its chain of credentials. Its requests travel over our
// own connections, so that proxies, certificates, deadlines and "no redirects" hold on every path. It never retries:
// libs/target/retrying.ts does.
import { HeadBucketCommand, S3Client, type S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3'
import { WaybillError } from '#libs/domain/errors'
import { type Address, encodedKey } from './address.ts'
import type { Answer, Connection } from './connection.ts'
import { refusalError, transportError, wordOfBody } from './faults.ts'
import type { IdentitySource } from './lean.ts'
import type { S3Deadlines, S3Identity, S3Settings } from './settings.ts'

/** What the SDK hands to its transport. */
interface SdkRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number | undefined
  readonly path: string
  readonly query?: Readonly<Record<string, string | string[] | null>> | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface SdkOptions {
  readonly abortSignal?: AbortSignal
  readonly requestTimeout?: number
}

const methods = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'] as const
/** A page of 1,000 long keys is about 3 MiB. */
const answerBytesMax = 16 * 1024 * 1024
const never = new AbortController().signal

/** RFC 3986 for names and values of a query, sorted: the form that was signed. */
function queryText(query: SdkRequest['query']): string {
  const escaped = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
  return Object.keys(query ?? {})
    .sort((left, right) => (left < right ? -1 : 1))
    .flatMap((name) => {
      const value = query?.[name]
      if (Array.isArray(value)) return value.map((one) => `${escaped(name)}=${escaped(one)}`)
      return [typeof value === 'string' ? `${escaped(name)}=${escaped(value)}` : escaped(name)]
    })
    .join('&')
}

function originOf(request: SdkRequest): string {
  return `${request.protocol}//${request.hostname}${request.port === undefined ? '' : `:${request.port}`}`
}

function bodyOf(body: unknown): Buffer | null {
  if (body === undefined || body === null || body === '') return null
  if (typeof body === 'string') return Buffer.from(body, 'utf8')
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  throw new WaybillError('INTERNAL', { reason: 'the SDK sent a stream' })
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : (value ?? '')]),
  )
}

interface Transport {
  readonly connection: Connection
  readonly deadlines: S3Deadlines
  /** Refusals of this one are ours to read; others (STS, SSO) are the SDK's. */
  readonly origin: string
}

/** The SDK's own reading of a refusal fails on what is not S3's XML, such as a proxy's page. */
function throwRefusal(answer: Answer): never {
  const region = answer.headers['x-amz-bucket-region']
  const facts = typeof region === 'string' ? { region } : {}
  throw refusalError({ status: answer.status, code: wordOfBody(answer.body) }, facts)
}

/** The SDK's transport over our connections. */
function transportOf({ connection, deadlines, origin }: Transport): NonNullable<S3ClientConfig['requestHandler']> {
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    handle: async (request: SdkRequest, options: SdkOptions = {}) => {
      const query = queryText(request.query)
      const method = methods.find((one) => one === request.method) ?? 'GET'
      const answer = await connection.exchange({
        origin: originOf(request),
        method,
        path: query === '' ? request.path : `${request.path}?${query}`,
        headers: Object.entries(request.headers).flat(),
        body: bodyOf(request.body),
        answerMs: options.requestTimeout ?? deadlines.answerMs,
        keptBytesMax: answerBytesMax,
        reads: 'all',
        accept: null,
        signal: options.abortSignal ?? never,
      })
      const isRedirect = answer.status >= 300 && answer.status < 400
      if (isRedirect || (answer.status >= 400 && originOf(request) === origin)) throwRefusal(answer)
      return { response: { statusCode: answer.status, headers: plainHeaders(answer.headers), body: answer.body } }
    },
    // The shape is that of the SDK's own transports; its declared type is a class with private members.
  } as NonNullable<S3ClientConfig['requestHandler']>
}

function isCredentialError(error: Error): boolean {
  return /^(CredentialsProviderError|TokenProviderError|ProviderError)$/.test(error.name)
}

/** Whatever the SDK throws as ours; anything unknown is thrown on as it is. */
function controlError(error: unknown): unknown {
  if (error instanceof WaybillError) return error
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode ?? 0
    return refusalError({ status, code: error.name })
  }
  if (error instanceof Error && isCredentialError(error)) {
    const code = /expire/i.test(error.message) ? 'CREDENTIALS_EXPIRED' : 'CREDENTIALS_MISSING'
    return new WaybillError(code, {}, { cause: error })
  }
  // A success whose body is no XML of S3's.
  if (error instanceof Error && '$metadata' in error) {
    return new WaybillError('TARGET_BUSY', { reason: 'unreadable answer' }, { cause: error })
  }
  return transportError(error, false)
}

/** Refusals met while credentials are fetched are about them, and not about the target. */
function identityError(error: unknown): unknown {
  if (!(error instanceof WaybillError) || error.facts['status'] === undefined || error.retry === 'again') return error
  return new WaybillError('CREDENTIALS_MISSING', error.facts, { cause: error })
}

export type ControlOptions = { readonly abortSignal: AbortSignal; readonly requestTimeout: number }

export interface Control {
  /** Makes one call. @throws WaybillError */
  call<T>(
    make: (client: S3Client, options: ControlOptions) => Promise<T>,
    signal: AbortSignal,
    answerMs?: number,
  ): Promise<T>
  readonly identities: IdentitySource
  close(): void
}

function credentialConfig(settings: S3Settings): S3ClientConfig {
  const { credentials } = settings
  switch (credentials.kind) {
    case 'chain':
      return credentials.profile === null ? {} : { profile: credentials.profile }
    case 'provider':
      return { credentials: credentials.provide }
  }
}

/** The request the SDK would make, stopped before it is signed. */
async function plannedRequest(client: S3Client, bucket: string): Promise<SdkRequest> {
  const planned: { request: SdkRequest | null } = { request: null }
  const command = new HeadBucketCommand({ Bucket: bucket })
  command.middlewareStack.add(
    () => async (call) => {
      planned.request = call.request as SdkRequest
      return { response: null, output: { $metadata: {} } }
    },
    { step: 'build', name: 'waybillAddress', priority: 'low' },
  )
  await client.send(command)
  if (planned.request === null) throw new WaybillError('INTERNAL', { reason: 'the SDK planned no request' })
  return planned.request
}

/**
 * Where the SDK would send requests for this bucket, profile and region; nothing is sent, no credentials are needed.
 * @param prefix with its closing slash. @throws WaybillError CONFIG_INVALID
 */
export async function planAddress(settings: S3Settings, prefix: string): Promise<Address> {
  const { bucket } = settings
  // The SDK wants an identity before it plans anything; this one is never used.
  const credentials = { accessKeyId: 'none', secretAccessKey: 'none' }
  const client = new S3Client({ ...clientConfig(settings), credentials })
  try {
    const request = await plannedRequest(client, bucket)
    const origin = originOf(request)
    const base = request.path.replace(/\/$/, '')
    const keyBase = `${base}/${encodedKey(Buffer.from(prefix, 'utf8'))}`
    return { origin, host: new URL(origin).host, base, bucket, region: await client.config.region(), prefix, keyBase }
  } catch (error) {
    if (error instanceof WaybillError) throw error
    const reason = error instanceof Error ? error.message : ''
    throw new WaybillError('CONFIG_INVALID', { reason }, { cause: error })
  } finally {
    client.destroy()
  }
}

function clientConfig(settings: S3Settings): S3ClientConfig {
  const fallbackRegion = settings.endpoint === null ? {} : { region: 'us-east-1' }
  return {
    ...credentialConfig(settings),
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    ...(settings.region === null ? fallbackRegion : { region: settings.region }),
    forcePathStyle: settings.isPathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  }
}

/** @param origin of the bucket, as planned. */
export function openControl(settings: S3Settings, connection: Connection, origin: string): Control {
  const requestHandler = transportOf({ connection, deadlines: settings.deadlines, origin })
  const client = new S3Client({ ...clientConfig(settings), requestHandler })
  let isStale = false
  let wasSkewed = false
  /** Our clock is wrong: from now on the SDK signs with the store's time, and the request may be made again. */
  const skewCheck = (error: unknown): unknown => {
    if (!(error instanceof WaybillError) || error.facts['reason'] !== 'RequestTimeTooSkewed' || wasSkewed) return error
    wasSkewed = true
    client.config.systemClockOffset = connection.clockOffsetMs() ?? 0
    return new WaybillError('TARGET_BUSY', error.facts, { cause: error })
  }
  return {
    async call(make, signal, answerMs = settings.deadlines.answerMs) {
      try {
        return await make(client, { abortSignal: signal, requestTimeout: answerMs })
      } catch (error) {
        // The SDK looks at the signal by itself, too, and has an error of its own for it.
        if (signal.aborted) throw new WaybillError('ABORTED', {}, { cause: signal.reason })
        throw skewCheck(controlError(error))
      }
    },
    identities: {
      async current(): Promise<S3Identity> {
        try {
          const options = isStale ? { forceRefresh: true } : {}
          isStale = false
          return await client.config.credentials(options)
        } catch (error) {
          throw identityError(controlError(error))
        }
      },
      renew(): void {
        isStale = true
      },
    },
    close: () => client.destroy(),
  }
}
