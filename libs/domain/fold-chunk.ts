// Folds of the chunks topic. Local status from the chunk's own partition, all else as joins (rule 4).
import type { EventOf, WaybillEvent } from '#schemas/events'
import type { Proof, TransferredEntry, VerifiedEntry } from '#schemas/records'
import type { ChunkRow, Exception, PartitionRow } from '#schemas/rows'
import { type Life, type LifeEvent, stepChunk } from './chunk-life.ts'
import { keyOf, parseChunkKey } from './keys.ts'
import { countCode, setChunk } from './row-effects.ts'
import { emptyChunk, type RecordPlace, type Rows, wasTransferred } from './rows.ts'
import { outcomeOfCode } from './tally.ts'
import { folded, known, poison, stale, type Verdict } from './verdict.ts'

export type ChunkEvent = Extract<
  WaybillEvent,
  { type: 'ChunkPlanned' | 'ChunkLeased' | 'ChunkTransferred' | 'ChunkVerified' | 'ChunkFailed' }
>

const step = (row: ChunkRow, event: LifeEvent): ChunkRow => {
  const life: Life = row
  const next = stepChunk(life, event)
  return next === life ? row : (next as ChunkRow)
}

function foldPlanned(rows: Rows, event: EventOf<'ChunkPlanned'>, at: RecordPlace): Verdict {
  const before = rows.get(keyOf.chunk(event.job, event.chunk)) ?? emptyChunk
  const item = event.part === null ? '' : (event.extents[0]?.item ?? '')
  const bytes = event.extents.reduce((sum, extent) => sum + extent.length, 0)
  if (before.local !== 'unknown') {
    const isSame =
      before.item === item &&
      before.generation === event.generation &&
      before.bytes === bytes &&
      before.entries === event.extents.length
    return isSame ? known : poison(`chunk ${event.chunk} was planned before, with other contents`)
  }
  const after: ChunkRow = {
    ...step(before, { kind: 'planned' }),
    partition: at.partition,
    generation: event.generation,
    item,
    entries: event.extents.length,
    bytes,
    plannedAt: at.position,
  }
  setChunk(rows, event.job, event.chunk, before, after)
  return folded
}

/** The claim that stands on a partition, if it is the event's. */
export function standingClaim(
  rows: Rows,
  event: { readonly claim: string; readonly epoch: number },
  key: ReturnType<typeof keyOf.partition>,
): PartitionRow | null {
  const row = rows.get(key)
  return row !== undefined && row.claim === event.claim && row.epoch === event.epoch ? row : null
}

function foldLeased(rows: Rows, event: EventOf<'ChunkLeased'>, at: RecordPlace): Verdict {
  const partitionKey = keyOf.partition('chunks', at.partition)
  const partition = standingClaim(rows, event, partitionKey)
  const chunkKey = keyOf.chunk(event.job, event.chunk)
  const before = rows.get(chunkKey)
  if (partition === null || before === undefined) return stale
  const after = step(before, { kind: 'leased', attempt: event.attempt, epoch: event.epoch })
  if (after === before) return stale
  rows.set(partitionKey, { ...partition, leased: [...partition.leased, chunkKey] })
  setChunk(rows, event.job, event.chunk, before, after)
  return folded
}

function unlease(rows: Rows, partition: PartitionRow, at: RecordPlace, chunkKey: string): void {
  const leased = partition.leased.filter((key) => key !== chunkKey)
  rows.set(keyOf.partition('chunks', at.partition), { ...partition, leased })
}

/** What is to be said of an extent beyond that it was written. */
function notedOutcome(entry: TransferredEntry): Exception['outcome'] | null {
  switch (entry.outcome) {
    case 'written':
      return null
    case 'given':
      return entry.isOurs ? null : 'already_there'
    case 'changed':
      return 'changed'
    case 'conflict':
      return 'failed'
    case 'failed':
      return outcomeOfCode(entry.code ?? 'INTERNAL')
  }
}

/** Extents of a transfer that are not simply written. */
function notedOf(event: EventOf<'ChunkTransferred'>): readonly Exception[] {
  return event.entries.flatMap((entry, index) => {
    const { item, generation, bytes, code } = entry
    const outcome = notedOutcome(entry)
    return outcome === null ? [] : [{ index, item, generation, bytes, code, outcome }]
  })
}

function foldTransferred(rows: Rows, event: EventOf<'ChunkTransferred'>, at: RecordPlace): Verdict {
  const partition = standingClaim(rows, event, keyOf.partition('chunks', at.partition))
  const chunkKey = keyOf.chunk(event.job, event.chunk)
  const before = rows.get(chunkKey)
  if (partition === null || before === undefined) return stale
  const moved = step(before, { kind: 'transferred', attempt: event.attempt, epoch: event.epoch })
  if (moved === before) return stale
  if (event.entries.length !== before.entries) {
    return poison(`chunk ${event.chunk} has ${before.entries} extents, its transfer names ${event.entries.length}`)
  }
  unlease(rows, partition, at, chunkKey)
  setChunk(rows, event.job, event.chunk, before, {
    ...moved,
    noted: notedOf(event),
    tag: before.item === '' ? '' : (event.entries[0]?.tag ?? ''),
    transferredAt: at.position,
    sourceBytesRead: before.sourceBytesRead + event.sourceBytesRead,
    targetBytesWritten: before.targetBytesWritten + event.targetBytesWritten,
  })
  for (const { code, count } of event.notes) countCode(rows, event.job, code, count)
  for (const { code } of event.entries) if (code !== null) countCode(rows, event.job, code)
  return folded
}

