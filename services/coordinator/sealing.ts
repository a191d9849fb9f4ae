// Sealing makes an object readable under its name, once all its parts are transferred (rules 5 and 6).

import { codeOf, WaybillError } from '#libs/domain/errors'
import { chunkIdOf, keyOf, parseChunkId } from '#libs/domain/keys'
import type { PlacedDraft } from '#libs/log/event-writer'
import { readWholeChunk, type WholeChunk } from '#libs/projection/item-reader'
import type { SealPart } from '#libs/target/target'
import type { EventOf } from '#schemas/events'
import type { UploadRow } from '#schemas/rows'
import { type CoordinatorContext, onListings } from './context.ts'

interface Part {
  readonly chunk: string
  readonly partition: number
  readonly attempt: number
  readonly whole: WholeChunk
}

const readAtOnce = 64

async function readParts(context: CoordinatorContext, row: UploadRow): Promise<readonly Part[]> {
  const first = parseChunkId(row.firstChunk)
  const parts: Part[] = []
  for (let start = 0; start < row.chunks; start += readAtOnce) {
    const ids = Array.from({ length: Math.min(readAtOnce, row.chunks - start) }, (_, n) =>
      chunkIdOf({ ...first, n: first.n + start + n }),
    )
    const rows = await context.projection.rows.getMany(ids.map((id) => keyOf.chunk(context.job, id)))
    for (const [index, chunkRow] of rows.entries()) {
      if (chunkRow === undefined) throw new WaybillError('INTERNAL', { chunk: ids[index] as string })
      const { partition, attempt } = chunkRow
      parts.push({
        chunk: ids[index] as string,
        partition,
        attempt,
        whole: await readWholeChunk(context.items.log, chunkRow),
      })
    }
  }
  return parts
}

function sealPartOf({ whole, chunk }: Part): SealPart {
  const entry = whole.entries[0]
  const { part } = whole.planned
  const extent = whole.planned.extents[0]
  if (entry === undefined || part === null || extent === undefined) throw new WaybillError('INTERNAL', { chunk })
  return { part, tag: entry.tag ?? '', digest: entry.digest, length: extent.length }
}

/** A refused part is sent again under the same upload; the attempt named is the fence. */
function refusalOf(context: CoordinatorContext, part: Part): PlacedDraft {
  const { job, listings } = context
  const counted = { isCounted: true, isFinal: false, sourceBytesRead: 0, targetBytesWritten: 0, proof: null }
  return {
    topic: 'chunks',
    partition: part.partition,
    event: {
      type: 'ChunkFailed',
      job,
      claim: listings.claim,
      epoch: listings.epoch,
      chunk: part.chunk,
      by: 'coordinator',
      attempt: part.attempt,
      code: 'PART_REFUSED',
      detail: 'refused when the upload was completed',
      ...counted,
    },
  }
}

type SealFact = Pick<EventOf<'UploadSealed'>, 'seal' | 'isAdopted' | 'isOurs' | 'code'>

function lost(error: unknown): SealFact | null {
  const code = codeOf(error)
  return code === 'UPLOAD_LOST' || code === 'TARGET_EXISTS'
    ? { seal: null, isAdopted: false, isOurs: true, code }
    : null
}

export async function sealUpload(
  context: CoordinatorContext,
  task: { readonly item: string; readonly generation: number },
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  const row = await context.projection.rows.get(keyOf.upload(context.job, task.item, task.generation))
  const opened = row?.opened ?? null
  if (row === undefined || opened === null) return []
  const say = (fact: SealFact): readonly PlacedDraft[] => [
    onListings(context, { type: 'UploadSealed', ...task, size: row.bytes, ...fact }),
  ]
  // The object was there already: all its parts were hashed at the source, nothing is asked of the store.
  if (opened.givenSeal !== null) {
    return say({ seal: opened.givenSeal, isAdopted: false, isOurs: opened.isOurs, code: null })
  }
  const parts = await readParts(context, row)
  const extent = parts[0]?.whole.planned.extents[0]
  if (extent === undefined || opened.upload === null) throw new WaybillError('INTERNAL', { item: task.item })
  const uploads = await context.uploads()
  try {
    const { seal, isAdopted } = await uploads.seal(
      {
        key: extent.key,
        upload: opened.upload,
        size: row.bytes,
        parts: parts.map(sealPartOf),
        copiesParts: parts.some(({ whole }) => whole.planned.copy !== null),
        dress: {
          mark: { job: context.job, item: task.item, generation: task.generation },
          attributes: extent.attributes,
          mtimeNs: extent.identity.mtimeNs,
        },
        condition: opened.replaces === null ? { kind: 'absent' } : { kind: 'match', seal: opened.replaces },
        claim: context.listings.claim,
      },
      signal,
    )
    return say({ seal, isAdopted, isOurs: true, code: null })
  } catch (error) {
    const fact = lost(error)
    if (fact !== null) return say(fact)
    const refused = error instanceof WaybillError && error.code === 'PART_REFUSED' ? error.facts['parts'] : null
    if (!Array.isArray(refused)) throw error
    const numbers = new Set(refused as readonly number[])
    return parts.filter((part) => numbers.has(part.whole.planned.part ?? 0)).map((part) => refusalOf(context, part))
  }
}
