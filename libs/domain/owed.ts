// Corrections that are owed: an item's results or the target's listing say that a new generation is needed. The two come
// from different partitions, so each stands and goes by itself, and of two generations the higher one stays: which of them
// was folded first cannot matter (rule 4).
import type { OwedCorrection, OwedRow } from '#schemas/rows'
import { keyOf } from './keys.ts'
import { changeTally, type Rows } from './rows.ts'

type OwedSource = keyof OwedRow

const nothingOwed: OwedRow = { proven: null, listed: null }

function store(rows: Rows, job: string, item: string, after: OwedRow): void {
  const key = keyOf.owed(job, item)
  const isOwed = after.proven !== null || after.listed !== null
  const change = Number(isOwed) - (rows.get(key) === undefined ? 0 : 1)
  rows.set(key, isOwed ? after : null)
  if (change !== 0) changeTally(rows, job, (tally) => ({ ...tally, owed: tally.owed + change }))
}

/** Notes a correction, unless one of a higher generation stands. */
export function setOwed(rows: Rows, job: string, item: string, source: OwedSource, owed: OwedCorrection): void {
  const before = rows.get(keyOf.owed(job, item)) ?? nothingOwed
  const standing = before[source]
  if (standing !== null && standing.place.generation > owed.place.generation) return
  store(rows, job, item, { ...before, [source]: owed })
}

/** Takes a correction back that was owed for this generation or an older one. */
export function clearOwed(rows: Rows, job: string, item: string, source: OwedSource, generation: number): void {
  const before = rows.get(keyOf.owed(job, item)) ?? nothingOwed
  const standing = before[source]
  if (standing === null || standing.place.generation > generation) return
  store(rows, job, item, { ...before, [source]: null })
}

/** What is to be corrected first: the higher generation, and of one generation what its own results say. */
export function owedCorrectionOf({ proven, listed }: OwedRow): OwedCorrection | null {
  if (proven === null || listed === null) return proven ?? listed
  return listed.place.generation > proven.place.generation ? listed : proven
}

export function isSameOwed(one: OwedCorrection, other: OwedCorrection): boolean {
  return (
    one.reason === other.reason &&
    one.code === other.code &&
    one.isGiven === other.isGiven &&
    one.isOurs === other.isOurs &&
    one.place.chunk === other.place.chunk
  )
}
