// The first line of a report: what the log and the store know about the run as a whole.
import { keyOf } from '#libs/domain/keys'
import type { PassState } from '#libs/domain/report'
import { emptyListing, emptyTally } from '#libs/domain/rows'
import { codesSince } from '#libs/domain/tally'
import type { EventLog } from '#libs/log/event-log'
import { type ReportFacts, reportMembers } from '#libs/report/header'
import type { JobRow, ListingRow, TallyRow } from '#schemas/rows'
import { readEvent } from './event-reader.ts'
import type { RowReader } from './row-reader.ts'

export interface FactSources {
  readonly job: string
  readonly rows: RowReader
  readonly log: EventLog
  readonly software: string
  /** Who read back. */
  readonly readers: readonly string[]
  readonly hasOwnCredentials: boolean
  readonly state: PassState
  /** ms since 1970; null while the run goes on. */
  readonly endedAt: number | null
}

const isoTime = (ms: number): string => new Date(ms).toISOString()

/** When the job was accepted, in ms since 1970. */
async function startOf(log: EventLog, { acceptedIn: partition, acceptedAt: position }: JobRow): Promise<number> {
  const event = await readEvent(log, 'JobAccepted', { topic: 'jobs', partition, position })
  return event.at
}

/** Directories that could not be finished, counted by reason. */
function directoryNotes({ directoriesFailed }: ListingRow): readonly string[] {
  const counts = new Map<string, number>()
  for (const code of directoriesFailed) counts.set(code, (counts.get(code) ?? 0) + 1)
  return [...counts].map(([code, count]) => `mode, owner or times of ${count} directories not set: ${code}`)
}

function reconciliationOf(job: JobRow, listing: ListingRow): ReportFacts['reconciliation'] {
  const { reconcile } = job.request
  const { compared } = listing
  if (reconcile === 'none' || !compared.isDone) return null
  const samples = compared.strangerSamples.map((key) => key.toString('base64'))
  const { objects, bytes, differing, strangers } = compared
  return { mode: reconcile, objects, bytes, differing, strangers, stranger_samples: samples }
}

/** What was found since the pass before ended; what the probe said of the target counts once. */
function findingsOf(job: JobRow, tally: TallyRow): Record<string, number> {
  const since = codesSince(tally.codes, job.codesBefore)
  const findings: Record<string, number> = Object.fromEntries(since.map(({ code, count }) => [code, count]))
  for (const code of job.findings) findings[code] = (findings[code] ?? 0) + 1
  return findings
}

/** Facts for the report's header. @throws what the log and the store throw. */
export async function reportFacts(from: FactSources): Promise<ReportFacts> {
  const { job: name, rows, log, state } = from
  const job = await rows.get(keyOf.job(name))
  if (job === undefined) throw new Error(`job ${name} has no row`)
  const listing = (await rows.get(keyOf.listing(name, job.pass))) ?? emptyListing
  const tally = (await rows.get(keyOf.tally(name))) ?? emptyTally
  const { request } = job
  return {
    job: name,
    pass: job.pass,
    state,
    software: from.software,
    started_at: isoTime(await startOf(log, job)),
    ended_at: from.endedAt === null ? null : isoTime(from.endedAt),
    listed: tally.listed,
    has_selection: hasSelection(job),
    source: { location: request.source, root_identity: job.sourceRoot, read_view: job.readView },
    target: { location: request.target },
    proof: {
      mode: request.verify,
      sample_percent: request.samplePercent,
      rounds: job.round,
      readers: [...from.readers],
      has_own_credentials: from.hasOwnCredentials,
      chunks_cache_bypassed: tally.chunksUncached,
      chunks_through_cache: Math.max(0, tally.chunksVerified - tally.chunksUncached),
    },
    moved: {
      source_bytes_read: tally.sourceBytesRead,
      target_bytes_written: tally.targetBytesWritten,
      target_bytes_read: tally.targetBytesRead,
    },
    reconciliation: reconciliationOf(job, listing),
    vanished: job.vanished,
    findings: findingsOf(job, tally),
    notes: [...job.findings, ...job.listingFindings, ...directoryNotes(listing)],
    configuration: reportMembers(request),
    abilities: job.abilities === null ? null : reportMembers(job.abilities),
  }
}

/** Items were chosen: listing none then means that nothing matched. */
export function hasSelection({ request }: JobRow): boolean {
  const { rules, filesFromDigest, sizeBytesMin, sizeBytesMax, modifiedAfterMs } = request
  return (
    rules.length > 0 || [filesFromDigest, sizeBytesMin, sizeBytesMax, modifiedAfterMs].some((value) => value !== null)
  )
}
