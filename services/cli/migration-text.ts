// What the API says of migrations, as the command line tells it.
import { showText } from '#libs/domain/name-text'
import { phases } from '#libs/domain/phase'
import { formatCount, formatShare, formatSize } from '#libs/domain/quantity'
import { outcomes, type Tally, type Totals, type Verdict, verdictOfPass } from '#libs/domain/report'
import type { MigrationEntry } from '#schemas/api/findings'
import type { Migration } from '#schemas/api/migration'
import type { Outcome } from '#schemas/records'
import type { ProgressSnapshot } from '../embedded/progress-snapshot.ts'

const limitText = ({ throughput_timetable: timetable, throughput_limit_gb_per_hour: limit }: Migration): string =>
  timetable ?? (limit === null ? 'unlimited' : `${limit} GB/h`)

function totalsOf({ items }: Migration): Totals {
  const none: Tally = { items: 0, bytes: 0 }
  const counts: Partial<Record<string, Tally>> = items
  const of = (outcome: Outcome): Tally => counts[outcome] ?? none
  return {
    verified: of('verified'),
    already_there: of('already_there'),
    mismatched: of('mismatched'),
    missing: of('missing'),
    failed: of('failed'),
    changed: of('changed'),
    unverifiable: of('unverifiable'),
    skipped: of('skipped'),
    pending: of('pending'),
  }
}

/** One line for each. @param place where they were looked for, in words */
export function entriesText(entries: readonly MigrationEntry[], place: string): string {
  if (entries.length === 0) return `no jobs at ${place}\n`
  const columns = Math.max(...entries.map(({ job_id: job }) => job.length))
  const lines = entries.map((entry) => {
    const proven = `${formatSize(entry.bytes_verified)} of ${formatSize(entry.total_bytes)} read back`
    const ends = `${showText(entry.source_path)} -> ${showText(entry.target_path)}`
    return `${showText(entry.job_id).padEnd(columns)}  ${entry.status.padEnd(8)}  ${proven}  ${ends}`
  })
  return `${lines.join('\n')}\n`
}

/** All that is told of one. Ends with a line end. */
export function migrationText(migration: Migration): string {
  const totals = totalsOf(migration)
  const { estimated_completion_at: doneAt, last_failure_reason: failure, max_parallel_workers: workers } = migration
  const lines = [
    `${migration.job_id}: ${migration.status}${failure === null ? '' : `: ${showText(failure)}`}`,
    ` from          ${showText(migration.source_path)}`,
    ` to            ${showText(migration.target_path)}`,
    ` pass          ${migration.pass}, ${migration.passes_complete} complete`,
    ` phase         ${showText(migration.phase)}`,
    ` listed        ${formatCount(migration.items_listed)} items${migration.is_listing_complete ? '' : ' so far'}`,
    ...outcomes
      .filter((outcome) => totals[outcome].items > 0 || outcome === 'verified')
      .map((outcome) => {
        const { items, bytes } = totals[outcome]
        return ` ${outcome.replaceAll('_', ' ').padEnd(14)}${formatCount(items)} items, ${formatSize(bytes)}`
      }),
    ` proven        ${formatShare(migration.bytes_verified, migration.total_bytes)} of the bytes`,
    ` chunks        ${formatCount(migration.chunks_total)} listed, ${formatCount(migration.chunks_complete)} read back, ${formatCount(migration.chunks_failed)} failed`,
    ` bytes         ${formatSize(migration.source_bytes_read)} read at the source, ${formatSize(migration.target_bytes_written)} written, ${formatSize(migration.target_bytes_read)} read back`,
    ` limit         ${limitText(migration)}, priority ${migration.priority}${workers === null ? '' : `, ${workers} workers at most`}`,
    ` limited by    ${showText(migration.limited_by)}`,
    ...(doneAt === null ? [] : [` done at       ${showText(doneAt)}`]),
  ]
  return `${lines.join('\n')}\n`
}

/** As the progress view takes it; null before it is accepted. */
export function snapshotOfMigration(migration: Migration): ProgressSnapshot | null {
  const phase = phases.find((word) => word === migration.phase)
  if (phase === undefined) return null
  const totals = totalsOf(migration)
  const items = (outcome: Outcome): number => totals[outcome].items
  return {
    job: migration.job_id,
    pass: migration.pass,
    phase,
    isTotalKnown: migration.is_listing_complete,
    totalItems: migration.items_listed,
    totalBytes: migration.total_bytes,
    copiedBytes: migration.bytes_transferred,
    verifiedBytes: migration.bytes_verified,
    mismatches: items('mismatched') + items('missing'),
    items: {
      verified: items('verified'),
      already_there: items('already_there'),
      mismatched: items('mismatched'),
      missing: items('missing'),
      failed: items('failed'),
      changed: items('changed'),
      unverifiable: items('unverifiable'),
      skipped: items('skipped'),
      pending: items('pending'),
    },
    chunks: {
      planned: migration.chunks_total,
      done: migration.chunks_complete + migration.chunks_failed,
      inFlight: migration.chunks_in_flight,
      retrying: 0,
    },
    limitedBy: migration.limited_by,
    stoppedBecause: migration.phase === 'stopped' ? migration.limited_by : null,
  }
}

/** Verdict of its newest pass, as `migrate` would give it. */
export function verdictOfMigration(migration: Migration): Verdict {
  const totals = totalsOf(migration)
  const isEnded = migration.status === 'complete' || migration.status === 'failed'
  const isCancelled = migration.status === 'failed' && migration.control?.code === 'CANCELLED'
  const bytes = outcomes.reduce((sum, outcome) => sum + totals[outcome].bytes, 0)
  return verdictOfPass({
    state: isCancelled ? 'cancelled' : isEnded ? 'completed' : 'stopped',
    totals,
    listed: { items: migration.items_listed, bytes },
    hasSelection: false,
  })
}
