// One version of an item (rule 7).
import type { Identity } from '#schemas/records'

/** True when both say the same version: a difference in any field is another one. */
export function isSameIdentity(one: Identity, other: Identity): boolean {
  return (
    one.size === other.size &&
    one.mtimeNs === other.mtimeNs &&
    one.ctimeNs === other.ctimeNs &&
    one.inode === other.inode
  )
}
