// Where chunks go: to the partitions of the claimants with the fewest unfinished bytes (rule 2), in runs.
import type { Placement } from '#schemas/records'

export interface PartitionLoad {
  readonly partition: number
  /** Who holds it: one process has many partitions. */
  readonly claimant: string
  readonly chunks: number
  readonly bytes: number
}

interface Claimant {
  bytes: number
  readonly partitions: { readonly partition: number; bytes: number }[]
}

function claimantsOf(loads: readonly PartitionLoad[]): readonly Claimant[] {
  const byName = new Map<string, Claimant>()
  for (const { claimant, partition, bytes } of [...loads].sort((a, b) => a.partition - b.partition)) {
    const known = byName.get(claimant) ?? { bytes: 0, partitions: [] }
    known.bytes += bytes
    known.partitions.push({ partition, bytes })
    byName.set(claimant, known)
  }
  return [...byName.values()]
}

/** The one with the fewest bytes; of equals the first. */
function leastOf<T extends { readonly bytes: number }>(all: readonly T[]): T {
  return all.reduce((a, b) => (b.bytes < a.bytes ? b : a))
}

/**
 * Spreads `count` chunks of about `bytesEach` so that the least loaded claimant gets the next one, in its least loaded
 * partition. Throws without partitions.
 */
export function placeChunks(loads: readonly PartitionLoad[], count: number, bytesEach: number): readonly Placement[] {
  if (loads.length === 0) throw new RangeError('no partition to place chunks on')
  const claimants = claimantsOf(loads)
  const runs: { partition: number; count: number }[] = []
  for (let placed = 0; placed < count; placed += 1) {
    const claimant = leastOf(claimants)
    const least = leastOf(claimant.partitions)
    claimant.bytes += Math.max(1, bytesEach)
    least.bytes += Math.max(1, bytesEach)
    const last = runs.at(-1)
    if (last?.partition === least.partition) last.count += 1
    else runs.push({ partition: least.partition, count: 1 })
  }
  return runs
}

/** Partition of the chunk at `index` of a placement. Throws beyond its end. */
export function partitionAt(placements: readonly Placement[], index: number): number {
  let passed = 0
  for (const { partition, count } of placements) {
    passed += count
    if (index < passed) return partition
  }
  throw new RangeError(`placement of ${passed} chunks has no chunk ${index}`)
}

/**
 * Partition that holds a job's events, or a source's rates: FNV-1a (32 bits) of the name's UTF-16 code units, modulo `count`.
 * Never changed: it places events in logs that people keep.
 */
export function partitionOfName(name: string, count: number): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  }
  return (hash >>> 0) % count
}
