// The end of a pass: metadata of directories, the sweep of unfinished uploads, and the fact that it is complete.
import type { PlacedDraft } from '#libs/log/event-writer'
import { currentItems, readPage } from '#libs/projection/item-reader'
import { walkedPages } from '#libs/projection/page-walk'
import { type CoordinatorContext, jobRowOf, onJobs, onListings } from './context.ts'

/** Failed directories named in one event. */
const failedNamed = 50

/** Number of the walked page that lies `back` pages before the last one, and whether it is the first. */
async function pageFromEnd(
  context: CoordinatorContext,
  pass: number,
  back: number,
): Promise<{ page: number; isFirst: boolean } | null> {
  const pages: number[] = []
  for await (const page of walkedPages(context.items, pass)) pages.push(page)
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

/** Aborts every upload under the job's prefix that is not that of a live generation; returns how many. */
export async function sweepUploads(
  context: CoordinatorContext,
  keepsLive: boolean,
  signal: AbortSignal,
): Promise<number> {
  const live = keepsLive ? await liveUploads(context) : new Set<string>()
  return (await context.uploads()).sweep((upload) => live.has(upload), signal)
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
  }
  const positions = [...context.projection.positions()]
    .map(([id, next]) => `${id}:${next}`)
    .sort((a, b) => (a < b ? -1 : 1))
  return [onJobs(context, { type: 'PassCompleted', pass, positions, isCancelled })]
}
