// The items of a pass as leaves of its report, in the order of names, straight from pages and chunk events (I8).

import { contentBytes } from '#libs/domain/plan'
import type { ChunkDigest, FoundDigest, ReportLeaf } from '#libs/report/leaf'
import type { JobRow } from '#schemas/rows'
import { type CurrentItem, createEvidenceReader, type Evidence, type ItemContext } from './item-reader.ts'
import { walkStanding } from './page-walk.ts'

const isProven = (item: CurrentItem): boolean => item.outcome === 'verified' || item.outcome === 'already_there'

/** A cancelled pass leaves no item without an outcome. */
function settled(item: CurrentItem, isCancelled: boolean): Pick<CurrentItem, 'outcome' | 'code'> {
  if (item.outcome === 'pending' && isCancelled) return { outcome: 'failed', code: 'CANCELLED' }
  return { outcome: item.outcome, code: item.code }
}

function leafOf(item: CurrentItem, evidence: Evidence, isCancelled: boolean): ReportLeaf {
  const { listed } = item
  const { size, mtimeNs, ctimeNs, inode } = listed.identity
  const chunks = evidence.chunks.flatMap(({ offset, length, digest }): ChunkDigest[] =>
    digest === null ? [] : [[offset, length, digest.toString('hex')]],
  )
  const wrong = evidence.chunks.flatMap(({ offset, length, digest, wrong: found }): FoundDigest[] =>
    found === null || digest === null ? [] : [[offset, length, found.length === 0 ? null : found.toString('hex')]],
  )
  return {
    name: listed.name.toString('base64'),
    kind: listed.kind,
    size: contentBytes(listed),
    ...settled(item, isCancelled),
    key: evidence.key?.toString('base64') ?? null,
    seal: evidence.seal,
    source: { size, mtime_ns: mtimeNs, ctime_ns: ctimeNs, inode },
    chunks,
    ...(wrong.length > 0 && !isProven(item) ? { found: wrong } : {}),
    ...(listed.link === null ? {} : { link: listed.link.toString('base64') }),
  }
}

/** Leaves of the newest pass. Streams: memory holds one page and a few chunk events. */
export async function* reportLeaves(
  context: ItemContext,
  job: Pick<JobRow, 'pass' | 'isLastPassCancelled' | 'passesCompleted'>,
): AsyncGenerator<ReportLeaf> {
  const evidence = createEvidenceReader(context)
  const isCancelled = job.isLastPassCancelled && job.passesCompleted === job.pass
  for await (const items of walkStanding(context, job.pass, null)) {
    for (const item of items) yield leafOf(item, await evidence.of(item), isCancelled)
  }
}

/** The leaves, each told on its way. */
export async function* toldLeaves(
  leaves: AsyncIterable<ReportLeaf>,
  tell: (leaf: ReportLeaf) => void,
): AsyncGenerator<ReportLeaf> {
  for await (const leaf of leaves) {
    tell(leaf)
    yield leaf
  }
}
