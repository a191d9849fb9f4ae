// Items of an earlier pass that the walk does not come to any more. Most are gone: they are reported and left alone at the
// target. Those below a directory that cannot be read now, or that another file system covers, may still be there: they
// share what is said of that directory, and the pass that sees them again finds them at the target.
import type { CurrentItem } from '#libs/projection/item-reader'
import type { Bytes } from '#schemas/avro'
import type { ListedItem, Outcome, Place } from '#schemas/records'

/** An entry behind which this pass sees nothing. */
export interface Blind {
  readonly name: Bytes
  readonly outcome: Outcome
  readonly code: string
}

/** Codes of an entry that may hold others, and of those that could not be read with it. */
const blindCodes: ReadonlySet<string> = new Set([
  'SOURCE_UNREADABLE',
  'SOURCE_READ_ERROR',
  'SOURCE_CHANGED',
  'OTHER_FILE_SYSTEM',
])

export function blindOf({ name, outcome, code }: Pick<ListedItem, 'name' | 'outcome' | 'code'>): Blind | null {
  return outcome !== null && code !== null && blindCodes.has(code) ? { name, outcome, code } : null
}

/** True when nothing but the walk of an earlier pass settled the item: its object was not found wrong. */
export function wasOutOfSight(place: Place | null): boolean {
  const isSettled = place !== null && place.form === 'page' && place.code !== null
  return isSettled && (place.code === 'SOURCE_VANISHED' || blindCodes.has(place.code))
}

const slash = '/'.charCodeAt(0)

function isBehind(name: Bytes, blind: Blind): boolean {
  const { length } = blind.name
  if (name.length < length || !name.subarray(0, length).equals(blind.name)) return false
  return name.length === length || name[length] === slash
}

/** The name itself and those of all directories above it, outermost first. */
export function withAncestors(name: Bytes): readonly Bytes[] {
  const ends: number[] = []
  for (let end = name.indexOf(slash); end !== -1; end = name.indexOf(slash, end + 1)) ends.push(end)
  return [...ends, name.length].map((end) => name.subarray(0, end))
}

/** What a pass lists for an item that its walk did not come to. `blind`: the entry with that code before it, if any. */
export function lostItem(before: CurrentItem, blind: Blind | null): ListedItem {
  const { listed, place, outcome, code } = before
  const hidden = blind !== null && isBehind(listed.name, blind) ? blind : null
  const now = { outcome: hidden?.outcome ?? 'skipped', code: hidden?.code ?? 'SOURCE_VANISHED' }
  const base = { ...listed, replaces: null, bad: null, chunks: 0 }
  const wasGone = place.form === 'page' && code === 'SOURCE_VANISHED'
  const isSame = place.form === 'page' && outcome === 'skipped' && code === now.code
  if (wasGone || isSame) return { ...base, previous: null, carried: place, outcome, code }
  return { ...base, generation: place.generation + 1, previous: place, carried: null, ...now }
}
