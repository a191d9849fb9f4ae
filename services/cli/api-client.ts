// Asks the API of a running process: over its socket, or at an address with a token. Redirects are not followed: a token
// goes to the address that was named and nowhere else.
import { readFile } from 'node:fs/promises'
import { Client } from 'undici'
import { WaybillError } from '#libs/domain/errors'
import type { MigrationEntry } from '#schemas/api/findings'
import type { Migration, MigrationAccepted, MigrationRequest } from '#schemas/api/migration'
import type { Problem } from '#schemas/api/parts'
import type { LoggedEvent } from '#schemas/api/system'

export type ApiAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string; readonly token: string | null; readonly caFile: string | null }

export interface ApiClient {
  send(method: 'GET' | 'POST' | 'PATCH', path: string, body?: object): Promise<Migration>
  /** Hands over events as they come; ends with the stream or the signal. */
  follow(path: string, signal: AbortSignal, take: (event: LoggedEvent) => Promise<void>): Promise<void>
  submit(order: MigrationRequest): Promise<MigrationAccepted>
  /** Pages of events, from the beginning to the end. */
  pages(path: string, take: (event: LoggedEvent) => Promise<void>): Promise<void>
  /** All migrations. */
  list(): Promise<readonly MigrationEntry[]>
  close(): Promise<void>
}

const headersMs = 70_000

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && 'detail' in value
}

/** A refusal of the API as an error of the command line. */
function refusal(status: number, body: unknown, job: string): WaybillError {
  const facts = isProblem(body) ? { job, code: body.code, problem: body.detail } : { job, status }
  if (isProblem(body) && (body.code === 'STOPPING' || body.code === 'LOG_UNAVAILABLE'))
    return new WaybillError('API_UNREACHABLE', { reason: body.code })
  if (status === 404) return new WaybillError('JOB_UNKNOWN', { job })
  if (status === 409) return new WaybillError('JOB_STATE', facts)
  if (status === 401 || status === 403) return new WaybillError('API_DENIED', facts)
  return new WaybillError('API_REFUSED', facts)
}

async function clientOf(address: ApiAddress): Promise<Client> {
  if (address.kind === 'socket')
    return new Client('http://localhost', { socketPath: address.path, headersTimeout: headersMs })
  const { origin } = new URL(address.url)
  const ca = address.caFile === null ? undefined : await readFile(address.caFile, 'utf8')
  return new Client(origin, { headersTimeout: headersMs, ...(ca === undefined ? {} : { connect: { ca } }) })
}

const jobIn = (path: string): string => decodeURIComponent(path.split('/')[2]?.split('?')[0] ?? '')

/** Throws API_UNREACHABLE for what the network says. */
async function told<T>(work: Promise<T>, address: ApiAddress, signal?: AbortSignal): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (cause instanceof WaybillError || signal?.aborted === true) throw cause
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    const place = address.kind === 'socket' ? address.path : address.url
    throw new WaybillError('API_UNREACHABLE', { place, reason }, { cause })
  }
}

/** Every entry of all pages. */
async function readPages<T>(
  json: (method: 'GET', path: string) => Promise<unknown>,
  path: string,
  take: (entry: T) => Promise<void> | void,
): Promise<void> {
  for (let cursor = ''; ; ) {
    const mark = path.includes('?') ? '&' : '?'
    const page = (await json('GET', `${path}${mark}limit=1000${cursor}`)) as {
      readonly entries: readonly T[]
      readonly next: string | null
    }
    for (const entry of page.entries) await take(entry)
    if (page.next === null) return
    cursor = `&cursor=${encodeURIComponent(page.next)}`
  }
}

/** @param signal ends what is under way with its reason */
export async function openApiClient(address: ApiAddress, signal?: AbortSignal): Promise<ApiClient> {
  const client = await clientOf(address)
  const base = address.kind === 'url' ? new URL(address.url).pathname.replace(/\/+$/, '') : ''
  const headers: Record<string, string> =
    address.kind === 'url' && address.token !== null ? { authorization: `Bearer ${address.token}` } : {}

  async function json(method: 'GET' | 'POST' | 'PATCH', path: string, body?: object): Promise<unknown> {
    const answer = await client.request({
      method,
      path: `${base}${path}`,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
    const text = await answer.body.text()
    const value: unknown = /json/.test(String(answer.headers['content-type'])) ? JSON.parse(text) : null
    if (answer.statusCode >= 300) throw refusal(answer.statusCode, value, jobIn(path))
    return value
  }

  async function follow(path: string, signal: AbortSignal, take: (event: LoggedEvent) => Promise<void>): Promise<void> {
    const answer = await client.request({
      method: 'GET',
      path: `${base}${path}`,
      headers: { ...headers, accept: 'text/event-stream' },
      bodyTimeout: 0,
      signal,
    })
    if (answer.statusCode >= 300) throw refusal(answer.statusCode, JSON.parse(await answer.body.text()), jobIn(path))
    let text = ''
    for await (const piece of answer.body) {
      text += String(piece)
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const line = /^data: (.*)$/m.exec(block)?.[1]
        if (line !== undefined) await take(JSON.parse(line) as LoggedEvent)
      }
    }
  }

  return {
    send: (method, path, body) => told(json(method, path, body) as Promise<Migration>, address, signal),
    submit: (order) => told(json('POST', '/migrations', order) as Promise<MigrationAccepted>, address, signal),
    follow: (path, ended, take) =>
      told(follow(path, ended, take), address).catch((error: unknown) => {
        if (!ended.aborted) throw error
      }),
    pages: (path, take) => told(readPages(json, path, take), address, signal),
    async list() {
      const entries: MigrationEntry[] = []
      await told(
        readPages<MigrationEntry>(json, '/migrations', (entry) => void entries.push(entry)),
        address,
        signal,
      )
      return entries
    },
    close: () => client.destroy(),
  }
}
