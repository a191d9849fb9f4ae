// How fast a source may be read by all jobs together (docs/source-protection.md): the hard cap. What the controller makes
// of it stands in rate-control.ts, who gets which part of it in rate-share.ts.
import type { JobRow } from '#schemas/rows'
import { limitAt } from './timetable.ts'

/** A grant's life: the worker counts it from sending its report, the granter from deciding on it, which is later. */
export const grantLifeMs = 10_000
/** Workers report this often; the controller looks at the source this often. */
export const reportEveryMs = 3_000
/** Share of the source's peak that all jobs together may take. */
export const peakShare = 0.1

/**
 * What is protected as one: all that one connection reaches (`@nas/home`, `@nas/archive`: one server, one set of disks), else
 * the location itself.
 */
export function rateSourceOf(location: string): string {
  return /^@[^/]+/.exec(location)?.[0] ?? location
}

/** A grant as its worker reads it; Infinity: no limit. */
export interface GivenGrant {
  readonly reportSequence: number
  readonly bytesPerSecond: number
}

/** True when `grant` counts from now on: it answers a later report, or the same one with more, which others left. */
export function isGrantNews(held: GivenGrant, grant: GivenGrant): boolean {
  if (grant.reportSequence !== held.reportSequence) return grant.reportSequence > held.reportSequence
  return grant.bytesPerSecond > held.bytesPerSecond
}

export type Priority = JobRow['priority']

/** What one job asks for, at one moment. */
export interface JobLimit {
  readonly job: string
  /** null: none. */
  readonly bytesPerSecond: number | null
  readonly isOfTimetable: boolean
  /** Of its source, as declared with the job; null: not declared. */
  readonly peakBytesPerSecond: number | null
  readonly priority: Priority
  /** Processes that may read for it at once; null: no limit. */
  readonly workersMax: number | null
}

type Limits = Pick<JobRow, 'throughputBytesPerSecond' | 'throughputTimetable' | 'sourcePeakBytesPerSecond'>

/** Reads the limits of a job that hold at `wallMs` (ms since 1970). */
export function jobLimitOf(job: string, row: JobRow, wallMs: number): JobLimit {
  const timed = row.throughputTimetable === null ? undefined : limitAt(row.throughputTimetable, wallMs)
  return {
    job,
    bytesPerSecond: timed === undefined ? row.throughputBytesPerSecond : timed,
    isOfTimetable: timed !== undefined,
    peakBytesPerSecond: row.sourcePeakBytesPerSecond,
    priority: row.priority,
    workersMax: row.workersMax,
  }
}

/** False once nothing of the job is to be read: paused, cancelled, or between two passes. */
export function isReading({ control, pass, passesCompleted }: JobRow): boolean {
  return control === 'running' && !(pass > 0 && passesCompleted === pass)
}

export interface RateCap {
  /** null: none. */
  readonly bytesPerSecond: number | null
  /** In words, for the log and for people. */
  readonly reason: string
}

function lowest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : Math.min(...known)
}

function limitReason(jobs: readonly JobLimit[]): string {
  const [first] = jobs
  if (jobs.length > 1) return `limits of the ${jobs.length} jobs that read this source`
  return first?.isOfTimetable === true ? 'limit of the job, by its timetable' : 'limit of the job'
}

/** Whoever asks what limits a job is to know that a limit too high would reach the source unhindered. */
const alone = '(alone: the peak of the source is not known)'

/** What a source can deliver, beside what its jobs declare. */
export interface KnownPeak {
  readonly bytesPerSecond: number
  /** Found by reading, a lower bound: it counts where nothing is declared. False: declared in the configuration. */
  readonly isMeasured: boolean
}

/**
 * The hard cap of a source: the least of a tenth of its peak and the sum of its jobs' limits. Of several declared peaks the
 * lowest counts; a measured one counts where none is declared.
 */
export function sourceCap(jobs: readonly JobLimit[], known: KnownPeak | null): RateCap {
  const configured = known?.isMeasured === false ? known.bytesPerSecond : null
  const declared = lowest([configured, ...jobs.map(({ peakBytesPerSecond }) => peakBytesPerSecond)])
  const peak = declared ?? known?.bytesPerSecond ?? null
  const tenth = peak === null ? null : Math.floor(peak * peakShare)
  const limits = jobs.map(({ bytesPerSecond }) => bytesPerSecond)
  const sum = limits.includes(null) ? null : limits.reduce<number>((total, limit) => total + (limit ?? 0), 0)
  if (sum === null && tenth === null) {
    return { bytesPerSecond: null, reason: 'no limit was asked for and no peak of the source is known' }
  }
  if (tenth === null) return { bytesPerSecond: sum, reason: `${limitReason(jobs)} ${alone}` }
  if (sum !== null && sum <= tenth) return { bytesPerSecond: sum, reason: limitReason(jobs) }
  const peakName = declared === null ? 'measured lower bound of the peak' : 'peak'
  return { bytesPerSecond: tenth, reason: `10 % of the ${peakName} of the source` }
}

/** The cap of a source that one job reads alone, at `wallMs` (ms since 1970). */
export function capOfJob(limits: Limits, wallMs: number): RateCap {
  const { throughputTimetable: table, sourcePeakBytesPerSecond: peakBytesPerSecond } = limits
  const bytesPerSecond = table === null ? limits.throughputBytesPerSecond : limitAt(table, wallMs)
  const job = { job: '', bytesPerSecond, isOfTimetable: table !== null, peakBytesPerSecond, workersMax: null }
  return sourceCap([{ ...job, priority: 'normal' }], null)
}
