// The end of a pass: metadata of directories, the sweep of unfinished uploads, and the fact that it is complete.
import { WaybillError } from '#libs/domain/errors'
import { keyOf, uploadPrefixOf } from '#libs/domain/keys'
import type { PlacedDraft } from '#libs/log/event-writer'
import { currentItems, readPage } from '#libs/projection/item-reader'
import { findListing } from '#libs/projection/item-search'
import { walkedPages } from '#libs/projection/page-walk'
import type { MayAbort } from '#libs/target/target'
import { type Bytes, noBytes } from '#schemas/avro'
import { type CoordinatorContext, jobRowOf, onJobs, onListings } from './context.ts'

/** Failed directories named in one event. */
const failedNamed = 50

interface FinalPages {
  readonly pass: number
  readonly pages: readonly number[]
}

/** Read once a pass: directories are finished page by page, and each asks for the place of its page. */
const finalPagesOf = new WeakMap<CoordinatorContext, FinalPages>()

/** Numbers of the walked pages of a pass whose listing has ended, so that they change no more. */
async function finalPages(context: CoordinatorContext, pass: number): Promise<readonly number[]> {
  const known = finalPagesOf.get(context)
  if (known?.pass === pass) return known.pages
  const pages: number[] = []
  for await (const page of walkedPages(context.items, pass)) pages.push(page)
  finalPagesOf.set(context, { pass, pages })
  return pages
}

/** Number of the walked page that lies `back` pages before the last one, and whether it is the first. */
async function pageFromEnd(
  context: CoordinatorContext,
  pass: number,
  back: number,
): Promise<{ page: number; isFirst: boolean } | null> {
  const pages = await finalPages(context, pass)
  const index = pages.length - 1 - back
  const page = pages[index]
  return page === undefined ? null : { page, isFirst: index === 0 }
}

/** Mode, owner and times of the directories of one page, the pages walked backwards: what is deepest comes first. */
export async function finishDirectories(
  context: CoordinatorContext,
  number: number,
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  const { pass, abilities } = await jobRowOf(context)
  const say = (isLast: boolean, failed: readonly string[]): readonly PlacedDraft[] => [
    onListings(context, {
      type: 'DirectoriesFinished',
      pass,
      page: number,
      isLast,
      failed: failed.slice(0, failedNamed),
    }),
  ]
  const at = abilities?.kind === 's3' ? null : await pageFromEnd(context, pass, number)
  if (at === null) return say(true, [])
  const event = await readPage(context.items, { pass, page: at.page })
  if (event === null) return say(true, [])
  const entries = (await currentItems(context.items, event)).flatMap(({ listed, outcome }) => {
    if (listed.kind !== 'directory' || (outcome !== 'verified' && outcome !== 'already_there')) return []
    const { attributes, identity } = listed
    const key = context.keys.keyOf(listed.name, listed.kind)
    return 'key' in key ? [{ key: key.key, attributes, mtimeNs: identity.mtimeNs }] : []
  })
  const uploads = await context.uploads()
  const failed = entries.length === 0 ? [] : await uploads.finishDirectories(entries.reverse(), signal)
  return say(
    at.isFirst,
    failed.map(({ code }) => code),
  )
}

/** Uploads of live generations: opened, not sealed, not superseded, not failed. */
async function liveUploads(context: CoordinatorContext): Promise<ReadonlySet<string>> {
  const live = new Set<string>()
  const { rows } = context.projection
  let after: string | undefined
  for (;;) {
    const slice = await rows.slice('upload', `upload/${context.job}/`, 1_000, after)
    for (const { row } of slice) {
      const isLive = row.sealed === null && !row.isSuperseded && row.failed === 0 && row.refused === 0
      if (isLive && row.opened?.upload != null) live.add(row.opened.upload)
    }
    const last = slice.at(-1)
    if (last === undefined) return live
    after = last.key
  }
}

/**
 * True for the key of an item that has, or had in one of its generations, chunks of its own: the job opened uploads on it
 * and nobody else has reason to. Looked up page by page, so that no list of keys is held. The hashed form that stands for
 * very long names cannot be looked up; only waybill writes it, so below this job's prefix it counts as the job's.
 */
async function isUploadKey(context: CoordinatorContext, key: Bytes, lastPass: number): Promise<boolean> {
  const { items, keys, job } = context
  const name = keys.nameOf(key)
  if (name === null || name === 'hashed') return name !== null
  // An item that vanished is listed by the passes before.
  for (let pass = lastPass; pass >= 1; pass -= 1) {
    const found = await findListing(items, pass, name)
    if (found === null || found.item.kind === 'directory') continue
    if ((await items.rows.slice('upload', uploadPrefixOf(job, found.item.item), 1)).length > 0) return true
  }
  return false
}

/** Aborts every upload on the job's keys that is not that of a live generation, no stranger's (I6); returns how many. */
export async function sweepUploads(
  context: CoordinatorContext,
  keepsLive: boolean,
  signal: AbortSignal,
): Promise<number> {
  const live = keepsLive ? await liveUploads(context) : new Set<string>()
  const { pass } = await jobRowOf(context)
  const mayAbort: MayAbort = async (key, upload) =>
    !live.has(upload) && (key === null || (await isUploadKey(context, key, pass)))
  return (await context.uploads()).sweep(mayAbort, signal)
}

/** Mode, owner and time of the source's root on that of the target, where we made it and the source is still there. */
async function finishRoot(context: CoordinatorContext, signal: AbortSignal): Promise<void> {
  const described = await context.source.describe().catch((error: unknown) => {
    if (!(error instanceof WaybillError)) throw error
    context.logger.warn({ code: error.code }, 'source root cannot be looked at any more')
    return null
  })
  if (described === null) return
  const { attributes, mtimeNs } = described
  const uploads = await context.uploads()
  const [failed] = await uploads.finishDirectories([{ key: noBytes, attributes, mtimeNs }], signal)
  if (failed !== undefined) context.logger.warn({ code: failed.code }, 'target root keeps mode, owner and time')
}

export async function completePass(
  context: CoordinatorContext,
  isCancelled: boolean,
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  const { pass, abilities } = await jobRowOf(context)
  if (abilities !== null) {
    const swept = await sweepUploads(context, false, signal)
    if (swept > 0) context.logger.info({ swept }, 'unfinished uploads aborted')
    await context.survey.clear(signal)
    // Last of all: our own folder in it is gone now.
    if (abilities.kind === 'files' && !isCancelled) await finishRoot(context, signal)
  }
  const positions = [...context.projection.positions()]
    .map(([id, next]) => `${id}:${next}`)
    .sort((a, b) => (a < b ? -1 : 1))
  const tally = await context.projection.rows.get(keyOf.tally(context.job))
  return [onJobs(context, { type: 'PassCompleted', pass, positions, isCancelled, codes: tally?.codes ?? [] })]
}
