// Directories that hold something selected are listed themselves, whatever the rules say of them: their mode, owner and
// times are restored, and none is left as it was made on the way.

import { orderOf } from '#libs/domain/name-order'
import type { Source, SourceEntry } from '#libs/source/source'

const slash = '/'.charCodeAt(0)

/** True when `order` is that of the directory or of something below it. */
function isWithin(order: Buffer | null, directory: Buffer): boolean {
  return order !== null && order.length >= directory.length && order.subarray(0, directory.length).equals(directory)
}

/** Ends of the names of all directories above an entry, outermost first. */
function parentEnds(name: Buffer): readonly number[] {
  const ends: number[] = []
  for (let end = name.indexOf(slash); end !== -1; end = name.indexOf(slash, end + 1)) ends.push(end)
  return ends
}

/** The entries in order, each behind those of its directories that stand neither before it nor in `last` and behind. */
export async function withParents(
  source: Pick<Source, 'look'>,
  entries: readonly SourceEntry[],
  last: Buffer | null,
): Promise<readonly SourceEntry[]> {
  const complete: SourceEntry[] = []
  let behind = last
  for (const entry of entries) {
    const nearest = entry.name.lastIndexOf(slash)
    const isListed = nearest === -1 || isWithin(behind, entry.name.subarray(0, nearest + 1))
    for (const end of isListed ? [] : parentEnds(entry.name)) {
      if (isWithin(behind, entry.name.subarray(0, end + 1))) continue
      const parent = await source.look(entry.name.subarray(0, end))
      if (parent?.kind !== 'directory') continue
      complete.push(parent)
      behind = orderOf(parent.name, parent.kind)
    }
    complete.push(entry)
    behind = orderOf(entry.name, entry.kind)
  }
  return complete
}
