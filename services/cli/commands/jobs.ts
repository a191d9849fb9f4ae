// waybill jobs list, waybill jobs show JOB: from the state at rest, or from the log while another process works on the job.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import { showText } from '#libs/domain/name-text'
import { formatCount, formatRate, formatShare, formatSize } from '#libs/domain/quantity'
import { outcomes } from '#libs/domain/report'
import { emptyTally } from '#libs/domain/rows'
import { pendingOf } from '#libs/domain/tally'
import { listJobs } from '#libs/runtime/job-folder'
import type { JobRow, TallyRow } from '#schemas/rows'
import type { JobView } from '../../embedded/job-view.ts'
import { passStateOf } from '../../embedded/report-again.ts'
import type { Command, CommandInput } from '../command.ts'
import { asOfText, jobNamed, viewJob, wordsOfJob } from '../jobs.ts'
import { shellWords } from '../shell-words.ts'
import { stateFolderOf } from '../state-folder.ts'

interface JobSight {
  readonly job: string
  readonly row: JobRow | undefined
  readonly tally: TallyRow
  readonly isHeldElsewhere: boolean
  readonly asOf: string | null
}

async function sightOf(view: JobView): Promise<JobSight> {
  const { job, row, rows, isHeldElsewhere } = view
  const tally = (await rows.get(keyOf.tally(job))) ?? emptyTally
  return { job, row, tally, isHeldElsewhere, asOf: asOfText(view) }
}

async function lookAt(input: CommandInput, job: string): Promise<JobSight> {
  const view = await viewJob(input, job)
  try {
    return await sightOf(view)
  } finally {
    await view.close()
  }
}

function stateWord({ row, isHeldElsewhere }: JobSight): string {
  if (row === undefined) return isHeldElsewhere ? 'starting' : 'not started'
  const state = passStateOf(row, isHeldElsewhere)
  // A complete pass and a process that works on it: the target is read again, or a new pass begins.
  if (state === 'completed' && isHeldElsewhere) return row.roundCause === 'verify' ? 'verifying' : 'running'
  return state === 'stopped' && row.control === 'paused' ? 'paused' : state
}

function totalsOf(tally: TallyRow): Readonly<Record<string, { readonly items: number; readonly bytes: number }>> {
  const counts = { ...tally, pending: pendingOf(tally) }
  return Object.fromEntries(outcomes.map((outcome) => [outcome, counts[outcome]]))
}

const provenItems = ({ verified, already_there: there }: TallyRow): number => verified.items + there.items
const provenBytes = ({ verified, already_there: there }: TallyRow): number => verified.bytes + there.bytes

function sightObject(sight: JobSight): object {
  const { job, row, tally, asOf } = sight
  return {
    job_id: job,
    state: stateWord(sight),
    as_of: asOf,
    source: row?.request.source ?? null,
    target: row?.request.target ?? null,
    pass: row?.pass ?? 0,
    passes_completed: row?.passesCompleted ?? 0,
    round: row?.round ?? 0,
    control: row?.control ?? null,
    reason: row?.controlReason ?? null,
    listed: tally.listed,
    is_listing_complete: row?.lastPage !== null && row !== undefined,
    totals: totalsOf(tally),
    chunks: { planned: tally.chunksPlanned, verified: tally.chunksVerified, failed: tally.chunksFailed },
    source_bytes_read: tally.sourceBytesRead,
    target_bytes_written: tally.targetBytesWritten,
    target_bytes_read: tally.targetBytesRead,
    throughput_bytes_per_second: row?.throughputBytesPerSecond ?? null,
    findings: Object.fromEntries(tally.codes.map(({ code, count }) => [code, count])),
  }
}

interface Unreadable {
  readonly job: string
  readonly code: string
}

export const jobsList: Command = async (input) => {
  const { settings, terminal } = input
  const stateFolder = stateFolderOf(input)
  const sights: (JobSight | Unreadable)[] = []
  for (const job of await listJobs(stateFolder)) {
    // One job whose state is broken must not hide the others.
    sights.push(await lookAt(input, job).catch((error: unknown) => ({ job, code: codeOf(error) })))
  }
  if (settings.json) {
    const jobs = sights.map((sight) =>
      'code' in sight ? { job_id: sight.job, state: 'unreadable', code: sight.code } : sightObject(sight),
    )
    await terminal.result(`${JSON.stringify({ state_folder: stateFolder, jobs })}\n`)
  } else {
    await terminal.result(listText(sights, stateFolder))
  }
  return 0
}

