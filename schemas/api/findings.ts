// Reports, chunks, items and findings of a migration.
import Type, { type Static } from 'typebox'
import { closed, jobId, moment, orNull, outcome, status, whole } from './parts.ts'

const digest = orNull(Type.String({ description: 'SHA-256, hexadecimal; null: nothing could be read.' }))

export const failedChunk = Type.Object(
  {
    chunk_id: Type.String(),
    source_checksum: digest,
    target_checksum: digest,
    code: orNull(Type.String()),
    items: Type.Array(
      Type.Object(
        {
          name: Type.String({ description: 'As people can read it; bytes that are no text are written %HH.' }),
          offset: Type.Integer(),
          length: Type.Integer(),
          outcome,
          code: orNull(Type.String()),
          source_checksum: digest,
          target_checksum: digest,
        },
        closed,
      ),
      { description: 'What failed in the chunk: one range of a large item, or whole small ones.' },
    ),
  },
  closed,
)
export type FailedChunk = Static<typeof failedChunk>

export const integrityReport = Type.Object(
  {
    job_id: jobId,
    overall_status: Type.Enum(['pass', 'fail', 'in_progress'], { type: 'string' }),
    chunks_verified: whole('Chunks read back.'),
    chunks_failed: whole('Chunks given up, or different at the target.'),
    failed_chunks: Type.Array(failedChunk),
    next: orNull(Type.String({ description: 'Give it as `cursor` for more failed chunks; null at the end.' })),
    sentence: Type.String({ description: 'The verdict in one sentence.' }),
    pass: whole('Pass that is reported.'),
  },
  { ...closed, description: 'The signed report, with one line an item, is had with Accept: application/x-ndjson.' },
)
export type IntegrityReport = Static<typeof integrityReport>

export const chunkStatuses = ['planned', 'leased', 'transferred', 'verified', 'failed', 'superseded'] as const
export type ChunkStatus = (typeof chunkStatuses)[number]
export const chunkStatus = Type.Enum([...chunkStatuses], { type: 'string' })

export const chunk = Type.Object(
  {
    chunk_id: Type.String(),
    status: chunkStatus,
    bytes: whole('Bytes of the chunk.'),
    entries: whole('Items in it; 1 for a range of a large item.'),
    attempt: whole('How often it was leased.'),
    failures: whole('Attempts that failed and count.'),
    code: orNull(Type.String({ description: 'Of the last failure.' })),
    partition: whole('Partition of the log that holds it.'),
    round: whole('Last reading of the target that covered it; 0: none.'),
  },
  closed,
)
export type Chunk = Static<typeof chunk>

const chunkCounts = Type.Object(
  Object.fromEntries(chunkStatuses.map((word) => [word, Type.Integer({ minimum: 0 })])),
  closed,
)

export const chunkSummary = Type.Object(
  {
    job_id: jobId,
    totals: Type.Object(
      {
        named: Type.Integer(),
        planned: Type.Integer(),
        leased: Type.Integer(),
        transferred: Type.Integer(),
        verified: Type.Integer(),
        failed: Type.Integer(),
      },
      { ...closed, description: 'Over all chunks: how many reached each state.' },
    ),
    buckets: Type.Array(
      Type.Object(
        {
          first_chunk: Type.String(),
          last_chunk: Type.String(),
          chunks: Type.Integer(),
          bytes: Type.Integer(),
          by_status: chunkCounts,
        },
        closed,
      ),
      { description: 'Neighbouring chunks in the order of the listing: the cells of a heat map.' },
    ),
    next: orNull(Type.String()),
  },
  closed,
)

export const item = Type.Object(
  {
    name: Type.String({ description: 'As people can read it; bytes that are no text are written %HH.' }),
    name_base64: Type.String({ description: 'The name itself.' }),
    kind: Type.Enum(['file', 'directory', 'symlink', 'special'], { type: 'string' }),
    size: whole('Bytes.'),
    outcome,
    code: orNull(Type.String()),
    generation: whole('How often it was planned.'),
    chunk: orNull(Type.String({ description: 'First chunk; null: nothing of it is moved.' })),
  },
  closed,
)
export type Item = Static<typeof item>

export const itemStory = Type.Object(
  {
    job_id: jobId,
    item,
    passes: Type.Array(Type.Object({ pass: Type.Integer(), page: Type.Integer(), generation: Type.Integer() }, closed)),
    generations: Type.Array(
      Type.Object(
        {
          generation: Type.Integer(),
          outcome,
          code: orNull(Type.String()),
          events: Type.Array(
            Type.Object(
              {
                type: Type.String(),
                at: moment,
                position: Type.String({ description: 'topic/partition:position' }),
                chunk: orNull(Type.String()),
                code: orNull(Type.String()),
              },
              closed,
            ),
          ),
        },
        closed,
      ),
    ),
  },
  { ...closed, description: 'The whole history of one item, from the log.' },
)
export type ItemStory = Static<typeof itemStory>

export const finding = Type.Object(
  {
    code: Type.String(),
    count: whole('How often.'),
    kind: Type.Enum(['attempt', 'target', 'listing', 'directory', 'log'], {
      type: 'string',
      description:
        'attempt: tries that failed and notes about items; target: found by the probe; listing: found while listing; directory: could not be finished; log: a record that does not decode.',
    }),
    help: orNull(Type.String({ description: 'What it means and what to do.' })),
  },
  closed,
)
export type Finding = Static<typeof finding>

export const migrationEntry = Type.Object(
  {
    job_id: jobId,
    status,
    source_path: Type.String(),
    target_path: Type.String(),
    priority: Type.String(),
    total_bytes: whole('Bytes to move; so far, until the listing is complete.'),
    bytes_transferred: whole('Bytes written to the target.'),
    bytes_verified: whole('Bytes read back and found equal.'),
    chunks_total: whole('Chunks of what was listed so far.'),
    chunks_complete: whole('Chunks read back and found equal.'),
    estimated_completion_at: orNull(moment),
    last_failure_reason: orNull(Type.String()),
  },
  closed,
)
export type MigrationEntry = Static<typeof migrationEntry>
