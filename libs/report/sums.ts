// Check sums that need nothing of ours. SHA256SUMS: files of one chunk, in the format of `sha256sum -c` (GNU coreutils).
// CHUNKSUMS: files of several chunks, one line a chunk, for check.py, and files whose name is longer than the path that a
// program can open at once. Both name files by their key at the target, as raw bytes; both are run in the target's folder,
// or in a copy of it.
//
// GNU's rule for odd names: a line whose name holds a backslash, a line feed or a carriage return begins with a backslash,
// and these are written \\ \n \r. (The carriage return since coreutils 9.0.)

import type { CheckedReport } from './check.ts'
import type { ReportLeaf } from './leaf.ts'
import type { Sink } from './output.ts'
import { readReport } from './read.ts'

/** Linux's PATH_MAX counts the closing zero byte. */
const pathBytesMax = 4095
const lineEnd = 0x0a
const carriageReturn = 0x0d
const backslash = 0x5c
const needsEscape = (name: Buffer): boolean =>
  name.includes(backslash) || name.includes(lineEnd) || name.includes(carriageReturn)

/** A line of either file: `before` and two blanks, then the name as GNU writes it. */
function sumsLine(before: string, name: Buffer): Buffer {
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

/** The file's digest and name, where sha256sum can check it. */
function wholeLine({ key, chunks: [first, ...more] }: ReportLeaf): Buffer | null {
  const name = Buffer.from(key ?? '', 'base64')
  return first === undefined || more.length > 0 || name.length > pathBytesMax ? null : sumsLine(first[2], name)
}

async function writeChunks(chunkSums: Sink, { key, chunks }: ReportLeaf): Promise<void> {
  const name = Buffer.from(key ?? '', 'base64')
  for (const [offset, length, digest] of chunks) {
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
      const line = wholeLine(piece.leaf)
      if (line === null) {
        chunkedFiles += 1
        await writeChunks(sinks.chunkSums, piece.leaf)
      } else {
        wholeFiles += 1
        await sinks.sums.write(line)
      }
    }
  }
}
