// Who read a job's chunks back, for its report.
import { readProof } from './chunk-history.ts'
import type { ItemContext } from './item-reader.ts'

/** Chunks that are asked who read them back: each verifier reads many, so these name nearly all. */
const chunksAsked = 256

/** Names of readers, sorted. */
export async function readersOf({ rows, log, job }: ItemContext): Promise<readonly string[]> {
  const readers = new Set<string>()
  for (const { row } of await rows.slice('chunk', `chunk/${job}/`, chunksAsked)) {
    const proof = row.provenAt < 0 ? null : await readProof(log, row.partition, row.provenAt)
    if (proof !== null) readers.add(proof.reader)
  }
  return [...readers].sort((a, b) => (a < b ? -1 : 1))
}
