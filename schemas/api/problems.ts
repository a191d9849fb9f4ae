// Every problem that the API can answer with (RFC 9457): the code is stable, docs/api.md lists them all.

export interface ProblemKind {
  readonly status: number
  readonly title: string
  /** What to do, where the place that found it says nothing of its own. */
  readonly help: string
}

const kind = (status: number, title: string, help: string): ProblemKind => ({ status, title, help })

export const problemTable = {
  JSON_INVALID: kind(
    400,
    'The body is no JSON that is accepted here.',
    'Send one JSON object: each name once, nested at most 16 levels, in UTF-8.',
  ),
  REQUEST_INVALID: kind(400, 'The request does not fit its schema.', 'Compare it with /openapi.json or /docs.'),
  OPTIONS_CONFLICT: kind(400, 'The options contradict each other.', 'Leave one of them out.'),
  LOCATION_INVALID: kind(
    400,
    'A location is not of the form @connection/relative/path.',
    'GET /system tells the names of the connections that there are.',
  ),
  CONNECTION_UNKNOWN: kind(
    400,
    'The configuration has no such connection.',
    'GET /system tells the names of the connections that there are.',
  ),
  LOCATION_ESCAPES: kind(
    400,
    'A location leads out of its connection.',
    'Name a place below the connection, or have the operator configure another connection.',
  ),
  LOCATIONS_OVERLAP: kind(400, 'Source and target lie within each other.', 'Choose another target.'),
  CURSOR_INVALID: kind(
    400,
    'The cursor was not given by this list.',
    'Begin again without a cursor, or give the `next` of the page before with the same filters.',
  ),
  POSITION_INVALID: kind(
    400,
    'The position is none of this log.',
    'Give a Waybill-Position that an answer of this log carried, unchanged.',
  ),
  TOKEN_MISSING: kind(
    401,
    'A token is needed.',
    'Send it as Authorization: Bearer TOKEN; `waybill tokens create` makes one.',
  ),
  TOKEN_INVALID: kind(401, 'The token is not known, revoked or expired.', '`waybill tokens create` makes a new one.'),
  SCOPE_MISSING: kind(403, 'The token may not do this.', '/docs tells the scope of each route.'),
  HOST_REFUSED: kind(
    403,
    'Without tokens only requests to the loopback address itself are answered.',
    'Use http://localhost or http://127.0.0.1 as the address, or configure tokens.',
  ),
  NOT_FOUND: kind(404, 'There is no such page.', '/docs lists all pages.'),
  MIGRATION_UNKNOWN: kind(
    404,
    'There is no such migration.',
    'GET /migrations lists those that there are. A request that was refused leaves none.',
  ),
  ITEM_UNKNOWN: kind(
    404,
    'The migration lists no item of this name.',
    'Give the name as GET /migrations/{job_id}/items shows it, relative to the source.',
  ),
  METHOD_NOT_ALLOWED: kind(405, 'The page does not take this method.', 'The header Allow names those that it takes.'),
  NOT_ACCEPTABLE: kind(406, 'None of the forms that are accepted can be had.', 'Ask for application/json.'),
  REQUEST_TIMEOUT: kind(
    408,
    'The request did not arrive in time.',
    'Send it whole within 15 s, over a new connection.',
  ),
  STATE_CONFLICT: kind(
    409,
    'The migration is in a state that does not allow this.',
    'Look at the migration, and ask again when its state allows it.',
  ),
  MIGRATION_EXISTS: kind(409, 'There is a migration of this name.', 'Give another job_id, or ask for a retry of it.'),
  POSITION_NOT_REACHED: kind(
    412,
    'The position was not folded in time.',
    'Ask again after Retry-After, or without min_position.',
  ),
  LIMITS_CHANGED: kind(
    412,
    'The limits were changed meanwhile.',
    'Read the migration again, and send its ETag with the change.',
  ),
  BODY_TOO_LARGE: kind(413, 'The body is too large.', 'A body has 64 KiB at most.'),
  MEDIA_TYPE_UNSUPPORTED: kind(415, 'Only application/json is taken.', 'Send content-type: application/json.'),
  KEY_REUSED: kind(422, 'The Idempotency-Key was used for another request.', 'Use a new key for another request.'),
  TOO_MANY_REQUESTS: kind(429, 'Too many requests.', 'Ask again after Retry-After.'),
  HEADERS_TOO_LARGE: kind(431, 'The headers are too large.', 'Address and headers together have 64 KiB at most.'),
  INTERNAL: kind(500, 'A mistake in waybill.', 'The log of the process tells what happened.'),
  LOG_UNAVAILABLE: kind(
    503,
    'The log cannot be written or read now.',
    'Ask again after Retry-After; /readyz tells when it works.',
  ),
  TOO_MANY_STREAMS: kind(
    503,
    'Too many streams are open.',
    'End streams that are not needed, or ask again after Retry-After.',
  ),
  STOPPING: kind(503, 'The process is stopping.', 'Ask another process, or this one when it is back.'),
} as const satisfies Readonly<Record<string, ProblemKind>>

export type ProblemCode = keyof typeof problemTable
