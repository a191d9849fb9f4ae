// The API over a memory log, served on a loopback port, and what a coordinator would append.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyOf } from '#libs/domain/keys'
import type { EventLog } from '#libs/log/event-log'
import { createEventWriter, type PlacedDraft } from '#libs/log/event-writer'
import { openMemoryLog } from '#libs/log/memory-log'
import { openProjection, type Projection } from '#libs/projection/projection'
import { type Claim, claimPartition } from '#libs/runtime/claims'
import type { ConnectionSettings } from '#libs/runtime/cluster-settings'
import type { Connections } from '#libs/runtime/connection-places'
import { type Fields, type Logger, silentLogger } from '#libs/runtime/logger'
import { appendAndFold } from '#libs/runtime/role'
import { systemClock } from '#libs/runtime/system-clock'
import type { TokenBook } from '#libs/runtime/tokens'
import { openMemoryStore } from '#libs/store/memory-store'
import type { Draft } from '#schemas/events'
import { type ApiOptions, startApi } from '#services/api/api'

export interface ApiCall {
  readonly method?: string
  readonly body?: unknown
  /** Sent as it is, in place of `body`. */
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ApiAnswer {
  readonly status: number
  readonly headers: Headers
  /** Parsed when it is JSON. */
  readonly body: ReturnType<typeof JSON.parse>
  readonly text: string
}

export interface ApiWorld {
  readonly address: string
  handOver(connection: Socket): void
  readonly folder: string
  readonly log: EventLog
  readonly projection: Projection
  readonly lines: readonly string[]
  call(path: string, options?: ApiCall): Promise<ApiAnswer>
  append(...drafts: readonly PlacedDraft[]): Promise<void>
  /** What the coordinator does with a request: JobAccepted. */
  accept(job: string): Promise<Claim>
  /** An event of the jobs topic, under the claim where it needs one. */
  say(event: Draft): Promise<void>
  close(): Promise<void>
}

export interface ApiWorldOptions {
  readonly log?: EventLog
  readonly tokens?: TokenBook | null
  readonly connections?: (folder: string) => Connections
  readonly limits?: ApiOptions['limits']
  readonly cursorKey?: Buffer
  readonly reports?: ApiOptions['reports']
  readonly listen?: (folder: string) => ApiOptions['listen']
  readonly webhook?: (folder: string) => ApiOptions['webhook']
}

const partitionCounts = { jobs: 1, listings: 1, chunks: 2, rates: 1 } as const

/** Connections `@disk` and `@vault` below the world's folder, and `@bucket`. */
export function plainConnections(folder: string): Connections {
  const files = (name: string) =>
    ({ name, place: { kind: 'files', path: join(folder, name) }, profile: null, verifyProfile: null }) as const
  const bucket = {
    name: 'bucket',
    place: { kind: 's3', bucket: 'bucket', prefix: 'base', endpoint: null, region: null, isPathStyle: null },
    profile: null,
    verifyProfile: null,
  } as const
  return new Map<string, ConnectionSettings>([
    ['disk', files('disk')] as const,
    ['vault', files('vault')],
    ['bucket', bucket],
  ])
}

function recordingLogger(lines: string[]): Logger {
  const note = (fields: Fields, sentence: string): void => {
    lines.push(
      `${sentence} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? String(value.stack) : value))}`,
    )
  }
  return { ...silentLogger, debug: note, info: note, warn: note, error: note, child: () => recordingLogger(lines) }
}

async function callAt(address: string, path: string, options: ApiCall = {}): Promise<ApiAnswer> {
  const { method = 'GET', body, text = body === undefined ? undefined : JSON.stringify(body), headers = {} } = options
  const type: Record<string, string> = text === undefined ? {} : { 'content-type': 'application/json' }
  const answer = await fetch(`${address}${path}`, {
    method,
    headers: { ...type, ...headers },
    redirect: 'manual',
    ...(text === undefined ? {} : { body: text }),
  })
  const received = await answer.text()
  const isJson =
    /json/.test(answer.headers.get('content-type') ?? '') && !/ndjson/.test(answer.headers.get('content-type') ?? '')
  return {
    status: answer.status,
    headers: answer.headers,
    body: isJson ? JSON.parse(received) : received,
    text: received,
  }
}

export async function startApiWorld(options: ApiWorldOptions = {}): Promise<ApiWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-api-'))
  const log = options.log ?? openMemoryLog({ partitionCounts })
  const counts = await log.partitionCounts()
  const projection = await openProjection(log, openMemoryStore())
  const stop = new AbortController()
  const folding = projection.run(stop.signal)
  await projection.caughtUp(stop.signal)
  const process = `process-${randomBytes(4).toString('hex')}`
  const writer = createEventWriter({ log, clock: systemClock, writer: process, software: 'test' })
  const lines: string[] = []
  const api = await startApi({
    projection,
    writer,
    log,
    partitionCounts: counts,
    clock: systemClock,
    logger: recordingLogger(lines),
    connections: (options.connections ?? plainConnections)(folder),
    listen: options.listen?.(folder) ?? { host: '127.0.0.1', port: 0 },
    tokens: options.tokens ?? null,
    localActor: 'tester',
    software: 'test',
    process,
    cursorKey: options.cursorKey ?? randomBytes(32),
    reports: options.reports ?? null,
    scratchFolder: join(folder, 'scratch'),
    inflightBytes: () => 0,
    webhook: options.webhook?.(folder) ?? null,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  })
  let claim: Claim | null = null
  const context = { projection, writer, signal: stop.signal }
  const claimed = async (): Promise<Claim> => {
    claim ??= await claimPartition(context, { topic: 'jobs', partition: 0, claim: `${process}.jobs.0`, cause: 'start' })
    return claim
  }
  const append = (...drafts: readonly PlacedDraft[]): Promise<void> => appendAndFold(context, drafts, stop.signal)
  return {
    address: api.address,
    handOver: (connection) => api.accept(connection),
    folder,
    log,
    projection,
    lines,
    call: (path, asked) => callAt(api.address, path, asked),
    append,
    async accept(job) {
      const held = await claimed()
      const [asked] = await projection.rows.slice('request', `request/${job}/`, 1)
      if (asked === undefined) throw new Error(`nobody asked for ${job}`)
      const { request, partition, position } = asked.row
      const fence = { claim: held.claim, epoch: held.epoch }
      await append({
        topic: 'jobs',
        partition: 0,
        event: { type: 'JobAccepted', job, ...fence, request, requestPartition: partition, requestPosition: position },
      })
      if ((await projection.rows.get(keyOf.job(job))) === undefined) throw new Error(`${job} was not accepted`)
      return held
    },
    say: (event) => append({ topic: 'jobs', partition: 0, event }),
    async close() {
      await api.close()
      stop.abort()
      await folding
      await rm(folder, { recursive: true, force: true })
    },
  }
}
