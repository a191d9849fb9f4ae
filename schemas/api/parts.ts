// What the schemas of the HTTP API are made of. One schema gives validation, serialisation, the static type and OpenAPI.
// Every object is closed and every string, list and number has bounds: what is not described here is refused with 400.
import Type, { type Static, type TSchema } from 'typebox'

/** Largest whole number that JSON numbers carry exactly. */
export const wholeMax = Number.MAX_SAFE_INTEGER

export const whole = (description: string, minimum = 0, maximum = wholeMax) =>
  Type.Integer({ description, minimum, maximum })

export const text = (description: string, maxLength: number, minLength = 1) =>
  Type.String({ description, minLength, maxLength })

/** In answers only: a request that means "none" leaves the field out. */
export function orNull<S extends TSchema & { readonly type?: unknown }>(schema: S) {
  return Type.Unsafe<Static<S> | null>({ ...schema, type: [String(schema.type), 'null'] })
}

export const closed = { additionalProperties: false } as const

/** Words of a URL's query are text: they are never turned into numbers before they are checked. */
export const wholeText = (description: string, pattern: string) => Type.String({ description, pattern, maxLength: 16 })

export const jobPattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'
export const jobId = Type.String({
  description: 'Name of a migration: letters, digits, dots, dashes and underscores, at most 64.',
  pattern: jobPattern,
  maxLength: 64,
})

export const statuses = ['pending', 'running', 'paused', 'complete', 'failed'] as const
export type MigrationStatus = (typeof statuses)[number]
export const status = Type.Enum([...statuses], {
  type: 'string',
  description:
    'pending: asked for, nothing listed yet. A cancelled migration is failed, and last_failure_reason begins with "cancelled by".',
})

export const priorities = ['low', 'normal', 'high'] as const
export const priority = Type.Enum([...priorities], {
  type: 'string',
  description: 'Of migrations that share a source, high goes first and low takes what is left.',
})

export const moment = Type.String({ description: 'RFC 3339, UTC.', maxLength: 40 })

export const gigabytesPerHour = Type.Number({
  description: 'GB (10^9 bytes) an hour; a hard limit on reading the source.',
  minimum: 0.001,
  maximum: 1_000_000_000,
})

export const timetable = Type.String({
  description:
    'Limits by the hour, for example `400GB/h Mon-Fri 08:00-18:00 100GB/h Europe/Berlin`; in place of one limit.',
  minLength: 8,
  maxLength: 1000,
})

export const location = Type.String({
  description:
    "`@connection/relative/path`: a connection of the operator's configuration, and what lies below it. Nothing else names a place.",
  minLength: 2,
  maxLength: 4096,
})

export const outcomes = [
  'verified',
  'already_there',
  'mismatched',
  'missing',
  'failed',
  'changed',
  'unverifiable',
  'skipped',
  'pending',
] as const
export const outcome = Type.Enum([...outcomes], { type: 'string' })

const count = Type.Object({ items: Type.Integer(), bytes: Type.Integer() }, closed)
export const totals = Type.Object(Object.fromEntries(outcomes.map((name) => [name, count])), {
  ...closed,
  description: 'Items and bytes by outcome; they add up to what was listed.',
})

export const cursor = Type.String({
  description: '`next` of the page before, as it was given.',
  minLength: 1,
  maxLength: 16_384,
})

export const limit = wholeText('Entries of a page at most: 1 to 1000.', '^([1-9][0-9]{0,2}|1000)$')

export const positionText = Type.String({
  description:
    'A position of the log as `Waybill-Position` gives it: the answer is held back (10 s at most, then 412) until it shows that.',
  pattern: '^[jlcr][0-9a-z.]*(_[jlcr][0-9a-z.]*){0,3}$',
  minLength: 1,
  maxLength: 12_000,
})

/** Problem details (RFC 9457). */
export const problem = Type.Object(
  {
    type: Type.String({ description: '`/docs#CODE`: where the code is explained, relative to the API.' }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String({ description: 'What is wrong here, or what to do.' }),
    code: Type.String({ description: 'Stable; docs/api.md lists them.' }),
    state: Type.Optional(Type.String({ description: 'Of the migration, where that is what was in the way.' })),
    errors: Type.Optional(
      Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }, closed), {
        description: 'What was wrong with the request; pointer is a JSON pointer (RFC 6901) into body, query or path.',
      }),
    ),
  },
  { ...closed, description: 'Problem details (RFC 9457).' },
)
export type Problem = Static<typeof problem>

export function pageOf<S extends TSchema>(entries: S) {
  return Type.Object(
    {
      entries: Type.Array(entries),
      next: orNull(Type.String({ description: 'Give it as `cursor` for the next page; null at the end.' })),
    },
    { ...closed, description: 'A page may hold fewer entries than asked for, and still have a next one.' },
  )
}
