// Walks a ready list over the partitions that are a process's share. Ready lists are ordered by partition and job, and most
// partitions have nothing ready: what belongs to others is jumped over, and so are empty partitions.
import { readyPrefixOf } from '#libs/domain/keys'
import type { KeyedRow, RowReader } from './row-reader.ts'

type ReadyKind = 'leasable' | 'verifiable'

/** Rows asked for at once; most walks end within the first. */
const rowsAtOnce = 64

/** Partition in a key `KIND/PARTITION/...`; null when another list begins there. */
function partitionOf(key: string, kind: ReadyKind): number | null {
  const start = kind.length + 1
  const partition = Number(key.slice(start, key.indexOf('/', start)))
  return Number.isInteger(partition) ? partition : null
}

export interface ReadyChunk {
  readonly partition: number
  readonly chunk: string
}

/** Chunks of one job on the ready list, in the order of partition and chunk. `partitions`: own ones, ascending. */
export async function* readyChunks(
  rows: RowReader,
  kind: ReadyKind,
  job: string,
  partitions: readonly number[],
): AsyncGenerator<ReadyChunk> {
  let place = 0
  let after: string | null = null
  while (place < partitions.length) {
    const partition = partitions[place] as number
    const own = readyPrefixOf(kind, partition, job)
    const found: readonly KeyedRow<ReadyKind>[] = await rows.slice(kind, `${kind}/`, rowsAtOnce, after ?? own)
    const beyond: number = found.findIndex(({ key }) => !key.startsWith(own))
    for (const { row } of beyond < 0 ? found : found.slice(0, beyond)) yield { partition, chunk: row.chunk }
    if (beyond < 0 && found.length < rowsAtOnce) return
    after = beyond < 0 ? (found.at(-1)?.key ?? null) : null
    if (beyond < 0) continue
    const next = partitionOf((found[beyond] as { key: string }).key, kind)
    if (next === null) return
    place += 1
    while (place < partitions.length && (partitions[place] as number) < next) place += 1
  }
}