function foldLeaseFailure(rows: Rows, event: EventOf<'ChunkFailed'>, at: RecordPlace): Verdict {
  const chunkKey = keyOf.chunk(event.job, event.chunk)
  const before = rows.get(chunkKey)
  const partition = standingClaim(rows, event, keyOf.partition('chunks', at.partition))
  if (partition === null || before === undefined) return stale
  const { attempt, epoch, isCounted, isFinal } = event
  const after = step(before, { kind: 'failedByWorker', attempt, epoch, isCounted, isFinal })
  if (after === before) return stale
  unlease(rows, partition, at, chunkKey)
  setChunk(rows, event.job, event.chunk, before, {
    ...after,
    code: event.code,
    sourceBytesRead: before.sourceBytesRead + event.sourceBytesRead,
    targetBytesWritten: before.targetBytesWritten + event.targetBytesWritten,
  })
  countCode(rows, event.job, event.code)
  return folded
}

/** A part that the store refused at the seal. The coordinator's claim is on the listings topic: the attempt is the fence. */
function foldRefusal(rows: Rows, event: EventOf<'ChunkFailed'>): Verdict {
  const before = rows.get(keyOf.chunk(event.job, event.chunk))
  if (before === undefined || before.item === '') return stale
  const after = step(before, { kind: 'failedByCoordinator', attempt: event.attempt })
  if (after === before) return stale
  // The last transfer stays on record: where the seal stands already it is what was sealed, and it absorbs this.
  setChunk(rows, event.job, event.chunk, before, { ...after, code: event.code })
  countCode(rows, event.job, event.code)
  return folded
}

function disprovedOutcome(entry: VerifiedEntry): { outcome: Exception['outcome']; code: string } | null {
  switch (entry.outcome) {
    case 'verified':
    case 'not_written':
      return null
    case 'mismatch':
      return { outcome: 'mismatched', code: 'DIGEST_MISMATCH' }
    case 'missing':
      return { outcome: 'missing', code: 'TARGET_MISSING' }
    case 'unverifiable':
      return { outcome: 'unverifiable', code: 'TARGET_UNREADABLE' }
  }
}

function disprovedOf(proof: Proof): readonly Exception[] {
  return proof.entries.flatMap((entry, index) => {
    const { item, generation, bytes } = entry
    const found = disprovedOutcome(entry)
    return found === null ? [] : [{ index, item, generation, bytes, ...found, code: entry.code ?? found.code }]
  })
}

/** The highest (round, failed over verified) wins, whichever came first. */
function foldProof(rows: Rows, job: string, chunk: string, proof: Proof, at: RecordPlace): Verdict {
  const before = rows.get(keyOf.chunk(job, chunk))
  if (before === undefined || !wasTransferred(before)) return stale
  if (before.item !== '' && proof.generation !== before.generation) return stale
  if (proof.entries.length !== before.entries) {
    return poison(`chunk ${chunk} has ${before.entries} extents, its proof names ${proof.entries.length}`)
  }
  const disproved = disprovedOf(proof)
  const isHigher =
    proof.round > before.round ||
    (proof.round === before.round && disproved.length > 0 && before.disproved.length === 0)
  if (!isHigher) return proof.round === before.round ? known : stale
  setChunk(rows, job, chunk, before, {
    ...before,
    disproved,
    round: proof.round,
    proofSeal: before.item === '' ? null : proof.seal,
    provenAt: at.position,
    targetBytesRead: before.targetBytesRead + proof.targetBytesRead,
    bypassedCache: proof.bypassedCache,
  })
  for (const exception of disproved) countCode(rows, job, exception.code ?? 'INTERNAL')
  return folded
}

export function foldChunkEvent(rows: Rows, event: ChunkEvent, at: RecordPlace): Verdict {
  switch (event.type) {
    case 'ChunkPlanned':
      return foldPlanned(rows, event, at)
    case 'ChunkLeased':
      return foldLeased(rows, event, at)
    case 'ChunkTransferred':
      return foldTransferred(rows, event, at)
    case 'ChunkVerified':
      return foldProof(rows, event.job, event.chunk, event.proof, at)
    case 'ChunkFailed':
      switch (event.by) {
        case 'worker':
          return foldLeaseFailure(rows, event, at)
        case 'coordinator':
          return foldRefusal(rows, event)
        case 'verifier':
          return event.proof === null
            ? poison(`a verifier's ChunkFailed of ${event.chunk} has no proof`)
            : foldProof(rows, event.job, event.chunk, event.proof, at)
      }
  }
}

/** A newer claim ends the leases of the older one (rule 1). */
export function endLeases(rows: Rows, partition: PartitionRow, cause: 'start' | 'takeover'): void {
  for (const key of partition.leased) {
    const before = rows.get<'chunk'>(key)
    if (before === undefined) continue
    const { job, chunk } = parseChunkKey(key)
    const after = step(before, { kind: 'claimed', cause })
    const code = after.local === 'failed' ? 'TAKEOVERS_EXHAUSTED' : after.code
    if (after !== before) setChunk(rows, job, chunk, before, { ...after, code })
  }
}
