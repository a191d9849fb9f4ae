// Names that a target takes for one: they differ in case or in Unicode form alone. The walk goes directory by directory,
// so names are kept for the directories it stands in, and no others.
import type { Bytes } from '#schemas/avro'

const slash = '/'.charCodeAt(0)
/** Names kept of one directory; of larger ones the rest is not compared. */
const namesMax = 1_000_000

export interface TwinSearch {
  /** True when a name before it in its directory becomes the same. Names come in the order of the walk. */
  isTwin(name: Bytes): boolean
}

/** NFC, then lower case: what APFS, exFAT, NTFS and ext4's casefold agree on closely enough for a warning. */
const folded = (segment: Bytes): string => segment.toString('utf8').normalize('NFC').toLowerCase()

export function searchTwins(): TwinSearch {
  const open: { readonly directory: Bytes; readonly names: Set<string> }[] = []
  return {
    isTwin(name) {
      const end = name.lastIndexOf(slash)
      const directory = name.subarray(0, Math.max(end, 0))
      const isAbove = (other: Bytes): boolean =>
        other.length === 0 ||
        directory.equals(other) ||
        name.subarray(0, other.length + 1).equals(Buffer.concat([other, Buffer.of(slash)]))
      while (open.length > 0 && !isAbove(open.at(-1)?.directory ?? directory)) open.pop()
      if (!(open.at(-1)?.directory.equals(directory) ?? false)) open.push({ directory, names: new Set() })
      const names = open.at(-1)?.names ?? new Set<string>()
      const key = folded(name.subarray(end + 1))
      if (names.has(key)) return true
      if (names.size < namesMax) names.add(key)
      return false
    },
  }
}
