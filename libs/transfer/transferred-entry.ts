// The entries of ChunkTransferred, one for each extent. Their bytes are those planned, whatever became of the extent: the
// sums over all outcomes must add up to what was listed (I2).
import type { ErrorCode } from '#libs/domain/errors'
import type { Extent, TransferredEntry } from '#schemas/records'

const noDigest = Buffer.alloc(0)

export interface Stored {
  readonly digest: Buffer
  readonly tag: string | null
  readonly seal: string | null
  readonly isOurs: boolean
}

function namesOf(extent: Extent): Pick<TransferredEntry, 'item' | 'generation' | 'bytes'> {
  return { item: extent.item, generation: extent.generation, bytes: extent.length }
}

/** Sent in this attempt, or found as the work of this very generation after a lost answer. */
export function writtenEntry(extent: Extent, stored: Stored): TransferredEntry {
  return { ...namesOf(extent), outcome: 'written', code: null, ...stored }
}

/** Found at the target: the source was read and hashed, nothing was sent. */
export function givenEntry(extent: Extent, stored: Stored): TransferredEntry {
  return { ...namesOf(extent), outcome: 'given', code: null, ...stored }
}

export type Refusal = Extract<TransferredEntry['outcome'], 'changed' | 'failed' | 'conflict'>

export function refusedEntry(extent: Extent, outcome: Refusal, code: ErrorCode): TransferredEntry {
  return { ...namesOf(extent), outcome, code, digest: noDigest, tag: null, seal: null, isOurs: false }
}
