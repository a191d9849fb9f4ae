// Check sums that need nothing of ours. SHA256SUMS: files of one chunk, in the format of `sha256sum -c` (GNU coreutils).
// CHUNKSUMS: files of several chunks, one line a chunk, for check.py. Both name files by their key at the target, as raw
// bytes; both are run in the target's folder, or in a copy of it.
//
// GNU's rule for odd names: a line whose name holds a backslash, a line feed or a carriage return begins with a backslash,
// and these are written \\ \n \r. (The carriage return since coreutils 9.0.)

import type { CheckedReport } from './check.ts'
import type { ReportLeaf } from './leaf.ts'
import type { Sink } from './output.ts'
import { readReport } from './read.ts'

const lineEnd = 0x0a
const carriageReturn = 0x0d
const backslash = 0x5c
const needsEscape = (name: Buffer): boolean =>
  name.includes(backslash) || name.includes(lineEnd) || name.includes(carriageReturn)

/** A line of either file: `before` and two blanks, then the name as GNU writes it. */
export function sumsLine(before: string, name: Buffer): Buffer {
  if (!needsEscape(name)) return Buffer.concat([Buffer.from(`${before}  `), name, Buffer.of(lineEnd)])
  const escaped = name.toString('latin1').replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  return Buffer.concat([Buffer.from(`\\${before}  `), Buffer.from(escaped, 'latin1'), Buffer.of(lineEnd)])
}

export interface SumsSinks {
  readonly sums: Sink
  readonly chunkSums: Sink
}

export interface WrittenSums {
  readonly report: CheckedReport
  /** Files named in SHA256SUMS, and in CHUNKSUMS. */
  readonly wholeFiles: number
  readonly chunkedFiles: number
}

/** Files that stand at the target and equal what was read; only those can be checked there. */
function isListed({ kind, outcome, key, chunks }: ReportLeaf): boolean {
  return kind === 'file' && key !== null && chunks.length > 0 && (outcome === 'verified' || outcome === 'already_there')
}

async function writeLeaf({ sums, chunkSums }: SumsSinks, leaf: ReportLeaf): Promise<void> {
  const name = Buffer.from(leaf.key ?? '', 'base64')
  const [first] = leaf.chunks
  if (leaf.chunks.length === 1 && first !== undefined) {
    await sums.write(sumsLine(first[2], name))
    return
  }
  for (const [offset, length, digest] of leaf.chunks) {
    await chunkSums.write(sumsLine(`${digest} ${offset} ${length}`, name))
  }
}

/** Renders both files from the report at `path`. Throws REPORT_INVALID, REPORT_UNREADABLE. */
export async function writeSums(sinks: SumsSinks, path: string): Promise<WrittenSums> {
  const pieces = readReport(path, { publicKey: null })
  let wholeFiles = 0
  let chunkedFiles = 0
  for (;;) {
    const step = await pieces.next()
    if (step.done === true) return { report: step.value, wholeFiles, chunkedFiles }
    for (const piece of step.value) {
      if (piece.part !== 'item' || !isListed(piece.leaf)) continue
      if (piece.leaf.chunks.length === 1) wholeFiles += 1
      else chunkedFiles += 1
      await writeLeaf(sinks, piece.leaf)
    }
  }
}
