// Reading at the source: once, through the gate, hashed while the bytes come in (rules 5 and 7).
import { createHash, hash } from 'node:crypto'
import type { ItemReader } from '#libs/source/source'
import type { Extent } from '#schemas/records'
import type { ChunkRun } from './chunk-run.ts'

export interface Body {
  readonly bytes: Buffer
  /** SHA-256 of `bytes`. */
  readonly digest: Buffer
}

/** Below this a buffer is hashed in the loop: handing it to another thread would cost more. */
const hashElsewhereBytesMin = 4 * 1024 * 1024

export function sha256(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/**
 * Fills `buffer` with the extent of a regular file and gives its digest. The item is compared with the planned identity
 * before the first byte and after the last one. Throws the codes of the source port, SOURCE_STALLED, and the signal's
 * reason.
 */
export async function readExtent(run: ChunkRun, extent: Extent, buffer: Buffer): Promise<Body> {
  await run.hold()
  const reader = await run.source(() => run.context.source.open(extent.name, extent.identity))
  try {
    const digest = await readSlices(run, reader, extent.offset, buffer)
    await run.source(() => reader.confirm())
    return { bytes: buffer, digest }
  } finally {
    await reader.close()
  }
}

async function readSlices(run: ChunkRun, reader: ItemReader, offset: number, buffer: Buffer): Promise<Buffer> {
  const { hashLarge } = run.context
  const isHashedElsewhere = hashLarge !== undefined && buffer.length >= hashElsewhereBytesMin
  const first = await readSlice(run, reader, offset, buffer)
  if (first.length === buffer.length) return sha256(buffer)
  const hasher = isHashedElsewhere ? null : createHash('sha256').update(first)
  for (let filled = first.length; filled < buffer.length; ) {
    const slice = await readSlice(run, reader, offset + filled, buffer.subarray(filled))
    hasher?.update(slice)
    filled += slice.length
  }
  if (hasher !== null) return hasher.digest()
  return isHashedElsewhere ? hashLarge(buffer) : sha256(buffer)
}

/** As much of the start of `buffer` as the gate admits at once. */
async function readSlice(run: ChunkRun, reader: ItemReader, offset: number, buffer: Buffer): Promise<Buffer> {
  if (buffer.length === 0) return buffer
  const admitted = await run.context.gate.take(buffer.length, run.signal)
  const slice = buffer.subarray(0, admitted)
  await run.source((signal) => reader.read(slice, offset, signal))
  run.countRead(slice.length)
  return slice
}
