// Reads a report and checks it on the way: bytes canonical, items in order, totals, Merkle root, digest of all bytes,
// verdict, signature. What is read counts only once the reading has ended without an error: the checks that cover
// everything stand at the end.

import {
  type CheckedReport,
  type ReadReportOptions,
  ReportCheck,
  type ReportPiece,
  type SignatureStatus,
} from './check.ts'
import { type Unframer, unframe } from './frame.ts'
import { invalidReport, readLines } from './lines.ts'

/**
 * The pieces of a report in batches, lines without line end and valid until the next batch; returns what was checked.
 * Throws REPORT_INVALID with line and reason, REPORT_UNREADABLE.
 */
export async function* readReport(
  path: string,
  options: ReadReportOptions,
): AsyncGenerator<readonly ReportPiece[], CheckedReport> {
  const check = new ReportCheck(options)
  let unframer: Unframer | null = null
  for await (const lines of readLines(path)) {
    const pieces: ReportPiece[] = []
    for (const line of lines) {
      unframer ??= unframe(line)
      const part = unframer.take(line)
      if (part !== null) pieces.push(check.take(part, unframer.form))
    }
    yield pieces
  }
  if (unframer === null) throw invalidReport(1, 'the file is empty')
  unframer.end()
  return check.end(unframer.form)
}

/** Reads a whole report for its checks alone. Throws REPORT_INVALID with line and reason, REPORT_UNREADABLE. */
export async function verifyReport(path: string, options: ReadReportOptions): Promise<CheckedReport> {
  const pieces = readReport(path, options)
  for (;;) {
    const step = await pieces.next()
    if (step.done === true) return step.value
  }
}

/** How a report is signed, in words. */
export function signatureInWords(signature: SignatureStatus): string {
  switch (signature.kind) {
    case 'unsigned':
      return 'not signed'
    case 'unknown_key':
      return `signed by unknown key ${signature.fingerprint}`
    case 'known_key':
      return `signed by the given key ${signature.fingerprint}`
  }
}
