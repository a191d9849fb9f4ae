// Counters are sums over rows: what a row contributes is a function of the row alone, so the order of events between
// partitions cannot matter (rule 4).
import type { Outcome } from '#schemas/records'
import type { ChunkRow, Exception, TallyRow, UploadRow } from '#schemas/rows'
import { errorCatalogue, isErrorCode } from './errors.ts'

export type FinalOutcome = Exclude<Outcome, 'pending'>

export const finalOutcomes: readonly FinalOutcome[] = [
  'verified',
  'already_there',
  'mismatched',
  'missing',
  'failed',
  'changed',
  'skipped',
  'unverifiable',
]

export function isFinalOutcome(outcome: Outcome): outcome is FinalOutcome {
  return outcome !== 'pending'
}

/** What a row adds to a tally: counts by name, items and bytes by outcome. */
export interface Sums {
  readonly counts: Counts
  readonly outcomes: readonly {
    readonly outcome: FinalOutcome | 'listed'
    readonly items: number
    readonly bytes: number
  }[]
  readonly rounds: readonly { readonly round: number; readonly chunks: number }[]
}

export type CountName = Exclude<keyof TallyRow, FinalOutcome | 'listed' | 'rounds' | 'codes' | 'owed'>
export type Counts = Readonly<Record<CountName, number>>

export const noCounts: Counts = {
  chunksNamed: 0,
  chunksPlanned: 0,
  chunksLeased: 0,
  chunksTransferred: 0,
  chunksVerified: 0,
  chunksFailed: 0,
  bytesTransferred: 0,
  bytesVerified: 0,
  sourceBytesRead: 0,
  targetBytesWritten: 0,
  targetBytesRead: 0,
  retries: 0,
  chunksUncached: 0,
  readable: 0,
}

export const noSums: Sums = { counts: noCounts, outcomes: [], rounds: [] }

/** The outcome of an item whose move ended with this code: another version is `changed`, all else failed. */
export function outcomeOfCode(code: string): 'changed' | 'failed' {
  return isErrorCode(code) && errorCatalogue[code].retry === 'relist' ? 'changed' : 'failed'
}

const isLive = (row: ChunkRow, index: number): boolean => !row.superseded.some((extent) => extent.index === index)

/** Extents of whole items whose outcome differs from that of the rest of their chunk; superseded ones are left out. */
export function exceptionsOf(row: ChunkRow): readonly Exception[] {
  const isProven = row.round > 0
  const disproved = new Set(row.disproved.map((exception) => exception.index))
  const noted = row.noted.filter(
    (exception) => !disproved.has(exception.index) && (isProven || exception.outcome !== 'already_there'),
  )
  return [...noted, ...row.disproved].filter((exception) => isLive(row, exception.index))
}

/** Outcome of the extents of whole items that are no exception. */
export function commonOutcome(row: ChunkRow): Outcome {
  if (row.local === 'failed') return 'failed'
  return row.local === 'transferred' && row.round > 0 ? 'verified' : 'pending'
}

function outcomeSums(row: ChunkRow): Sums['outcomes'] {
  if (row.item !== '') return []
  const superseded = row.superseded.reduce((sum, extent) => sum + extent.bytes, 0)
  const common = commonOutcome(row)
  const exceptions = common === 'failed' ? [] : exceptionsOf(row)
  // Before the proof an `already_there` extent is pending like the rest.
  const named = exceptions.map(({ outcome, bytes }) => ({ outcome, items: 1, bytes }))
  const rest = {
    outcome: common,
    items: row.entries - row.superseded.length - named.length,
    bytes: row.bytes - superseded - named.reduce((sum, exception) => sum + exception.bytes, 0),
  }
  return [...named, rest].flatMap((sum) =>
    isFinalOutcome(sum.outcome) && (sum.items !== 0 || sum.bytes !== 0) ? [{ ...sum, outcome: sum.outcome }] : [],
  )
}

const bytesOf = (exceptions: readonly Exception[]): number => exceptions.reduce((sum, { bytes }) => sum + bytes, 0)

