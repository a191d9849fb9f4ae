// Migrations as they are asked for and shown.
import Type, { type Static } from 'typebox'
import {
  closed,
  gigabytesPerHour,
  jobId,
  location,
  moment,
  orNull,
  priority,
  status,
  text,
  timetable,
  totals,
  whole,
} from './parts.ts'

const pairs = (description: string, maxProperties: number, valueMax: number) =>
  Type.Record(Type.String(), Type.String({ maxLength: valueMax }), {
    description,
    maxProperties,
    propertyNames: { maxLength: 128 },
  })

export const migrationRequest = Type.Object(
  {
    source_path: location,
    target_path: location,
    throughput_limit_gb_per_hour: Type.Optional(gigabytesPerHour),
    throughput_timetable: Type.Optional(timetable),
    max_parallel_workers: Type.Optional(whole('Workers at once, at most.', 1, 10_000)),
    priority: Type.Optional(priority),
    job_id: Type.Optional(jobId),
    source_peak_gb_per_hour: Type.Optional(
      Type.Number({
        description: 'What the source can deliver; a tenth of it is a hard limit.',
        minimum: 0.01,
        maximum: 1_000_000_000,
      }),
    ),
    expected_bytes: Type.Optional(
      whole(
        'What the source is believed to hold, for an estimate before it is listed. Nothing else follows from it.',
        1,
      ),
    ),
    chunk_bytes: Type.Optional(
      whole('Bytes that are leased, sent and proven together.', 5 * 1024 ** 2, 64 * 1024 ** 2),
    ),
    rules: Type.Optional(
      Type.Array(
        Type.Object(
          { action: Type.Enum(['include', 'exclude'], { type: 'string' }), glob: text('A glob over names.', 1024) },
          closed,
        ),
        { description: 'The first rule that matches decides; what none matches is moved.', maxItems: 500 },
      ),
    ),
    min_size_bytes: Type.Optional(whole('Smaller files are left out.', 1)),
    max_size_bytes: Type.Optional(whole('Larger files are left out.', 1)),
    modified_after: Type.Optional(
      Type.String({
        description: 'RFC 3339; files that were not modified after it are left out.',
        format: 'date-time',
        maxLength: 40,
      }),
    ),
    symlinks: Type.Optional(Type.Enum(['keep', 'skip'], { type: 'string' })),
    store_entries: Type.Optional(
      Type.Boolean({ description: 'On S3, links and empty directories become small objects.' }),
    ),
    overwrite: Type.Optional(
      Type.Enum(['never', 'different', 'always'], {
        type: 'string',
        description: 'Whether objects of others at the target may be replaced.',
      }),
    ),
    verify: Type.Optional(Type.Enum(['full', 'sample', 'none'], { type: 'string' })),
    sample_percent: Type.Optional(whole('With verify sample: share of the items that is read back.', 1, 99)),
    reconcile: Type.Optional(Type.Enum(['listing', 'full', 'none'], { type: 'string' })),
    max_errors: Type.Optional(
      Type.String({
        description: 'Failed items (`100`) or share of all items (`0.5%`) at which the migration pauses.',
        pattern: '^([1-9][0-9]{0,11}|[0-9]{1,2}(\\.[0-9]{1,6})?%)$',
        maxLength: 16,
      }),
    ),
    storage_class: Type.Optional(text('Of every object at an S3 target.', 64)),
    sse: Type.Optional(Type.Enum(['AES256', 'aws:kms', 'aws:kms:dsse'], { type: 'string' })),
    sse_kms_key_id: Type.Optional(
      Type.String({ description: 'Id or ARN of the key.', pattern: '^[!-~]+$', minLength: 1, maxLength: 2048 }),
    ),
    metadata: Type.Optional(pairs('Metadata of every object at an S3 target.', 100, 1536)),
    tags: Type.Optional(pairs('Tags of every object at an S3 target.', 10, 256)),
  },
  { ...closed, description: 'What to move, and how. What is left out has the default of the command line.' },
)
export type MigrationRequest = Static<typeof migrationRequest>

export const migrationAccepted = Type.Object(
  {
    job_id: jobId,
    status,
    estimated_completion_at: orNull(moment),
  },
  { ...closed, description: 'The request is in the log.' },
)
export type MigrationAccepted = Static<typeof migrationAccepted>

const control = Type.Object(
  { by: Type.String(), reason: Type.String(), code: orNull(Type.String()) },
  { ...closed, description: 'Who paused, resumed or cancelled last, and why.' },
)

export const migration = Type.Object(
  {
    job_id: jobId,
    status,
    total_bytes: whole('Bytes to move; so far, until the listing is complete.'),
    bytes_transferred: whole('Bytes written to the target.'),
    bytes_verified: whole('Bytes read back from the target and found equal.'),
    chunks_total: whole('Chunks of what was listed so far.'),
    chunks_complete: whole('Chunks read back and found equal.'),
    estimated_completion_at: orNull(moment),
    last_failure_reason: orNull(Type.String()),
    source_path: Type.String(),
    target_path: Type.String(),
    priority,
    throughput_limit_gb_per_hour: orNull(Type.Number()),
    throughput_timetable: orNull(Type.String()),
    source_peak_gb_per_hour: orNull(Type.Number()),
    max_parallel_workers: orNull(Type.Integer()),
    phase: Type.String({ description: 'What is being done, in one word.' }),
    limited_by: Type.String({ description: 'What limits it now, in words.' }),
    is_listing_complete: Type.Boolean(),
    pass: whole('Number of the pass; 0 before the first.'),
    passes_complete: whole('Passes that came to their end.'),
    items: totals,
    items_listed: whole('Items listed so far.'),
    chunks_failed: whole('Chunks that were given up.'),
    chunks_in_flight: whole('Chunks that workers hold now.'),
    measured_bytes_per_second: orNull(Type.Number({ description: 'Written over the last minutes.' })),
    source_bytes_read: whole('Bytes read at the source.'),
    target_bytes_written: whole('Bytes sent to the target.'),
    target_bytes_read: whole('Bytes read back from the target.'),
    control: orNull(control),
  },
  { ...closed, description: 'A migration as the log stands at `Waybill-Position`.' },
)
export type Migration = Static<typeof migration>

export const command = Type.Object(
  { reason: text('Why, for those who read the log later.', 500) },
  { ...closed, description: 'A command is an event with its actor and its reason.' },
)

export const limitsChange = Type.Object(
  {
    throughput_limit_gb_per_hour: Type.Optional(
      Type.Union([gigabytesPerHour, Type.Literal('unlimited')], { description: 'GB an hour, or "unlimited".' }),
    ),
    throughput_timetable: Type.Optional(timetable),
    source_peak_gb_per_hour: Type.Optional(
      Type.Union([Type.Number({ minimum: 0.01, maximum: 1_000_000_000 }), Type.Literal('unknown')], {
        description: 'GB an hour, or "unknown".',
      }),
    ),
    max_parallel_workers: Type.Optional(
      Type.Union([whole('Workers at once.', 1, 10_000), Type.Literal('unlimited')], {
        description: 'Workers at once, or "unlimited".',
      }),
    ),
    priority: Type.Optional(priority),
    reason: Type.Optional(text('Why.', 500)),
  },
  { ...closed, minProperties: 1, description: 'What is left out stays as it is.' },
)
export type LimitsChange = Static<typeof limitsChange>
