// Events, workers and the state of the process itself.
import Type, { type Static } from 'typebox'
import { closed, moment, orNull, whole } from './parts.ts'

export const loggedEvent = Type.Object(
  {
    type: Type.String(),
    topic: Type.Enum(['jobs', 'listings', 'chunks', 'rates'], { type: 'string' }),
    partition: Type.Integer({ minimum: 0 }),
    position: Type.Integer({ minimum: 0 }),
    at: moment,
    writer: Type.String(),
    sequence: Type.Integer(),
    software: Type.String(),
    event: Type.Record(Type.String(), Type.Unknown(), {
      description:
        'The fields of docs/events.md; bytes are base64. A list of more than 100 entries is cut, and `truncated` names it.',
    }),
    truncated: Type.Array(Type.String()),
  },
  closed,
)
export type LoggedEvent = Static<typeof loggedEvent>

export const worker = Type.Object(
  {
    worker: Type.String({ description: 'PROCESS/JOB where it reports for one migration.' }),
    source: Type.String(),
    has_work: Type.Boolean(),
    read_bytes_per_second: Type.Number(),
    granted_bytes_per_second: orNull(Type.Integer({ description: 'null: unlimited, or nothing granted.' })),
    has_grant: Type.Boolean(),
    partitions: Type.Array(Type.Integer(), { description: 'Chunk partitions it holds.' }),
    chunks_in_flight: whole('Chunks leased under its claims.'),
  },
  closed,
)
export type Worker = Static<typeof worker>

export const system = Type.Object(
  {
    software: Type.String(),
    process: Type.String(),
    started_at: moment,
    uptime_seconds: Type.Number(),
    log: Type.Object(
      {
        partitions: Type.Record(Type.String(), Type.Integer()),
        folded: Type.Integer({ description: 'Events folded since the start.' }),
        stale: Type.Integer(),
        poison: Type.Integer(),
        lag: orNull(Type.Integer({ description: 'Events not folded yet; null: the log does not answer.' })),
      },
      closed,
    ),
    memory: Type.Object({ resident_bytes: Type.Integer(), heap_bytes: Type.Integer() }, closed),
    connections: Type.Array(
      Type.Object({ name: Type.String(), kind: Type.Enum(['files', 's3'], { type: 'string' }) }, closed),
      { description: 'What `@name` may be in a location; where they lead is told to no client.' },
    ),
    streams: whole('Readers of event streams.'),
    sources: Type.Array(
      Type.Object({ source: Type.String(), bytes_per_second: orNull(Type.Integer()), reason: Type.String() }, closed),
      { description: 'The rate decided for each source, and why.' },
    ),
  },
  closed,
)
export type System = Static<typeof system>

export const health = Type.Object(
  {
    status: Type.Enum(['ok', 'not_ready'], { type: 'string' }),
    lag: orNull(Type.Integer()),
    reason: orNull(Type.String()),
  },
  closed,
)