/** What a chunk's row adds to the tally of its job. */
export function chunkSums(row: ChunkRow): Sums {
  if (row.local === 'unknown') return noSums
  const isTransferred = row.local === 'transferred'
  const isProven = row.round > 0
  // Parts are counted by their upload, which knows whether they are sealed and not superseded.
  const isReadable = row.item === '' && isTransferred && row.superseded.length < row.entries
  const notWritten = row.noted.filter((exception) => exception.outcome !== 'already_there')
  return {
    counts: {
      chunksNamed: 0,
      chunksPlanned: 1,
      chunksLeased: row.local === 'leased' ? 1 : 0,
      chunksTransferred: isTransferred ? 1 : 0,
      chunksVerified: isTransferred && isProven ? 1 : 0,
      chunksFailed: row.local === 'failed' ? 1 : 0,
      bytesTransferred: isTransferred ? row.bytes - bytesOf(notWritten) : 0,
      bytesVerified: isTransferred && isProven ? row.bytes - bytesOf(notWritten) - bytesOf(row.disproved) : 0,
      sourceBytesRead: row.sourceBytesRead,
      targetBytesWritten: row.targetBytesWritten,
      targetBytesRead: row.targetBytesRead,
      retries: row.failures,
      chunksUncached: isProven && row.bypassedCache ? 1 : 0,
      readable: isReadable ? 1 : 0,
    },
    outcomes: outcomeSums(row),
    rounds: isReadable && isProven ? [{ round: row.round, chunks: 1 }] : [],
  }
}

/** What stands at the target for an upload, once all its parts have a result that names the sealed object. */
export function uploadOutcome(row: UploadRow): { readonly outcome: Outcome; readonly code: string | null } {
  const pending = { outcome: 'pending', code: null } as const
  if (row.opened !== null && row.opened.code !== null) return { outcome: 'failed', code: row.opened.code }
  const seal = row.sealed?.seal ?? null
  // The seal absorbs what parts say later (rule 4); without one a part that failed decides.
  if (seal === null && (row.refused > 0 || row.failed > 0)) {
    const code = row.code ?? 'INTERNAL'
    return { outcome: row.failed > 0 ? 'failed' : outcomeOfCode(code), code }
  }
  if (row.sealed === null || seal === null) return pending
  const proofs = row.proofs.filter((proof) => proof.seal === seal)
  const sum = (name: 'verified' | 'mismatched' | 'missing' | 'unverifiable'): number =>
    proofs.reduce((total, proof) => total + proof[name], 0)
  const [verified, mismatched, missing, unverifiable] = [
    sum('verified'),
    sum('mismatched'),
    sum('missing'),
    sum('unverifiable'),
  ]
  if (verified + mismatched + missing + unverifiable < row.chunks) return pending
  if (missing > 0) return { outcome: 'missing', code: 'TARGET_MISSING' }
  if (mismatched > 0) return { outcome: 'mismatched', code: 'DIGEST_MISMATCH' }
  if (unverifiable > 0) return { outcome: 'unverifiable', code: 'TARGET_UNREADABLE' }
  return { outcome: row.opened?.givenSeal != null && !row.sealed.isOurs ? 'already_there' : 'verified', code: null }
}

/** What an upload's row adds to the tally of its job. */
export function uploadSums(row: UploadRow): Sums {
  if (!row.isListed || row.isSuperseded) return noSums
  const { outcome } = uploadOutcome(row)
  const seal = row.sealed?.seal ?? null
  // Nothing is known to stand at the target: nearly all events of the parts of an upload leave it so.
  if (seal === null && !isFinalOutcome(outcome)) return noSums
  const proofs = seal === null ? [] : row.proofs.filter((proof) => proof.seal === seal)
  return {
    counts: { ...noCounts, readable: seal === null ? 0 : row.chunks },
    outcomes: isFinalOutcome(outcome) ? [{ outcome, items: 1, bytes: row.bytes }] : [],
    rounds: proofs.map(({ round, verified, mismatched, missing, unverifiable }) => ({
      round,
      chunks: verified + mismatched + missing + unverifiable,
    })),
  }
}

type MutableTally = { -readonly [K in keyof TallyRow]: TallyRow[K] }

function moveOutcomes(tally: MutableTally, sums: Sums['outcomes'], sign: 1 | -1): void {
  for (const { outcome, items, bytes } of sums) {
    const { items: itemsBefore, bytes: bytesBefore } = tally[outcome]
    tally[outcome] = { items: itemsBefore + sign * items, bytes: bytesBefore + sign * bytes }
  }
}

