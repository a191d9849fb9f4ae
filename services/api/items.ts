// Items of a migration, their stories, and what a person should know.
import { errorCatalogue, isErrorCode } from '#libs/domain/errors'
import { orderOf } from '#libs/domain/name-order'
import { readShownName, showName } from '#libs/domain/name-text'
import { contentBytes } from '#libs/domain/plan'
import { readItemHistory } from '#libs/projection/item-history'
import type { CurrentItem } from '#libs/projection/item-reader'
import { walkStanding } from '#libs/projection/page-walk'
import type { Finding, Item } from '#schemas/api/findings'
import { type Handler, told } from './calls.ts'
import { knownJob } from './job-sight.ts'
import { entriesOf } from './migrations.ts'
import { ApiProblem } from './problems.ts'

/** Pages of the listing that are read for one answer. */
const pagesMax = 20

function itemOf({ listed, place, outcome, code }: CurrentItem): Item {
  return {
    name: showName(listed.name),
    name_base64: listed.name.toString('base64'),
    kind: listed.kind,
    size: contentBytes(listed),
    outcome,
    code,
    generation: place.generation,
    chunk: place.form === 'page' ? null : place.chunk,
  }
}

/** Throws REQUEST_INVALID for a name that cannot be read. */
function nameIn(path: string): Buffer {
  const name = readShownName(path)
  if (name !== null) return Buffer.from(name)
  const errors = [{ pointer: '/query/path', detail: 'a % is not followed by two hexadecimal digits; write % as %25' }]
  throw new ApiProblem('REQUEST_INVALID', { errors })
}

export const listItems: Handler<'listItems'> = async ({ params, query }, { context, signal }) => {
  const job = params.job_id
  const { row } = await knownJob(context, job)
  const isWanted = (item: CurrentItem): boolean => query.outcome === undefined || item.outcome === query.outcome
  if (query.path !== undefined) {
    const { rows } = context.projection
    const found = await readItemHistory({ rows, log: context.log, job }, nameIn(query.path), signal)
    return told(200, { entries: found !== null && isWanted(found.current) ? [itemOf(found.current)] : [], next: null })
  }
  const list = `items ${job} ${query.outcome ?? ''}`
  const wanted = entriesOf(query.limit)
  const after = query.cursor === undefined ? null : Buffer.from(context.cursors.open(list, query.cursor), 'base64')
  const entries: Item[] = []
  if (row === undefined || row.pass === 0) return told(200, { entries, next: null })
  let last: Buffer | null = after
  let pages = 0
  const { projection, log } = context
  for await (const items of walkStanding({ rows: projection.rows, log, job }, row.pass, after)) {
    pages += 1
    for (const item of items) {
      last = orderOf(item.listed.name, item.listed.kind)
      if (isWanted(item)) entries.push(itemOf(item))
      if (entries.length >= wanted) break
    }
    const isFull = entries.length >= wanted || pages >= pagesMax
    if (isFull && last !== null)
      return told(200, { entries, next: context.cursors.seal(list, last.toString('base64')) })
  }
  return told(200, { entries, next: null })
}

const eventsMax = 500

export const explainItem: Handler<'explainItem'> = async ({ params, query }, { context, signal }) => {
  const job = params.job_id
  await knownJob(context, job)
  const { projection, log } = context
  const history = await readItemHistory({ rows: projection.rows, log, job }, nameIn(query.path), signal)
  if (history === null) throw new ApiProblem('ITEM_UNKNOWN')
  return told(200, {
    job_id: job,
    item: itemOf(history.current),
    passes: history.passes.map(({ page, item }) => ({ pass: page.pass, page: page.page, generation: item.generation })),
    generations: history.generations.map(({ generation, current, uploadEvents, chunkEvents }) => ({
      generation,
      outcome: current.outcome,
      code: current.code,
      events: [...uploadEvents, ...chunkEvents].slice(0, eventsMax).map(({ topic, partition, position, event }) => ({
        type: event.type,
        at: new Date(event.at).toISOString(),
        position: `${topic}/${partition}:${position}`,
        chunk: 'chunk' in event ? event.chunk : null,
        code: 'code' in event ? event.code : null,
      })),
    })),
  })
}

const poisonMax = 1_000

function countedBy(words: readonly string[], kind: Finding['kind']): readonly Finding[] {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].map(([code, count]) => ({ code, count, kind, help: helpOf(code) }))
}

const helpOf = (code: string): string | null => (isErrorCode(code) ? errorCatalogue[code].help : null)

export const listFindings: Handler<'listFindings'> = async ({ params }, { context }) => {
  const job = params.job_id
  const { row, tally, listing } = await knownJob(context, job)
  const poison = await context.projection.rows.slice('poison', `poison/${job}/`, poisonMax)
  const entries: readonly Finding[] = [
    ...tally.codes.map(({ code, count }): Finding => ({ code, count, kind: 'attempt', help: helpOf(code) })),
    ...countedBy(row?.findings ?? [], 'target'),
    ...countedBy(row?.listingFindings ?? [], 'listing'),
    ...countedBy(listing.directoriesFailed, 'directory'),
    ...(poison.length === 0
      ? []
      : countedBy(
          poison.map(() => 'EVENT_POISON'),
          'log',
        )),
  ]
  return told(200, { entries, next: null })
}
