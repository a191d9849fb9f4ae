// Every route of the API, once: validation, serialisation, static types, the scope it needs, and OpenAPI all come from here.
import Type, { type Static, type TSchema } from 'typebox'
import {
  chunk,
  chunkStatus,
  chunkSummary,
  finding,
  integrityReport,
  item,
  itemStory,
  migrationEntry,
} from './findings.ts'
import { command, limitsChange, migration, migrationAccepted, migrationRequest } from './migration.ts'
import { closed, cursor, jobId, limit, outcome, pageOf, positionText, priority, status, wholeText } from './parts.ts'
import type { Scope } from './scopes.ts'
import { health, loggedEvent, system, worker } from './system.ts'

export interface Answer {
  readonly description: string
  /** null: not JSON. */
  readonly schema: TSchema | null
  /** Forms beside JSON. */
  readonly forms?: readonly string[]
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH'
  /** `{name}` stands for a segment. */
  readonly path: string
  /** null: open to all, also without a token. */
  readonly scope: Scope | null
  readonly summary: string
  readonly params?: TSchema
  readonly query?: TSchema
  readonly headers?: TSchema
  readonly body?: TSchema
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses of problems, beside those that every route can answer. */
  readonly problems: readonly number[]
}

const ofJob = Type.Object({ job_id: jobId }, closed)
const freshness = { min_position: Type.Optional(positionText) }
const paging = { limit: Type.Optional(limit), cursor: Type.Optional(cursor), ...freshness }
const noQuery = Type.Object({}, closed)

const itemName = Type.String({
  description: 'Name of the item, relative to the source; bytes that are no text as %HH, % as %25.',
  minLength: 1,
  maxLength: 8192,
})

const idempotencyKey = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        '1 to 128 visible ASCII characters. The same key and body give the same migration, however often they are sent.',
      pattern: '^[!-~]{1,128}$',
      maxLength: 128,
    }),
  ),
})

const ifMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      description: '`ETag` of the migration: the change is made only if its limits are still those.',
      maxLength: 256,
    }),
  ),
})

function commanded(name: string, summary: string) {
  return {
    method: 'POST',
    path: `/migrations/{job_id}/${name}`,
    scope: 'write',
    summary,
    params: ofJob,
    query: noQuery,
    body: command,
    answers: { 202: { description: 'The command is in the log and folded.', schema: migration } },
    problems: [404, 409],
  } as const
}

