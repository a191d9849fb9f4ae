// The first line of a report: what was asked for, of what, with what, and how it was proven. Members are snake_case like
// every other JSON that waybill gives out. New members may come; none goes away or changes its meaning within version 1.
import avsc from 'avsc'
import { type PassState, passStates } from '#libs/domain/report'
import { boolean, int, list, long, mapOf, nullable, record, string, type TypeOf, toAvsc, word } from '#schemas/avro'

export const reportFormat = 'waybill-report'
export const reportVersion = 1

export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json }

const headerShape = record('ReportHeader', {
  type: word<'header'>(),
  format: word<typeof reportFormat>(),
  version: int,
  job: string,
  pass: int,
  state: word<PassState>(),
  software: string,
  /** RFC 3339, UTC. */
  started_at: string,
  ended_at: nullable(string),
  /** What the listing named, counted from the log's pages and not from the lines of this report. */
  listed: record('ReportListed', { items: long, bytes: long }),
  /** Filters were given. */
  has_selection: boolean,
  source: record('ReportSource', { location: string, root_identity: string, read_view: string }),
  target: record('ReportTarget', { location: string }),
  proof: record('ReportProof', {
    mode: word<'full' | 'sample' | 'none'>(),
    sample_percent: int,
    /** Readings of the target that count in this report, the first included. */
    rounds: int,
    /** Who read back; never the process part that wrote. */
    readers: list(string),
    /** A principal of its own (--verify-profile). */
    has_own_credentials: boolean,
    chunks_cache_bypassed: long,
    chunks_through_cache: long,
  }),
  moved: record('ReportMoved', { source_bytes_read: long, target_bytes_written: long, target_bytes_read: long }),
  reconciliation: nullable(
    record('ReportReconciliation', {
      mode: word<'listing' | 'full'>(),
      objects: long,
      bytes: long,
      differing: long,
      /** Objects at the target that are not this job's. */
      strangers: long,
      /** Base64 of some of their keys. */
      stranger_samples: list(string),
    }),
  ),
  /** Items of an earlier pass that the source no longer has; their objects are left alone. */
  vanished: long,
  /** Findings, counted by code. */
  findings: mapOf(long),
  /** Findings in words: of the probe, of the listing. */
  notes: list(string),
})

interface FreeMembers {
  /** The job's request, without secrets. */
  readonly configuration: Readonly<Record<string, Json>>
  /** What the probe found that the target can do; null when it was not probed. */
  readonly abilities: Readonly<Record<string, Json>> | null
}

export type ReportHeader = TypeOf<typeof headerShape> & FreeMembers
/** What the caller knows; the format's own members are added by the writer. */
export type ReportFacts = Omit<ReportHeader, 'type' | 'format' | 'version'>

const codec = avsc.Type.forSchema(toAvsc(headerShape) as avsc.Schema)

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Null when the value is a header, else what is wrong with it. */
export function headerProblem(value: unknown): string | null {
  if (!isJsonObject(value) || value['format'] !== reportFormat || value['type'] !== 'header') {
    return 'this is not the header of a waybill report'
  }
  if (value['version'] !== reportVersion) return `its format version is not ${reportVersion}: use a newer waybill`
  let problem: string | null = null
  codec.isValid(value, {
    errorHook: (path) => {
      problem ??= `member ${path.join('.')} is missing or of another type`
    },
  })
  if (problem !== null) return problem
  const { configuration, abilities, state } = value
  if (!isJsonObject(configuration)) return 'member configuration is missing or of another type'
  if (abilities !== null && !isJsonObject(abilities)) return 'member abilities is missing or of another type'
  return passStates.some((known) => known === state) ? null : 'its state is unknown'
}

export function isReportHeader(value: unknown): value is ReportHeader {
  return headerProblem(value) === null
}

const snakeCase = (member: string): string => member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** A record of ours (a request, abilities) as report members: `chunkBytes` becomes `chunk_bytes`, bytes become base64. */
export function reportMembers(record: object): Readonly<Record<string, Json>> {
  return Object.fromEntries(Object.entries(record).map(([member, value]) => [snakeCase(member), reportValue(value)]))
}

function reportValue(value: unknown): Json {
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (Array.isArray(value)) return value.map(reportValue)
  if (typeof value === 'object' && value !== null) return reportMembers(value)
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new TypeError(`a ${typeof value} cannot stand in a report`)
}
