// The process itself: workers that report, health, and what an administrator wants to know.
import { parseChunkKey } from '#libs/domain/keys'
import type { System, Worker } from '#schemas/api/system'
import type { Handler } from './calls.ts'
import { told } from './calls.ts'
import type { ApiContext } from './context.ts'
import { entriesOf } from './migrations.ts'

const rowsMax = 10_000

/** Chunk partitions by writer, with the chunks leased under its claim. */
async function holdings({
  projection,
}: ApiContext): Promise<ReadonlyMap<string, { partitions: number[]; leased: string[] }>> {
  const held = new Map<string, { partitions: number[]; leased: string[] }>()
  for (const { key, row } of await projection.rows.slice('partition', 'partition/chunks/', rowsMax)) {
    const own = held.get(row.writer) ?? { partitions: [], leased: [] }
    own.partitions.push(Number(key.slice(key.lastIndexOf('/') + 1)))
    own.leased.push(...row.leased)
    held.set(row.writer, own)
  }
  return held
}

const jobOf = (worker: string): string | null => {
  const slash = worker.indexOf('/')
  return slash < 0 ? null : worker.slice(slash + 1)
}

export const listWorkers: Handler<'listWorkers'> = async ({ query }, { context }) => {
  const { rows } = context.projection
  const wanted = entriesOf(query.limit)
  const after = query.cursor === undefined ? undefined : `report/${context.cursors.open('workers', query.cursor)}`
  const reports = await rows.slice('report', 'report/', wanted, after)
  const grants = await rows.getMany(reports.map(({ row }) => `grant/${row.worker}`))
  const held = await holdings(context)
  const entries = reports.map(({ row }, index): Worker => {
    const grant = grants[index]
    const own = held.get(row.worker.split('/')[0] ?? '') ?? held.get(row.worker)
    const job = jobOf(row.worker)
    const leased = (own?.leased ?? []).filter((key) => job === null || parseChunkKey(key).job === job)
    return {
      worker: row.worker,
      source: row.source,
      has_work: row.hasWork,
      read_bytes_per_second: row.readBytesPerSecond,
      granted_bytes_per_second:
        grant === undefined ? null : (grant as { bytesPerSecond: number | null }).bytesPerSecond,
      has_grant: grant !== undefined,
      partitions: own?.partitions ?? [],
      chunks_in_flight: leased.length,
    }
  })
  const last = reports.length < wanted ? undefined : reports.at(-1)
  return told(200, {
    entries,
    next: last === undefined ? null : context.cursors.seal('workers', last.key.slice('report/'.length)),
  })
}

/** Events that the log holds and the projection has not folded; null: the log does not answer. */
export async function lagOf({ log, projection, logger }: ApiContext): Promise<number | null> {
  try {
    const ends = await log.ends()
    const folded = projection.positions()
    // Positions may have gaps: this is at most so many.
    return [...ends].reduce((sum, [id, next]) => sum + Math.max(0, next - (folded.get(id) ?? 0)), 0)
  } catch (error) {
    logger.warn({ error: String(error) }, 'log gives no ends')
    return null
  }
}

const sourcesMax = 100

export const showSystem: Handler<'showSystem'> = async (_asked, { context }) => {
  const { projection, clock, startedAt } = context
  const { folded, stale, poison } = projection.counts()
  const { rss, heapUsed } = process.memoryUsage()
  const rates = await projection.rows.slice('rate', 'rate/', sourcesMax)
  const body: System = {
    software: context.software,
    process: context.process,
    started_at: new Date(startedAt).toISOString(),
    uptime_seconds: Math.max(0, (clock.now() - startedAt) / 1000),
    log: { partitions: { ...context.partitionCounts }, folded, stale, poison, lag: await lagOf(context) },
    memory: { resident_bytes: rss, heap_bytes: heapUsed },
    connections: [...context.connections.values()].map(({ name, place }) => ({ name, kind: place.kind })),
    streams: context.streams.count,
    sources: rates.map(({ key, row }) => ({
      source: decodeURIComponent(key.slice('rate/'.length)),
      bytes_per_second: row.bytesPerSecond,
      reason: row.reason,
    })),
  }
  return told(200, body)
}

export const showLiveness: Handler<'showLiveness'> = () =>
  Promise.resolve(told(200, { status: 'ok', lag: null, reason: null }))

export const showReadiness: Handler<'showReadiness'> = async (_asked, { context }) => {
  const reason = await context.unreadyReason()
  return told(reason === null ? 200 : 503, { status: reason === null ? 'ok' : 'not_ready', lag: null, reason })
}