function listText(sights: readonly (JobSight | Unreadable)[], stateFolder: string): string {
  if (sights.length === 0) return `no jobs in ${stateFolder}\n`
  const columns = Math.max(...sights.map(({ job }) => job.length))
  const lines = sights.map((sight) => {
    const name = sight.job.padEnd(columns)
    if ('code' in sight) return `${name}  unreadable  ${sight.code}`
    const { row, tally } = sight
    const ends = row === undefined ? '' : `  ${showText(row.request.source)} -> ${showText(row.request.target)}`
    const proven = `${formatCount(provenItems(tally))} of ${formatCount(tally.listed.items)} items proven`
    return `${name}  ${stateWord(sight).padEnd(11)} pass ${row?.pass ?? 0}  ${proven}, ${formatSize(tally.listed.bytes)}${ends}`
  })
  return `${lines.join('\n')}\n`
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Disk that log and store take; files may come and go while another process works. */
async function stateBytes(folder: string): Promise<{ readonly log: number; readonly store: number }> {
  const size = (name: string): Promise<number> => bytesBelow(join(folder, name)).catch(() => 0)
  return { log: await size('log'), store: await size('store') }
}

interface Shown extends JobSight {
  readonly folder: string
  readonly bytes: { readonly log: number; readonly store: number }
  readonly reports: readonly string[]
  readonly again: string | null
}

function showLines(shown: Shown): readonly string[] {
  const { row, tally, asOf, folder, bytes, reports, again } = shown
  const totals = Object.entries(totalsOf(tally))
    .filter(([name, { items }]) => items > 0 || name === 'verified')
    .map(
      ([name, { items, bytes: size }]) =>
        ` ${name.replaceAll('_', ' ').padEnd(14)}${formatCount(items)} items, ${formatSize(size)}`,
    )
  const limit = row?.throughputBytesPerSecond ?? null
  const findings = tally.codes.map(({ code, count }) => `${code} ${formatCount(count)}`)
  const reason = row === undefined || row.control === 'running' ? '' : `: ${showText(row.controlReason)}`
  return [
    `${shown.job}: ${stateWord(shown)}${reason}`,
    ...(asOf === null ? [] : [` as of         ${asOf}`]),
    ` from          ${showText(row?.request.source ?? 'not known yet')}`,
    ` to            ${showText(row?.request.target ?? 'not known yet')}`,
    ` pass          ${row?.pass ?? 0}, ${row?.passesCompleted ?? 0} complete; ${row?.round ?? 0} rounds of reading`,
    ` listed        ${formatCount(tally.listed.items)} items, ${formatSize(tally.listed.bytes)}${row?.lastPage === null ? ' so far' : ''}`,
    ...totals,
    ` proven        ${formatShare(provenBytes(tally), tally.listed.bytes - tally.skipped.bytes)} of the bytes`,
    ` chunks        ${formatCount(tally.chunksPlanned)} planned, ${formatCount(tally.chunksVerified)} read back, ${formatCount(tally.chunksFailed)} failed`,
    ` bytes         ${formatSize(tally.sourceBytesRead)} read at the source, ${formatSize(tally.targetBytesWritten)} written, ${formatSize(tally.targetBytesRead)} read back`,
    ` limit         ${formatRate(limit)}`,
    ...(findings.length === 0 ? [] : [` findings      ${findings.join(', ')}`]),
    ` state         ${showText(folder)}, log ${formatSize(bytes.log)}, store ${formatSize(bytes.store)}`,
    ...reports.map((report) => ` report        ${showText(report)}`),
    ...(again === null ? [] : [` next          ${again}`]),
  ]
}

async function reportsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(join(folder, 'reports')).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  return names
    .filter((name) => name.endsWith('.ndjson'))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => join(folder, 'reports', name))
}

export const jobsShow: Command = async (input) => {
  const { words, settings, terminal } = input
  const job = jobNamed(words[0] ?? '')
  const folder = join(stateFolderOf(input), job)
  const sight = await lookAt(input, job)
  const { row } = sight
  const again =
    row === undefined || sight.isHeldElsewhere ? null : shellWords(wordsOfJob(input, job, row.request).migrate)
  const shown: Shown = { ...sight, folder, bytes: await stateBytes(folder), reports: await reportsIn(folder), again }
  const { log, store } = shown.bytes
  const told = {
    ...sightObject(sight),
    state_folder: folder,
    log_bytes: log,
    store_bytes: store,
    reports: shown.reports,
  }
  await terminal.result(settings.json ? `${JSON.stringify(told)}\n` : `${showLines(shown).join('\n')}\n`)
  return 0
}
