// Every problem that the API can answer with (RFC 9457): the code is stable, docs/api.md lists them all.

export interface ProblemKind {
  readonly status: number
  readonly title: string
}

const kind = (status: number, title: string): ProblemKind => ({ status, title })

export const problemTable = {
  JSON_INVALID: kind(400, 'The body is no JSON that is accepted here.'),
  REQUEST_INVALID: kind(400, 'The request does not fit its schema.'),
  OPTIONS_CONFLICT: kind(400, 'The options contradict each other.'),
  LOCATION_INVALID: kind(400, 'A location is not of the form @connection/relative/path.'),
  CONNECTION_UNKNOWN: kind(400, 'The configuration has no such connection.'),
  LOCATION_ESCAPES: kind(400, 'A location leads out of its connection.'),
  LOCATIONS_OVERLAP: kind(400, 'Source and target lie within each other.'),
  CURSOR_INVALID: kind(400, 'The cursor was not given by this list.'),
  POSITION_INVALID: kind(400, 'The position is none of this log.'),
  TOKEN_MISSING: kind(401, 'A token is needed.'),
  TOKEN_INVALID: kind(401, 'The token is not known, revoked or expired.'),
  SCOPE_MISSING: kind(403, 'The token may not do this.'),
  HOST_REFUSED: kind(403, 'Without tokens only requests to the loopback address itself are answered.'),
  NOT_FOUND: kind(404, 'There is no such page.'),
  MIGRATION_UNKNOWN: kind(404, 'There is no such migration.'),
  ITEM_UNKNOWN: kind(404, 'The migration lists no item of this name.'),
  METHOD_NOT_ALLOWED: kind(405, 'The page does not take this method.'),
  NOT_ACCEPTABLE: kind(406, 'None of the forms that are accepted can be had.'),
  REQUEST_TIMEOUT: kind(408, 'The request did not arrive in time.'),
  STATE_CONFLICT: kind(409, 'The migration is in a state that does not allow this.'),
  MIGRATION_EXISTS: kind(409, 'There is a migration of this name.'),
  POSITION_NOT_REACHED: kind(412, 'The position was not folded in time.'),
  LIMITS_CHANGED: kind(412, 'The limits were changed meanwhile.'),
  BODY_TOO_LARGE: kind(413, 'The body is too large.'),
  ADDRESS_TOO_LONG: kind(414, 'The address is too long.'),
  MEDIA_TYPE_UNSUPPORTED: kind(415, 'Only application/json is taken.'),
  KEY_REUSED: kind(422, 'The Idempotency-Key was used for another request.'),
  TOO_MANY_REQUESTS: kind(429, 'Too many requests.'),
  HEADERS_TOO_LARGE: kind(431, 'The headers are too large.'),
  INTERNAL: kind(500, 'A mistake in waybill.'),
  LOG_UNAVAILABLE: kind(503, 'The log cannot be written or read now.'),
  TOO_MANY_STREAMS: kind(503, 'Too many streams are open.'),
  STOPPING: kind(503, 'The process is stopping.'),
} as const satisfies Readonly<Record<string, ProblemKind>>

export type ProblemCode = keyof typeof problemTable
