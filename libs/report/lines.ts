// A file as lines, in batches: one await for each block read and not for each line.
import { open } from 'node:fs/promises'
import { WaybillError } from '#libs/domain/errors'
import { lineBytesMax } from './leaf.ts'

export interface Line {
  /** 1-based */
  readonly number: number
  /** Without line end. Valid until the next batch. */
  readonly bytes: Buffer
}

const blockBytes = 256 * 1024
const lineEnd = 0x0a

export function invalidReport(line: number, reason: string, cause?: unknown): WaybillError {
  return new WaybillError('REPORT_INVALID', { line, reason }, { cause })
}

/** Every line of the file. Throws REPORT_INVALID for a last line without end and for lines over 8 MiB, REPORT_UNREADABLE. */
export async function* readLines(path: string): AsyncGenerator<readonly Line[]> {
  let rest: Buffer = Buffer.alloc(0)
  let number = 1
  for await (const block of readBlocks(path)) {
    const bytes = rest.length === 0 ? block : Buffer.concat([rest, block])
    const lines: Line[] = []
    let start = 0
    for (let end = bytes.indexOf(lineEnd); end !== -1; end = bytes.indexOf(lineEnd, start)) {
      lines.push({ number, bytes: bytes.subarray(start, end) })
      number += 1
      start = end + 1
    }
    if (lines.length > 0) yield lines
    rest = Buffer.from(bytes.subarray(start))
    if (rest.length > lineBytesMax) throw invalidReport(number, 'the line is too long')
  }
  if (rest.length > 0) throw invalidReport(number, 'the line has no end')
}

async function* readBlocks(path: string): AsyncGenerator<Buffer> {
  try {
    const file = await open(path, 'r')
    try {
      for (;;) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(blockBytes), 0, blockBytes, null)
        if (bytesRead === 0) return
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new WaybillError('REPORT_UNREADABLE', { path }, { cause })
  }
}
