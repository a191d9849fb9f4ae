// The AWS SDK for what is asked seldom (uploads, listings) and for its chain of credentials. Its requests travel over our
// own connections, so that proxies, certificates, deadlines and "no redirects" hold on every path. It never retries:
// libs/target/retrying.ts does.
import { HeadBucketCommand, S3Client, type S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3'
import { WaybillError } from '#libs/domain/errors'
import type { Address } from './address.ts'
import type { Connection } from './connection.ts'
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

/** The SDK's transport over our connections. */
function transportOf(connection: Connection, deadlines: S3Deadlines): NonNullable<S3ClientConfig['requestHandler']> {
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
        signal: options.abortSignal ?? never,
      })
      if (answer.status >= 300 && answer.status < 400 && answer.status !== 304) {
        const region = answer.headers['x-amz-bucket-region']
        const facts = typeof region === 'string' ? { region } : {}
        throw refusalError({ status: answer.status, code: wordOfBody(answer.body) }, facts)
      }
      return { response: { statusCode: answer.status, headers: plainHeaders(answer.headers), body: answer.body } }
    },
    // The shape is that of the SDK's own transports; its declared type is a class with private members.
  } as NonNullable<S3ClientConfig['requestHandler']>
}

function isCredentialError(error: Error): boolean {
  return /^(CredentialsProviderError|TokenProviderError|ProviderError)$/.test(error.name)
}

/** Whatever the SDK throws as ours; anything unknown is thrown on as it is. */
export function controlError(error: unknown): unknown {
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode ?? 0
    return refusalError({ status, code: error.name }, {})
  }
  if (error instanceof Error && isCredentialError(error)) {
    const code = /expire/i.test(error.message) ? 'CREDENTIALS_EXPIRED' : 'CREDENTIALS_MISSING'
    return new WaybillError(code, {}, { cause: error })
  }
  return transportError(error, false)
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
  /** Where the SDK would send requests for this bucket, profile and region. */
  address(bucket: string, prefix: string): Promise<Address>
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

/** The request the SDK would make, stopped before it is signed: no credentials are needed to know the address. */
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

async function addressOf(client: S3Client, bucket: string, prefix: string): Promise<Address> {
  try {
    const request = await plannedRequest(client, bucket)
    const origin = originOf(request)
    const base = request.path.replace(/\/$/, '')
    return { origin, host: new URL(origin).host, base, bucket, region: await client.config.region(), prefix }
  } catch (error) {
    if (error instanceof WaybillError) throw error
    const reason = error instanceof Error ? error.message : ''
    throw new WaybillError('CONFIG_INVALID', { reason }, { cause: error })
  }
}

export function openControl(settings: S3Settings, connection: Connection): Control {
  const fallbackRegion = settings.endpoint === null ? {} : { region: 'us-east-1' }
  const client = new S3Client({
    ...credentialConfig(settings),
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    ...(settings.region === null ? fallbackRegion : { region: settings.region }),
    forcePathStyle: settings.isPathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: transportOf(connection, settings.deadlines),
  })
  let isStale = false
  return {
    async call(make, signal, answerMs = settings.deadlines.answerMs) {
      try {
        return await make(client, { abortSignal: signal, requestTimeout: answerMs })
      } catch (error) {
        // The SDK looks at the signal by itself, too, and has an error of its own for it.
        if (signal.aborted) throw new WaybillError('ABORTED', {}, { cause: signal.reason })
        throw controlError(error)
      }
    },
    identities: {
      async current(): Promise<S3Identity> {
        try {
          const options = isStale ? { forceRefresh: true } : {}
          isStale = false
          return await client.config.credentials(options)
        } catch (error) {
          throw controlError(error)
        }
      },
      renew(): void {
        isStale = true
      },
    },
    address: (bucket, prefix) => addressOf(client, bucket, prefix),
    close: () => client.destroy(),
  }
}
