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
  // What is admitted before the file is open is read at once: then all of it is one call under one deadline.
  const admitted = buffer.length === 0 ? 0 : await run.context.gate.take(buffer.length, run.signal)
  if (admitted === buffer.length) {
    if (!run.readNow(extent, buffer)) await run.source((signal) => readAtOnce(run, extent, buffer, signal))
    return { bytes: buffer, digest: sha256(buffer) }
  }
  const reader = await run.source(() => run.context.source.open(extent.name, extent.identity))
  try {
    const digest = await readSlices(run, { reader, offset: extent.offset, admitted }, buffer)
    await run.source(() => reader.confirm())
    return { bytes: buffer, digest }
  } finally {
    await reader.close()
  }
}

async function readAtOnce(run: ChunkRun, extent: Extent, buffer: Buffer, signal: AbortSignal): Promise<void> {
  const reader = await run.context.source.open(extent.name, extent.identity)
  try {
    if (buffer.length > 0) {
      await run.reading(buffer.length, () => reader.read(buffer, extent.offset, signal))
      run.countRead(buffer.length)
    }
    await reader.confirm()
  } finally {
    await reader.close()
  }
}

interface SlicedRead {
  readonly reader: ItemReader
  readonly offset: number
  /** What the gate let through already. */
  readonly admitted: number
}

async function readSlices(run: ChunkRun, { reader, offset, admitted }: SlicedRead, buffer: Buffer): Promise<Buffer> {
  const { gate } = run.context
  const hasher = createHash('sha256')
  let next = admitted
  for (let filled = 0; filled < buffer.length; ) {
    const slice = buffer.subarray(filled, filled + next)
    const at = offset + filled
    await run.source((signal) => run.reading(slice.length, () => reader.read(slice, at, signal)))
    run.countRead(slice.length)
    hasher.update(slice)
    filled += slice.length
    if (filled < buffer.length) next = await gate.take(buffer.length - filled, run.signal)
  }
  return hasher.digest()
}
