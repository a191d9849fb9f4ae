// One part of an upload: read once into a loan, sent from it with its digest; or copied inside the target; or only read,
// when the object is there already (given seal).
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { CopyOrigin, Extent, TransferredEntry } from '#schemas/records'
import type { ChunkRun } from './chunk-run.ts'
import { readExtent } from './read-source.ts'
import { givenEntry, refusedEntry, writtenEntry } from './transferred-entry.ts'

/** Throws WaybillError for what went wrong with the part, and the run's reason when it stops. */
export async function movePart(run: ChunkRun, extent: Extent, part: number): Promise<TransferredEntry> {
  const { copy, givenSeal } = run.planned
  if (copy !== null) return copyPart(run, extent, part, copy)
  const loan = await run.context.budget.acquire(extent.length, run.signal)
  try {
    const { bytes, digest } = await readExtent(run, extent, loan.buffer)
    const stored = { digest, seal: null }
    // Whose object it is says UploadSealed; the part only says that nothing was sent.
    if (givenSeal !== null) return givenEntry(extent, { ...stored, tag: null, isOurs: false })
    const request = { key: extent.key, upload: uploadOf(run), part, offset: extent.offset, body: bytes, digest }
    const { tag } = await run.target(bytes.length, (signal) => run.context.writer.writePart(request, signal))
    run.countWritten(bytes.length)
    return writtenEntry(extent, { ...stored, tag, isOurs: true })
  } finally {
    loan.release()
  }
}

function uploadOf(run: ChunkRun): string {
  const { upload, chunk } = run.planned
  if (upload === null) throw new TypeError(`part ${chunk} names no upload`)
  return upload
}

/** The object that the bytes should come from is another one now: only a new generation can say where to read them. */
const originLost: readonly ErrorCode[] = ['TARGET_MISSING', 'TARGET_REPLACED', 'TARGET_SHORT_READ']

async function copyPart(run: ChunkRun, extent: Extent, part: number, copy: CopyOrigin): Promise<TransferredEntry> {
  const { seal, offset, length, digest } = copy
  const request = { key: extent.key, upload: uploadOf(run), part, offset, length, seal }
  try {
    const { tag } = await run.target(length, (signal) => run.context.writer.copyPart(request, signal))
    return writtenEntry(extent, { digest, tag, seal: null, isOurs: true })
  } catch (error) {
    if (run.stop === null && error instanceof WaybillError && originLost.includes(error.code)) {
      return refusedEntry(extent, 'changed', error.code)
    }
    throw error
  }
}
