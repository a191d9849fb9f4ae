// Who may be given chunks of a job: processes that hold partitions and were granted something for it.
import { keyOf } from '#libs/domain/keys'
import type { Claimant } from '../coordinator/context.ts'
import type { ServeParts } from './parts.ts'

/** Each job in each process reports, and is granted, by itself. */
export const granteeOf = (process: string, job: string): string => `${process}/${job}`

export interface Claimants {
  /** Whoever has asked to read for the job and was answered; at most as many as the job may have workers. */
  readonly answered: readonly Claimant[]
  /** Nobody who holds partitions is left out because no answer is known yet. */
  readonly isComplete: boolean
}

/** Partitions of chunks by the process that claimed them last. */
async function holders({
  projection,
  counts,
}: Pick<ServeParts, 'projection' | 'counts'>): Promise<readonly Claimant[]> {
  const keys = Array.from({ length: counts.chunks }, (_, partition) => keyOf.partition('chunks', partition))
  const partitions = new Map<string, number[]>()
  for (const [partition, row] of (await projection.rows.getMany(keys)).entries()) {
    if (row === undefined) continue
    const own = partitions.get(row.writer)
    if (own === undefined) partitions.set(row.writer, [partition])
    else own.push(partition)
  }
  return [...partitions].map(([name, own]) => ({ name, partitions: own }))
}

export async function claimantsOf(parts: Pick<ServeParts, 'projection' | 'counts'>, job: string): Promise<Claimants> {
  const { rows } = parts.projection
  const all = await holders(parts)
  const grants = await rows.getMany(all.map(({ name }) => keyOf.grant(granteeOf(name, job))))
  const answered = all.flatMap((claimant, index) => {
    const grant = grants[index]
    return grant === undefined ? [] : [{ claimant, mayRead: grant.bytesPerSecond !== 0 }]
  })
  // Where only some may work, those that read already keep the work: nobody else would be granted anything for it.
  const order = answered.toSorted(
    (a, b) => Number(b.mayRead) - Number(a.mayRead) || (a.claimant.name < b.claimant.name ? -1 : 1),
  )
  const workersMax = (await rows.get(keyOf.job(job)))?.workersMax ?? order.length
  return {
    answered: order.slice(0, workersMax).map(({ claimant }) => claimant),
    isComplete: order.length === all.length,
  }
}
