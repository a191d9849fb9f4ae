// What is said of chunks that the job does not want read back (--verify none, or outside the sample): unverifiable,
// never verified.

import { noBytes } from '#schemas/avro'
import type { Draft, EventOf } from '#schemas/events'
import type { VerifiedEntry } from '#schemas/records'

export function unreadProof(
  planned: EventOf<'ChunkPlanned'>,
  transferred: EventOf<'ChunkTransferred'>,
  facts: { readonly seal: string | null; readonly round: number; readonly reader: string },
): Draft<'ChunkFailed'> {
  const entries = transferred.entries.map((entry, index): VerifiedEntry => {
    const isStored = entry.outcome === 'written' || entry.outcome === 'given'
    const bytes = planned.extents[index]?.length ?? 0
    const { item, generation, digest: expected } = entry
    const said = isStored
      ? ({ outcome: 'unverifiable', code: 'VERIFY_SKIPPED' } as const)
      : ({ outcome: 'not_written', code: null } as const)
    return { item, generation, bytes, digest: noBytes, expected, ...said }
  })
  const proof = { ...facts, generation: planned.generation, bypassedCache: false, targetBytesRead: 0, entries }
  return {
    type: 'ChunkFailed',
    job: planned.job,
    claim: '',
    epoch: 0,
    chunk: planned.chunk,
    by: 'verifier',
    attempt: transferred.attempt,
    code: 'VERIFY_SKIPPED',
    detail: 'not read back, as the job asks',
    isCounted: false,
    isFinal: false,
    sourceBytesRead: 0,
    targetBytesWritten: 0,
    proof,
  }
}
