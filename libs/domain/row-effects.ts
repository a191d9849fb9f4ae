// Setting a chunk's or an upload's row also moves what depends on it: sums, ready lists, owed corrections. Each of these
// is a function of the row before and the row after, so it holds whichever event made the change.
import type { Place } from '#schemas/records'
import type { ChunkRow, Exception, OwedCorrection, OwedReason, UploadRow } from '#schemas/rows'
import { errorCatalogue, isErrorCode } from './errors.ts'
import { keyOf, parseChunkId } from './keys.ts'
import { clearOwed, isSameOwed, setOwed } from './owed.ts'
import { changeTally, emptyListing, emptyPage, emptyUpload, type Rows } from './rows.ts'
import { addCode, chunkSums, noSums, replaceSums, type Sums, uploadOutcome, uploadSums } from './tally.ts'

export function countCode(rows: Rows, job: string, code: string, times = 1): void {
  changeTally(rows, job, (tally) => addCode(tally, code, times))
}

function reasonOf(exception: Exception): OwedReason | null {
  switch (exception.outcome) {
    case 'mismatched':
      return 'mismatch'
    case 'missing':
      return 'missing'
    case 'changed':
      return 'changed'
    case 'failed':
      return exception.code !== null && isErrorCode(exception.code) && errorCatalogue[exception.code].retry === 'again'
        ? 'failed'
        : null
    case 'pending':
    case 'verified':
    case 'already_there':
    case 'skipped':
    case 'unverifiable':
      return null
  }
}

export function placeInPack(chunk: string, exception: Pick<Exception, 'index' | 'generation' | 'bytes'>): Place {
  return {
    form: 'pack',
    chunk,
    index: exception.index,
    count: 1,
    generation: exception.generation,
    bytes: exception.bytes,
    outcome: null,
    code: null,
  }
}

/** Corrections that a chunk of whole items asks for, by item. */
function owedByChunk(chunk: string, row: ChunkRow): Map<string, OwedCorrection> {
  if (row.item !== '' || row.local !== 'transferred') return new Map()
  const given = new Set(row.noted.filter(({ outcome }) => outcome === 'already_there').map(({ index }) => index))
  const superseded = new Set(row.superseded.map(({ index }) => index))
  return new Map(
    [...row.noted, ...row.disproved].flatMap((exception) => {
      const reason = reasonOf(exception)
      if (reason === null || superseded.has(exception.index)) return []
      const isGiven = given.has(exception.index)
      const place = placeInPack(chunk, exception)
      return [[exception.item, { place, reason, code: exception.code, isGiven, isOurs: !isGiven }]] as const
    }),
  )
}

function placeOfUpload(row: UploadRow, generation: number): Place {
  return {
    form: 'upload',
    chunk: row.firstChunk,
    index: 0,
    count: row.chunks,
    generation,
    bytes: row.bytes,
    outcome: null,
    code: null,
  }
}

function owedByUpload(row: UploadRow, generation: number): OwedCorrection | null {
  if (!row.isListed || row.isSuperseded) return null
  const { outcome, code } = uploadOutcome(row)
  const isGiven = row.opened?.givenSeal != null
  const owed = (reason: OwedReason): OwedCorrection => ({
    place: placeOfUpload(row, generation),
    reason,
    code,
    isGiven,
    isOurs: row.opened?.isOurs ?? true,
  })
  if (row.sealed !== null && row.sealed.seal === null) {
    return row.sealed.code === 'TARGET_EXISTS' ? owed('differs') : { ...owed('lost'), code: row.sealed.code }
  }
  if (outcome === 'mismatched') return owed('mismatch')
  if (outcome === 'missing') return owed('missing')
  return outcome === 'changed' ? owed('changed') : null
}

/** Chunks that a partition still owes a transfer of. */
function loadOf(row: ChunkRow): { readonly chunks: number; readonly bytes: number } {
  return row.local === 'planned' || row.local === 'leased' ? { chunks: 1, bytes: row.bytes } : { chunks: 0, bytes: 0 }
}