export const routeTable = {
  createMigration: {
    method: 'POST',
    path: '/migrations',
    scope: 'write',
    summary: 'Ask for a migration; answered once the request is durable in the log',
    query: noQuery,
    headers: idempotencyKey,
    body: migrationRequest,
    answers: { 202: { description: 'The request is in the log.', schema: migrationAccepted } },
    problems: [409, 422],
  },
  listMigrations: {
    method: 'GET',
    path: '/migrations',
    scope: 'read',
    summary: 'All migrations, by name',
    query: Type.Object({ ...paging, status: Type.Optional(status), priority: Type.Optional(priority) }, closed),
    answers: { 200: { description: 'A page.', schema: pageOf(migrationEntry) } },
    problems: [412],
  },
  showMigration: {
    method: 'GET',
    path: '/migrations/{job_id}',
    scope: 'read',
    summary: 'One migration; with wait, held back until it has the status asked for or has ended',
    params: ofJob,
    query: Type.Object(
      {
        wait: Type.Optional(wholeText('How long at most, in whole seconds: 1s to 60s.', '^([1-9]|[1-5][0-9]|60)s$')),
        status: Type.Optional(status),
        ...freshness,
      },
      closed,
    ),
    answers: { 200: { description: 'The migration as it stands.', schema: migration } },
    problems: [404, 412],
  },
  changeMigration: {
    method: 'PATCH',
    path: '/migrations/{job_id}',
    scope: 'write',
    summary: 'Change limits and priority while it runs',
    params: ofJob,
    query: noQuery,
    headers: ifMatch,
    body: limitsChange,
    answers: { 200: { description: 'The change is in the log and folded.', schema: migration } },
    problems: [404, 409, 412],
  },
  pauseMigration: commanded('pause', 'Stop reading the source; what was verified stays so'),
  resumeMigration: commanded('resume', 'Go on after a pause'),
  cancelMigration: commanded('cancel', 'Give up the pass: open uploads are aborted, nothing else is touched'),
  retryMigration: commanded('retry', 'A further pass after the end: moves what failed, is new or changed'),
  showReport: {
    method: 'GET',
    path: '/migrations/{job_id}/report',
    scope: 'report',
    summary: 'What was proven and what was not; the signed report by Accept',
    params: ofJob,
    query: Type.Object(paging, closed),
    answers: {
      200: {
        description: 'The verdict and a page of the failed chunks, or the whole report in another form.',
        schema: integrityReport,
        forms: ['application/x-ndjson', 'text/csv', 'text/html'],
      },
    },
    problems: [404, 406, 412],
  },
  listEvents: {
    method: 'GET',
    path: '/migrations/{job_id}/events',
    scope: 'read',
    summary: 'The events of a migration from the log: pages, or a stream (SSE) that Last-Event-ID takes up again',
    params: ofJob,
    query: Type.Object(
      {
        ...paging,
        types: Type.Optional(
          Type.String({
            description: 'Names of events, with commas between: only these.',
            pattern: '^[A-Z][A-Za-z]{1,40}(,[A-Z][A-Za-z]{1,40}){0,29}$',
            maxLength: 1000,
          }),
        ),
        from: Type.Optional(Type.Enum(['start', 'now'], { type: 'string', description: 'Where a new stream begins.' })),
      },
      closed,
    ),
    answers: {
      200: { description: 'A page of events.', schema: pageOf(loggedEvent), forms: ['text/event-stream'] },
    },
    problems: [404, 406, 503, 412],
  },
  listChunks: {
    method: 'GET',
    path: '/migrations/{job_id}/chunks',
    scope: 'read',
    summary: 'Chunks in the order of the listing',
    params: ofJob,
    query: Type.Object({ ...paging, status: Type.Optional(chunkStatus) }, closed),
    answers: { 200: { description: 'A page.', schema: pageOf(chunk) } },
    problems: [404, 412],
  },
  sumChunks: {
    method: 'GET',
    path: '/migrations/{job_id}/chunks/summary',
    scope: 'read',
    summary: 'Chunks counted by status, neighbours together: for a heat map',
    params: ofJob,
    query: Type.Object(
      {
        ...paging,
        bucket_chunks: Type.Optional(wholeText('Chunks of a bucket: 1 to 10000.', '^([1-9][0-9]{0,3}|10000)$')),
      },
      closed,
    ),
    answers: { 200: { description: 'Buckets.', schema: chunkSummary } },
    problems: [404, 412],
  },
  listItems: {
    method: 'GET',
    path: '/migrations/{job_id}/items',
    scope: 'read',
    summary: 'Items in the order of their names; with path, that one alone',
    params: ofJob,
    query: Type.Object({ ...paging, outcome: Type.Optional(outcome), path: Type.Optional(itemName) }, closed),
    answers: { 200: { description: 'A page.', schema: pageOf(item) } },
    problems: [404, 412],
  },
  explainItem: {
    method: 'GET',
    path: '/migrations/{job_id}/items/explain',
    scope: 'read',
    summary: 'The whole history of one item',
    params: ofJob,
    query: Type.Object(
      {
        path: itemName,
        ...freshness,
      },
      closed,
    ),
    answers: { 200: { description: 'Its history.', schema: itemStory } },
    problems: [404, 412],
  },
  listFindings: {
    method: 'GET',
    path: '/migrations/{job_id}/findings',
    scope: 'read',
    summary: 'What a person should know about the migration, counted by code',
    params: ofJob,
    query: Type.Object(freshness, closed),
    answers: { 200: { description: 'All findings.', schema: pageOf(finding) } },
    problems: [404, 412],
  },
  listWorkers: {
    method: 'GET',
    path: '/workers',
    scope: 'read',
    summary: 'Workers that reported, what they hold and what they were granted',
    query: Type.Object(paging, closed),
    answers: { 200: { description: 'A page.', schema: pageOf(worker) } },
    problems: [412],
  },
  showSystem: {
    method: 'GET',
    path: '/system',
    scope: 'admin',
    summary: 'This process: software, log, memory, connections, rates of the sources',
    query: Type.Object(freshness, closed),
    answers: { 200: { description: 'The process.', schema: system } },
    problems: [412],
  },
  showLiveness: {
    method: 'GET',
    path: '/livez',
    scope: null,
    summary: 'Answers while the process runs',
    query: noQuery,
    answers: { 200: { description: 'It runs.', schema: health } },
    problems: [],
  },
  showReadiness: {
    method: 'GET',
    path: '/readyz',
    scope: null,
    summary: 'Answers 200 once the log is folded and reachable',
    query: noQuery,
    answers: {
      200: { description: 'Ready.', schema: health },
      503: { description: 'Not ready, and why.', schema: health },
    },
    problems: [],
  },
  showMetrics: {
    method: 'GET',
    path: '/metrics',
    scope: 'read',
    summary: 'Metrics for Prometheus',
    query: noQuery,
    answers: { 200: { description: 'Text format 0.0.4.', schema: null, forms: ['text/plain'] } },
    problems: [],
  },
  showDescription: {
    method: 'GET',
    path: '/openapi.json',
    scope: null,
    summary: 'This description, OpenAPI 3.1',
    query: noQuery,
    answers: { 200: { description: 'The description.', schema: null, forms: ['application/json'] } },
    problems: [],
  },
  showPages: {
    method: 'GET',
    path: '/docs',
    scope: null,
    summary: 'This description as a page; loads nothing from elsewhere',
    query: noQuery,
    answers: { 200: { description: 'The page.', schema: null, forms: ['text/html'] } },
    problems: [],
  },
} as const satisfies Readonly<Record<string, Route>>

export type RouteName = keyof typeof routeTable

type PartOf<K extends RouteName, P extends 'params' | 'query' | 'headers' | 'body'> = (typeof routeTable)[K] extends {
  readonly [X in P]: infer S extends TSchema
}
  ? Static<S>
  : undefined

/** A request as the handler of a route gets it: checked. */
export interface Asked<K extends RouteName> {
  readonly params: PartOf<K, 'params'>
  readonly query: PartOf<K, 'query'>
  readonly headers: PartOf<K, 'headers'>
  readonly body: PartOf<K, 'body'>
}
