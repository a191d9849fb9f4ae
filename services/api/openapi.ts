// The description of the API (OpenAPI 3.1), made from the table of routes: docs/openapi.json is this, and a test compares.
import type { TSchema } from 'typebox'
import {
  chunk,
  chunkSummary,
  failedChunk,
  finding,
  integrityReport,
  item,
  itemStory,
  migrationEntry,
} from '#schemas/api/findings'
import { command, limitsChange, migration, migrationAccepted, migrationRequest } from '#schemas/api/migration'
import { problem, totals } from '#schemas/api/parts'
import { problemTable } from '#schemas/api/problems'
import { type Route, type RouteName, routeTable } from '#schemas/api/routes'
import { health, loggedEvent, system, worker } from '#schemas/api/system'

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** Schemas with a name of their own. */
const named: Readonly<Record<string, TSchema>> = {
  Migration: migration,
  MigrationAccepted: migrationAccepted,
  MigrationEntry: migrationEntry,
  MigrationRequest: migrationRequest,
  LimitsChange: limitsChange,
  Command: command,
  IntegrityReport: integrityReport,
  FailedChunk: failedChunk,
  Chunk: chunk,
  ChunkSummary: chunkSummary,
  Item: item,
  ItemStory: itemStory,
  Finding: finding,
  LoggedEvent: loggedEvent,
  Worker: worker,
  System: system,
  Health: health,
  Totals: totals,
  Problem: problem,
}

/** A schema as it is written: named ones by reference, except at `top`. */
function written(schema: unknown, top: unknown = null): Json {
  if (Array.isArray(schema)) return schema.map((each) => written(each))
  if (typeof schema !== 'object' || schema === null) return schema as Json
  const name = schema === top ? undefined : Object.entries(named).find(([, known]) => known === schema)?.[0]
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, written(value)]))
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, TSchema & { readonly description?: string }>>
  readonly required?: readonly string[]
}

function parameters(schema: TSchema | undefined, place: 'path' | 'query' | 'header'): readonly Json[] {
  const { properties = {}, required = [] } = (schema ?? {}) as ObjectSchema
  return Object.entries(properties).map(([name, each]) => {
    const { description = '' } = each
    return {
      name,
      in: place,
      description,
      required: place === 'path' || required.includes(name),
      schema: written(each),
    }
  })
}

/** Problems that every route of its kind can answer with. */
function usualProblems({ method, scope, query, params }: Route): readonly number[] {
  const guarded = scope === null ? [403] : [401, 403]
  const sent = method === 'GET' ? [] : [413, 415, 408, 503]
  return [...(query !== undefined || params !== undefined ? [400] : []), ...guarded, ...sent, 429, 431, 500]
}

function problemAnswers(route: Route): Readonly<Record<string, Json>> {
  const statuses = [...new Set([...usualProblems(route), ...route.problems])].sort((a, b) => a - b)
  return Object.fromEntries(
    statuses
      .filter((status) => route.answers[status] === undefined)
      .map((status) => {
        const codes = Object.entries(problemTable).filter(([, kind]) => kind.status === status)
        const description = codes.map(([code]) => code).join(', ')
        return [String(status), { description, content: { 'application/problem+json': { schema: written(problem) } } }]
      }),
  )
}

const positionHeader: Json = {
  'Waybill-Position': {
    description: 'Position of the log that the answer shows, or that the request was written at; empty logs have none.',
    schema: { type: 'string' },
  },
}

function answers(route: Route): Readonly<Record<string, Json>> {
  const good = Object.entries(route.answers).map(([status, { description, schema, forms = [] }]): [string, Json] => {
    const json: Readonly<Record<string, Json>> =
      schema === null ? {} : { 'application/json': { schema: written(schema) } }
    const others = Object.fromEntries(
      forms.map((form): [string, Json] => [
        form,
        { schema: form === 'application/json' ? { type: 'object' } : { type: 'string' } },
      ]),
    )
    return [status, { description, headers: positionHeader, content: { ...json, ...others } }]
  })
  return { ...Object.fromEntries(good), ...problemAnswers(route) }
}

function operation(name: RouteName, route: Route): Json {
  const all = [
    ...parameters(route.params, 'path'),
    ...parameters(route.query, 'query'),
    ...parameters(route.headers, 'header'),
  ]
  return {
    operationId: name,
    summary: route.summary,
    ...(route.scope === null ? { security: [] } : { description: `Scope: ${route.scope}.`, security: [{ token: [] }] }),
    ...(all.length === 0 ? {} : { parameters: all }),
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: written(route.body) } } } }),
    responses: answers(route),
  }
}

/** The document; the same every time. */
export function describeApi(): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const [name, route] of Object.entries(routeTable) as readonly [RouteName, Route][]) {
    const ofPath = paths[route.path] ?? {}
    ofPath[route.method.toLowerCase()] = operation(name, route)
    paths[route.path] = ofPath
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'waybill',
      version: '1',
      description:
        'Migrations: ask for them, see them, steer them. Every answer names the position of the log that it shows (Waybill-Position). Fields may be added to answers; none goes away or changes its meaning within version 1.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(named).map(([name, schema]) => [name, written(schema, schema)])),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'Made by `waybill tokens create`. Over loopback without configured tokens none is needed.',
        },
      },
    },
  }
}

export function descriptionText(): string {
  return `${JSON.stringify(describeApi(), null, 2)}\n`
}