function moveRounds(rounds: TallyRow['rounds'], before: Sums['rounds'], after: Sums['rounds']): TallyRow['rounds'] {
  if (before.length === 0 && after.length === 0) return rounds
  const byRound = new Map(rounds.map(({ round, chunks }) => [round, chunks]))
  for (const { round, chunks } of before) byRound.set(round, (byRound.get(round) ?? 0) - chunks)
  for (const { round, chunks } of after) byRound.set(round, (byRound.get(round) ?? 0) + chunks)
  return [...byRound]
    .filter(([, chunks]) => chunks !== 0)
    .sort(([a], [b]) => a - b)
    .map(([round, chunks]) => ({ round, chunks }))
}

/** The tally with other counts; the names stand one by one, since it is made for every event that is folded. */
function movedCounts(tally: TallyRow, before: Counts, after: Counts): MutableTally {
  return {
    ...tally,
    chunksNamed: tally.chunksNamed + after.chunksNamed - before.chunksNamed,
    chunksPlanned: tally.chunksPlanned + after.chunksPlanned - before.chunksPlanned,
    chunksLeased: tally.chunksLeased + after.chunksLeased - before.chunksLeased,
    chunksTransferred: tally.chunksTransferred + after.chunksTransferred - before.chunksTransferred,
    chunksVerified: tally.chunksVerified + after.chunksVerified - before.chunksVerified,
    chunksFailed: tally.chunksFailed + after.chunksFailed - before.chunksFailed,
    bytesTransferred: tally.bytesTransferred + after.bytesTransferred - before.bytesTransferred,
    bytesVerified: tally.bytesVerified + after.bytesVerified - before.bytesVerified,
    sourceBytesRead: tally.sourceBytesRead + after.sourceBytesRead - before.sourceBytesRead,
    targetBytesWritten: tally.targetBytesWritten + after.targetBytesWritten - before.targetBytesWritten,
    targetBytesRead: tally.targetBytesRead + after.targetBytesRead - before.targetBytesRead,
    retries: tally.retries + after.retries - before.retries,
    chunksUncached: tally.chunksUncached + after.chunksUncached - before.chunksUncached,
    readable: tally.readable + after.readable - before.readable,
  } satisfies Record<CountName, number> & TallyRow
}

/** The tally after a row that added `before` came to add `after`. */
export function replaceSums(tally: TallyRow, before: Sums, after: Sums): TallyRow {
  const next = movedCounts(tally, before.counts, after.counts)
  moveOutcomes(next, before.outcomes, -1)
  moveOutcomes(next, after.outcomes, 1)
  next.rounds = moveRounds(tally.rounds, before.rounds, after.rounds)
  return next
}

export function addSums(tally: TallyRow, sums: Partial<Sums>): TallyRow {
  return replaceSums(tally, noSums, { ...noSums, ...sums })
}

export function addCode(tally: TallyRow, code: string, times = 1): TallyRow {
  const before = tally.codes.find((entry) => entry.code === code)
  const others = tally.codes.filter((entry) => entry.code !== code)
  const codes = [...others, { code, count: (before?.count ?? 0) + times }].sort((a, b) => (a.code < b.code ? -1 : 1))
  return { ...tally, codes }
}

type Codes = TallyRow['codes']

/** What was counted since `before`, codes that were not left out. */
export function codesSince(codes: Codes, before: Codes): Codes {
  const earlier = new Map(before.map(({ code, count }) => [code, count]))
  return codes.flatMap(({ code, count }) => {
    const since = count - (earlier.get(code) ?? 0)
    return since > 0 ? [{ code, count: since }] : []
  })
}

/** Items and bytes without a final outcome. */
export function pendingOf(tally: Pick<TallyRow, 'listed' | FinalOutcome>): {
  readonly items: number
  readonly bytes: number
} {
  return finalOutcomes.reduce(
    (left, outcome) => ({ items: left.items - tally[outcome].items, bytes: left.bytes - tally[outcome].bytes }),
    tally.listed,
  )
}

/** Chunks whose proof has at least this round. */
export function provenSince(tally: TallyRow, round: number): number {
  return tally.rounds.reduce((sum, entry) => sum + (entry.round >= round ? entry.chunks : 0), 0)
}