function moveLoad(rows: Rows, before: ChunkRow, after: ChunkRow): void {
  const [old, now] = [loadOf(before), loadOf(after)]
  if (old.chunks === now.chunks && old.bytes === now.bytes) return
  const key = keyOf.load(after.partition)
  const load = rows.get(key) ?? { chunks: 0, bytes: 0 }
  rows.set(key, { chunks: load.chunks + now.chunks - old.chunks, bytes: load.bytes + now.bytes - old.bytes })
}

const isLeasable = (row: ChunkRow): boolean => row.local === 'planned'
const isVerifiable = (row: ChunkRow): boolean => row.item === '' && row.local === 'transferred' && row.round === 0

function moveReady(rows: Rows, job: string, chunk: string, before: ChunkRow, after: ChunkRow): void {
  if (isLeasable(before) !== isLeasable(after)) {
    rows.set(keyOf.leasable(after.partition, job, chunk), isLeasable(after) ? { chunk } : null)
  }
  if (isVerifiable(before) !== isVerifiable(after)) {
    rows.set(keyOf.verifiable(after.partition, job, chunk), isVerifiable(after) ? { chunk } : null)
  }
}

/** What a part adds to the row of its upload. */
interface PartShare {
  readonly planned: number
  readonly transferred: number
  readonly refused: number
  readonly failed: number
  readonly proof: UploadRow['proofs'][number] | null
}

function shareOf(row: ChunkRow): PartShare {
  const isMoved = row.local === 'transferred'
  const isRefused = isMoved && row.noted.some(({ outcome }) => outcome !== 'already_there')
  const worst = row.disproved[0]?.outcome ?? 'verified'
  return {
    planned: row.local === 'unknown' ? 0 : 1,
    transferred: isMoved && !isRefused ? 1 : 0,
    refused: isRefused ? 1 : 0,
    // A part that was given up because its item is lost already says nothing about the item.
    failed: row.local === 'failed' && row.code !== 'ABORTED' ? 1 : 0,
    proof:
      row.round > 0 && row.proofSeal !== null
        ? {
            seal: row.proofSeal,
            round: row.round,
            verified: worst === 'verified' ? 1 : 0,
            mismatched: worst === 'mismatched' ? 1 : 0,
            missing: worst === 'missing' ? 1 : 0,
            unverifiable: worst === 'unverifiable' ? 1 : 0,
          }
        : null,
  }
}

type Proofs = UploadRow['proofs']

function addProof(proofs: Proofs, proof: Proofs[number] | null, sign: 1 | -1): Proofs {
  if (proof === null) return proofs
  const isSame = (entry: Proofs[number]): boolean => entry.seal === proof.seal && entry.round === proof.round
  const old = proofs.find(isSame) ?? { ...proof, verified: 0, mismatched: 0, missing: 0, unverifiable: 0 }
  const sum = {
    ...old,
    verified: old.verified + sign * proof.verified,
    mismatched: old.mismatched + sign * proof.mismatched,
    missing: old.missing + sign * proof.missing,
    unverifiable: old.unverifiable + sign * proof.unverifiable,
  }
  const isEmpty = sum.verified + sum.mismatched + sum.missing + sum.unverifiable === 0
  return [...proofs.filter((entry) => !isSame(entry)), ...(isEmpty ? [] : [sum])].sort((a, b) =>
    a.seal === b.seal ? a.round - b.round : a.seal < b.seal ? -1 : 1,
  )
}

/** Of two codes the first in the alphabet: which one came first depends on the order of partitions. */
function firstCode(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}

function movePart(rows: Rows, job: string, before: ChunkRow, after: ChunkRow): void {
  const [old, now] = [shareOf(before), shareOf(after)]
  const key = keyOf.upload(job, after.item, after.generation)
  const row = rows.get(key) ?? emptyUpload
  const isTrouble = now.refused > 0 || now.failed > 0
  setUpload(rows, job, after.item, after.generation, {
    ...row,
    planned: row.planned + now.planned - old.planned,
    transferred: row.transferred + now.transferred - old.transferred,
    refused: row.refused + now.refused - old.refused,
    failed: row.failed + now.failed - old.failed,
    // A part given up because its item was lost already says nothing about the item.
    code: isTrouble && after.code !== 'ABORTED' ? firstCode(row.code, after.noted[0]?.code ?? after.code) : row.code,
    proofs: addProof(addProof(row.proofs, old.proof, -1), now.proof, 1),
  })
}

