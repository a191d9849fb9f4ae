// Chunks of a migration: lists, counts for a heat map, and those that failed.
import { keyOf, parseChunkKey } from '#libs/domain/keys'
import type { KeyedRow } from '#libs/projection/row-reader'
import { type Chunk, type ChunkStatus, chunkStatuses } from '#schemas/api/findings'
import type { ChunkRow } from '#schemas/rows'
import { type Handler, told } from './calls.ts'
import type { ApiContext } from './context.ts'
import { knownJob } from './job-sight.ts'
import { entriesOf } from './migrations.ts'

/** Rows looked at for one answer, whatever the filters leave of them. */
const lookedAtMax = 20_000
const rowsAtOnce = 1_000

export function chunkStatusOf(row: ChunkRow): ChunkStatus {
  if (row.entries > 0 && row.superseded.length >= row.entries) return 'superseded'
  if (row.local === 'failed') return 'failed'
  if (row.local === 'transferred' && row.round > 0) return isDisproved(row) ? 'failed' : 'verified'
  return row.local === 'unknown' ? 'planned' : row.local
}

/** A reading found an extent that is not equal, and nothing has taken its place yet. */
export function isDisproved({ disproved, superseded }: ChunkRow): boolean {
  return disproved.some(({ index }) => !superseded.some((extent) => extent.index === index))
}

const idOf = (key: string): string => parseChunkKey(key).chunk

function chunkOf({ key, row }: KeyedRow<'chunk'>): Chunk {
  return {
    chunk_id: idOf(key),
    status: chunkStatusOf(row),
    bytes: row.bytes,
    entries: row.entries,
    attempt: row.attempt,
    failures: row.failures,
    code: row.code ?? row.disproved[0]?.code ?? row.noted[0]?.code ?? null,
    partition: Math.max(0, row.partition),
    round: row.round,
  }
}

export interface ChunkScan {
  readonly rows: readonly KeyedRow<'chunk'>[]
  /** Key of the row that was looked at last; null: the end was reached. */
  readonly next: string | null
}

/** Rows that are wanted, at most `limit`, behind the key `after`; looks at a bounded number of rows. */
export async function scanChunks(
  { projection }: Pick<ApiContext, 'projection'>,
  job: string,
  options: {
    readonly after: string | undefined
    readonly limit: number
    readonly isWanted: (row: ChunkRow) => boolean
  },
): Promise<ChunkScan> {
  const found: KeyedRow<'chunk'>[] = []
  let after = options.after
  for (let lookedAt = 0; lookedAt < lookedAtMax; ) {
    const rows = await projection.rows.slice('chunk', `chunk/${job}/`, rowsAtOnce, after)
    for (const entry of rows) {
      after = entry.key
      if (options.isWanted(entry.row)) found.push(entry)
      if (found.length >= options.limit) return { rows: found, next: entry.key }
    }
    lookedAt += rows.length
    if (rows.length < rowsAtOnce) return { rows: found, next: null }
  }
  return { rows: found, next: after ?? null }
}

/** Keys of one migration have one beginning: only what follows it stands in a cursor. */
function openCursor(context: ApiContext, list: string, job: string, cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : keyOf.chunk(job, context.cursors.open(list, cursor))
}

export const listChunks: Handler<'listChunks'> = async ({ params, query }, { context }) => {
  const job = params.job_id
  await knownJob(context, job)
  const list = `chunks ${job} ${query.status ?? ''}`
  const { rows, next } = await scanChunks(context, job, {
    after: openCursor(context, list, job, query.cursor),
    limit: entriesOf(query.limit),
    isWanted: (row) => row.local !== 'unknown' && (query.status === undefined || chunkStatusOf(row) === query.status),
  })
  return told(200, {
    entries: rows.map(chunkOf),
    next: next === null ? null : context.cursors.seal(list, idOf(next)),
  })
}

const noCounts = (): Record<ChunkStatus, number> =>
  Object.fromEntries(chunkStatuses.map((status) => [status, 0])) as Record<ChunkStatus, number>

interface Bucket {
  readonly first_chunk: string
  last_chunk: string
  chunks: number
  bytes: number
  readonly by_status: Record<ChunkStatus, number>
}

function bucketsOf(rows: readonly KeyedRow<'chunk'>[], size: number): readonly Bucket[] {
  const buckets: Bucket[] = []
  for (const { key, row } of rows) {
    const id = idOf(key)
    let bucket = buckets.at(-1)
    if (bucket === undefined || bucket.chunks >= size) {
      bucket = { first_chunk: id, last_chunk: id, chunks: 0, bytes: 0, by_status: noCounts() }
      buckets.push(bucket)
    }
    bucket.last_chunk = id
    bucket.chunks += 1
    bucket.bytes += row.bytes
    bucket.by_status[chunkStatusOf(row)] += 1
  }
  return buckets
}

const bucketDefault = 100

export const sumChunks: Handler<'sumChunks'> = async ({ params, query }, { context }) => {
  const job = params.job_id
  const { tally } = await knownJob(context, job)
  const size = query.bucket_chunks === undefined ? bucketDefault : Number(query.bucket_chunks)
  const list = `chunk-sums ${job} ${size}`
  // Whole buckets, as many as one look at the rows gives.
  const limit = Math.max(size, Math.floor(Math.min(entriesOf(query.limit) * size, lookedAtMax) / size) * size)
  const { rows, next } = await scanChunks(context, job, {
    after: openCursor(context, list, job, query.cursor),
    limit,
    isWanted: (row) => row.local !== 'unknown',
  })
  return told(200, {
    job_id: job,
    totals: {
      named: tally.chunksNamed,
      planned: tally.chunksPlanned,
      leased: tally.chunksLeased,
      transferred: tally.chunksTransferred,
      verified: tally.chunksVerified,
      failed: tally.chunksFailed,
    },
    buckets: bucketsOf(rows, size),
    next: next === null ? null : context.cursors.seal(list, idOf(next)),
  })
}
