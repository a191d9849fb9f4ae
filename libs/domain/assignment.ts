// Who of a group works on which partitions: sticky, even, and the same on whichever member decides.
//
// What members have they keep, as long as nobody has more than his share; only what is left over is given out, each
// partition to the member with room that ranks it highest (rendezvous hashing: Thaler and Ravishankar, 1998; with bounded
// load: Mirrokni, Thorup and Zadimoghaddam, 2018). So a member that is lost moves its partitions only, and one that is
// added moves only what it gets.

export interface AssignmentMember {
  /** Unique in the group, the same after a restart. */
  readonly name: string
  /** What it was assigned last, in whatever order; empty for a new one. */
  readonly owned: readonly number[]
  /** Which assignment that was: of two members that name one partition, the later assignment counts. */
  readonly generation: number
}

/** FNV-1a (32 bits) of the name's UTF-16 code units. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

/** How much a member wants a partition. The mixing is the finalizer of MurmurHash3 (Appleby), of which every bit counts. */
function rankOf(nameHash: number, partition: number): number {
  let mixed = nameHash ^ Math.imul(partition + 1, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

interface Seat {
  readonly name: string
  readonly hash: number
  readonly partitions: Set<number>
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0

/** What each member has, every partition at most once. */
function seatsOf(partitions: number, members: readonly AssignmentMember[]): readonly Seat[] {
  const sorted = members.toSorted((a, b) => b.generation - a.generation || byName(a, b))
  const taken = new Set<number>()
  const seats = sorted.map(({ name, owned }) => {
    const own = owned.filter((partition) => partition >= 0 && partition < partitions && !taken.has(partition))
    for (const partition of own) taken.add(partition)
    return { name, hash: hashOf(name), partitions: new Set(own) }
  })
  return seats.toSorted(byName)
}

/** Takes from everyone what is above his share; who has most may have the one more that does not divide. */
function trim(seats: readonly Seat[], share: { readonly even: number; readonly extras: number }): void {
  let extras = share.extras
  for (const seat of seats.toSorted((a, b) => b.partitions.size - a.partitions.size || byName(a, b))) {
    const room = share.even + (extras > 0 ? 1 : 0)
    if (seat.partitions.size > share.even && extras > 0) extras -= 1
    const wanted = [...seat.partitions].toSorted((a, b) => rankOf(seat.hash, b) - rankOf(seat.hash, a) || a - b)
    for (const partition of wanted.slice(room)) seat.partitions.delete(partition)
  }
}

function highest(seats: readonly Seat[], partition: number): Seat {
  // Equal ranks go to the first name.
  return seats.reduce((best, seat) => (rankOf(seat.hash, partition) > rankOf(best.hash, partition) ? seat : best))
}

/**
 * Every partition from 0 to `partitions - 1` to one member, ascending: each gets the whole part of `partitions / members`,
 * and some of them one more. Depends on nothing but the arguments, and not on the members' order.
 * @param members names that are unique; none: nobody gets anything
 */
export function assignPartitions(
  partitions: number,
  members: readonly AssignmentMember[],
): ReadonlyMap<string, readonly number[]> {
  if (members.length === 0) return new Map()
  const even = Math.floor(partitions / members.length)
  const extras = partitions % members.length
  const seats = seatsOf(partitions, members)
  trim(seats, { even, extras })
  const taken = new Set(seats.flatMap((seat) => [...seat.partitions]))
  for (let partition = 0; partition < partitions; partition += 1) {
    if (taken.has(partition)) continue
    const full = seats.filter((seat) => seat.partitions.size > even).length
    const room = even + (full < extras ? 1 : 0)
    highest(
      seats.filter((seat) => seat.partitions.size < room),
      partition,
    ).partitions.add(partition)
  }
  return new Map(seats.map(({ name, partitions: own }) => [name, [...own].toSorted((a, b) => a - b)]))
}