function applySums(rows: Rows, job: string, before: Sums, after: Sums): void {
  if (before !== noSums || after !== noSums) changeTally(rows, job, (tally) => replaceSums(tally, before, after))
}

/** Stores a chunk's row and all that follows from it. */
export function setChunk(rows: Rows, job: string, chunk: string, before: ChunkRow, after: ChunkRow): void {
  rows.set(keyOf.chunk(job, chunk), after)
  applySums(rows, job, chunkSums(before), chunkSums(after))
  if (after.local === 'unknown') return
  moveLoad(rows, before, after)
  moveReady(rows, job, chunk, before, after)
  if (before.local === 'unknown') {
    const key = keyOf.page(job, parseChunkId(chunk))
    const page = rows.get(key) ?? emptyPage
    rows.set(key, { ...page, chunksPlanned: page.chunksPlanned + 1 })
  }
  if (after.item !== '') {
    movePart(rows, job, before, after)
    return
  }
  const [old, now] = [owedByChunk(chunk, before), owedByChunk(chunk, after)]
  for (const [item, { place }] of old) if (!now.has(item)) clearOwed(rows, job, item, 'proven', place.generation)
  for (const [item, owed] of now) {
    const earlier = old.get(item)
    if (earlier === undefined || !isSameOwed(earlier, owed)) setOwed(rows, job, item, 'proven', owed)
  }
}

const isSealable = (row: UploadRow): boolean =>
  row.isListed &&
  !row.isSuperseded &&
  row.opened !== null &&
  row.opened.code === null &&
  row.sealed === null &&
  row.refused === 0 &&
  row.failed === 0 &&
  row.transferred === row.chunks

const isUploadVerifiable = (row: UploadRow): boolean =>
  row.isListed &&
  !row.isSuperseded &&
  row.sealed !== null &&
  row.sealed.seal !== null &&
  uploadOutcome(row).outcome === 'pending'

const isOpen = (row: UploadRow): boolean =>
  row.isListed &&
  !row.isSuperseded &&
  row.opened !== null &&
  row.opened.upload !== null &&
  row.sealed === null &&
  row.refused === 0 &&
  row.failed === 0

/** Stores an upload's row and all that follows from it. */
export function setUpload(rows: Rows, job: string, item: string, generation: number, after: UploadRow): void {
  const key = keyOf.upload(job, item, generation)
  const before = rows.get(key) ?? emptyUpload
  rows.set(key, after)
  applySums(rows, job, uploadSums(before), uploadSums(after))
  if (isSealable(before) !== isSealable(after)) {
    rows.set(keyOf.sealable(job, item, generation), isSealable(after) ? { chunk: after.firstChunk } : null)
  }
  if (isUploadVerifiable(before) !== isUploadVerifiable(after)) {
    const ready = isUploadVerifiable(after) ? { chunk: after.firstChunk } : null
    rows.set(keyOf.verifiableUpload(job, item, generation), ready)
  }
  const opened = Number(isOpen(after)) - Number(isOpen(before))
  if (opened !== 0) {
    const listingKey = keyOf.listing(job, parseChunkId(after.firstChunk).pass)
    const listing = rows.get(listingKey) ?? emptyListing
    rows.set(listingKey, { ...listing, uploadsOpen: listing.uploadsOpen + opened })
  }
  const [old, now] = [owedByUpload(before, generation), owedByUpload(after, generation)]
  if (now === null) {
    if (old !== null) clearOwed(rows, job, item, 'proven', generation)
  } else if (old === null || !isSameOwed(old, now)) setOwed(rows, job, item, 'proven', now)
}
