// GET /migrations/{job_id}/report: the verdict with the failed chunks as JSON, or the whole report in another form.
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { verdictOf } from '#libs/domain/job-control'
import { parseChunkKey } from '#libs/domain/keys'
import { showName } from '#libs/domain/name-text'
import { readWholeChunk } from '#libs/projection/item-reader'
import { createBufferedSink, makeReportFolder, type Sink, writeWholeFile } from '#libs/report/output'
import { renderReport } from '#libs/report/render'
import type { FailedChunk } from '#schemas/api/findings'
import type { Asked } from '#schemas/api/routes'
import type { ChunkRow } from '#schemas/rows'
import { type Call, type Handler, type Told, told } from './calls.ts'
import { isDisproved, scanChunks } from './chunks.ts'
import type { ApiContext } from './context.ts'
import { accepts } from './forms.ts'
import { type JobSight, knownJob } from './job-sight.ts'
import { entriesOf } from './migrations.ts'
import { ApiProblem } from './problems.ts'

const isFailed = (row: ChunkRow): boolean =>
  row.superseded.length < row.entries && (row.local === 'failed' || isDisproved(row))

const hexOrNull = (digest: Buffer | undefined): string | null =>
  digest === undefined || digest.length === 0 ? null : digest.toString('hex')

/** What failed in a chunk, with both digests, from its events. */
async function failedChunk({ log }: ApiContext, key: string, row: ChunkRow): Promise<FailedChunk> {
  const { chunk } = parseChunkKey(key)
  const { planned, entries, proofs } = await readWholeChunk(log, row)
  const gone = new Set(row.superseded.map(({ index }) => index))
  const wrong = new Map(row.disproved.map((exception) => [exception.index, exception]))
  const items = planned.extents.flatMap((extent, index): FailedChunk['items'] => {
    const exception = wrong.get(index)
    if (gone.has(index) || (row.local !== 'failed' && exception === undefined)) return []
    return [
      {
        name: showName(extent.name),
        offset: extent.offset,
        length: extent.length,
        outcome: row.local === 'failed' ? 'failed' : (exception?.outcome ?? 'failed'),
        code: exception?.code ?? row.code,
        source_checksum: hexOrNull(proofs[index]?.expected ?? entries[index]?.digest),
        target_checksum: exception === undefined ? null : hexOrNull(proofs[index]?.digest),
      },
    ]
  })
  const [first] = items
  return {
    chunk_id: chunk,
    source_checksum: first?.source_checksum ?? null,
    target_checksum: first?.target_checksum ?? null,
    code: first?.code ?? row.code,
    items,
  }
}

/** Nothing says that a chunk failed: no row need be looked at. */
function hasNoFailure({ tally }: JobSight): boolean {
  const { mismatched, missing, unverifiable, chunksFailed } = tally
  return chunksFailed + mismatched.items + missing.items + unverifiable.items + tally.owed === 0
}

async function summary({ params, query }: Asked<'showReport'>, { context }: Call): Promise<Told> {
  const job = params.job_id
  const sight = await knownJob(context, job)
  const { row, tally } = sight
  const list = `failed ${job}`
  const after = query.cursor === undefined ? undefined : context.cursors.open(list, query.cursor)
  const scan = hasNoFailure(sight)
    ? { rows: [], next: null }
    : await scanChunks(context, job, { after, limit: entriesOf(query.limit), isWanted: isFailed })
  const failed: FailedChunk[] = []
  for (const { key, row: chunk } of scan.rows) failed.push(await failedChunk(context, key, chunk))
  const disproved = scan.rows.filter(({ row: chunk }) => chunk.local !== 'failed').length
  const verdict = row === undefined ? null : verdictOf(row, tally)
  return told(200, {
    job_id: job,
    overall_status: verdict?.status ?? 'in_progress',
    chunks_verified: Math.max(0, tally.chunksVerified - disproved),
    chunks_failed: tally.chunksFailed + disproved,
    failed_chunks: failed,
    next: scan.next === null ? null : context.cursors.seal(list, scan.next),
    sentence: verdict?.sentence ?? 'Asked for and not begun.',
    pass: row?.pass ?? 0,
  })
}

/** Reports made at the same time: each reads the whole migration. */
const makingMax = 2
const making = new WeakMap<ApiContext, number>()

const endings = { 'application/x-ndjson': 'ndjson', 'text/csv': 'csv', 'text/html': 'html' } as const

async function whole(call: Call, job: string, form: keyof typeof endings): Promise<'taken'> {
  const { context, reply, signal } = call
  const { reports, scratchFolder } = context
  if (reports === null)
    throw new ApiProblem('NOT_ACCEPTABLE', { detail: 'this process makes no reports; JSON can be had' })
  const sight = await knownJob(context, job)
  if (sight.row === undefined || sight.row.pass === 0)
    throw new ApiProblem('STATE_CONFLICT', { state: sight.status, detail: 'nothing was listed yet' })
  const busy = making.get(context) ?? 0
  if (busy >= makingMax) throw new ApiProblem('TOO_MANY_REQUESTS', { headers: { 'retry-after': '10' } })
  making.set(context, busy + 1)
  const path = join(scratchFolder, `report-${randomBytes(8).toString('hex')}.ndjson`)
  try {
    await makeReportFolder(scratchFolder, 0o700)
    await writeWholeFile(path, (sink) => reports.writeMaster(job, sink))
    const { raw } = reply
    reply.hijack()
    raw.writeHead(200, {
      ...Object.fromEntries(Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined)),
      'content-type': `${form}; charset=utf-8`,
      'content-disposition': `attachment; filename="${job}.${endings[form]}"`,
    })
    const sink = createBufferedSink((bytes) => send(call, bytes))
    await renderReport(sink as Sink, { form: endings[form], path, masterName: `${job}.ndjson` })
    await sink.end()
    raw.end()
  } catch (error) {
    if (!reply.sent) throw error
    // Half of an answer is out: only the broken connection tells the client.
    reply.raw.destroy()
    if (!signal.aborted) context.logger.warn({ error: String(error) }, 'report was cut off')
  } finally {
    making.set(context, (making.get(context) ?? 1) - 1)
    await rm(path, { force: true })
  }
  return 'taken'
}

/** Waits while the client takes less than is written. */
async function send({ reply, context, signal }: Call, bytes: Buffer): Promise<void> {
  const { raw } = reply
  if (raw.destroyed || signal.aborted) throw new Error('the client went away')
  if (raw.write(Buffer.from(bytes))) return
  while (raw.writableNeedDrain && !raw.destroyed) await context.clock.sleep(10, signal)
}

export const showReport: Handler<'showReport'> = (asked, call) => {
  const forms = ['application/json', 'application/x-ndjson', 'text/csv', 'text/html'] as const
  const form = accepts(call.request.headers.accept, forms)
  return form === 'application/json' ? summary(asked, call) : whole(call, asked.params.job_id, form)
}
