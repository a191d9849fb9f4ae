// The csv form (RFC 4180): one row an item, for spreadsheets. The last rows name the Merkle root and the digest of the
// master, so that a printed sheet can be traced to it. Cells that a spreadsheet would run as a formula get an apostrophe
// in front (OWASP, "CSV Injection").

import { showName } from '#libs/domain/name-text'
import type { CheckedReport } from './check.ts'
import type { ReportFooter } from './footer.ts'
import type { ReportLeaf } from './leaf.ts'
import type { Sink } from './output.ts'
import { readReport } from './read.ts'

const columns = [
  'name',
  'name_base64',
  'kind',
  'size',
  'outcome',
  'code',
  'key',
  'key_base64',
  'seal',
  'source_mtime_ns',
  'chunks',
  'sha256',
  'differences',
] as const

type Row = Readonly<Partial<Record<(typeof columns)[number], string>>>

/** A cell stays readable: a large item may differ in 10,000 places, and the master has them all. */
const differencesShownMax = 20

function cell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

const rowText = (row: Row): string => `${columns.map((column) => cell(row[column] ?? '')).join(',')}\r\n`

function rowOfLeaf(leaf: ReportLeaf): Row {
  const [first] = leaf.chunks
  return {
    name: showName(Buffer.from(leaf.name, 'base64')),
    name_base64: leaf.name,
    kind: leaf.kind,
    size: String(leaf.size),
    outcome: leaf.outcome,
    code: leaf.code ?? '',
    key: leaf.key === null ? '' : showName(Buffer.from(leaf.key, 'base64')),
    key_base64: leaf.key ?? '',
    seal: leaf.seal ?? '',
    source_mtime_ns: leaf.source.mtime_ns,
    chunks: String(leaf.chunks.length),
    // SHA-256 does not compose: an item of several chunks has no digest of its own.
    sha256: leaf.chunks.length === 1 && first !== undefined ? first[2] : '',
    differences: differencesOf(leaf),
  }
}

function differencesOf({ chunks, found = [] }: ReportLeaf): string {
  const read = new Map(chunks.map(([offset, , digest]) => [offset, digest]))
  const shown = found
    .slice(0, differencesShownMax)
    .map(
      ([offset, length, digest]) =>
        `${offset}+${length}: source ${read.get(offset) ?? 'not read'} target ${digest ?? 'not readable'}`,
    )
  const more = found.length - shown.length
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}

function closingRows({ footer, verdict }: CheckedReport): readonly Row[] {
  const row = (kind: string, sha256: string): Row => ({ kind, sha256 })
  return [
    { kind: 'report_verdict', outcome: verdict.status, size: String(footer.bytes) },
    row('report_merkle_root', footer.root),
    row('report_digest', footer.digest),
    ...signerRows(footer),
  ]
}

const signerRows = ({ signer }: ReportFooter): readonly Row[] =>
  signer === null ? [] : [{ kind: 'report_signer', sha256: signer }]

/** Renders the report at `path`. Throws REPORT_INVALID, REPORT_UNREADABLE. */
export async function writeCsv(sink: Sink, path: string): Promise<CheckedReport> {
  await sink.write(`${columns.join(',')}\r\n`)
  const pieces = readReport(path, { publicKey: null })
  for (;;) {
    const step = await pieces.next()
    if (step.done === true) {
      for (const row of closingRows(step.value)) await sink.write(rowText(row))
      return step.value
    }
    for (const piece of step.value) {
      if (piece.part !== 'item') continue
      const full = sink.write(rowText(rowOfLeaf(piece.leaf)))
      if (full !== null) await full
    }
  }
}
