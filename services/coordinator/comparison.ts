// Reconciliation by listing: the target's objects and the pages are walked side by side, in one order. Missing objects and
// wrong sizes or tags are owed a correction, strangers are findings (events.md "TargetListed").

import { keyOf } from '#libs/domain/keys'
import { compareOrder, orderOf } from '#libs/domain/name-order'
import type { PlacedDraft } from '#libs/log/event-writer'
import { type CurrentItem, createEvidenceReader, type EvidenceReader } from '#libs/projection/item-reader'
import { walkItems } from '#libs/projection/page-walk'
import type { TargetObject } from '#libs/target/target'
import { noBytes } from '#schemas/avro'
import type { DifferingObject } from '#schemas/records'
import { type CoordinatorContext, jobRowOf, onListings } from './context.ts'

const objectsAtOnce = 1_000
const strangersNamed = 20
/** Bound on what one event says of differing objects: a target that was emptied misses every item of the job at once. */
const differingBytesMax = 256 * 1024
/** Fields of a differing object beside its key, generously. */
const differingFieldBytes = 160

interface Found {
  readonly size: number
  readonly tag: string | null
}

const hasObject = (item: CurrentItem): boolean => item.outcome === 'verified' || item.outcome === 'already_there'

/** What is wrong with the object of an item, if anything. */
async function judge(
  evidence: EvidenceReader,
  item: CurrentItem,
  found: Found | null,
): Promise<DifferingObject['reason'] | null> {
  if (!hasObject(item)) return null
  if (found === null) return 'missing'
  if (item.listed.kind === 'file' && found.size !== item.listed.identity.size) return 'size'
  if (found.tag === null) return null
  const { seal } = await evidence.of(item)
  return seal === null || seal === found.tag ? null : 'tag'
}

interface Comparison {
  readonly differing: DifferingObject[]
  readonly strangers: Buffer[]
  /** Name up to which was compared, because one event holds no more; null: the whole range was. */
  cutAt: Buffer | null
}

const orderOfObject = (object: TargetObject): Buffer => orderOf(object.key, object.kind)

const isBehind = (order: Buffer, after: Buffer | null): boolean => after === null || compareOrder(order, after) > 0
const isUpTo = (order: Buffer, bound: Buffer | null): boolean => bound === null || compareOrder(order, bound) <= 0

/**
 * Compares the next objects of the target's listing with the items that lie in the same range of names, up to the range's
 * end or until what differs fills an event.
 */
async function compareRange(
  context: CoordinatorContext,
  objects: readonly TargetObject[],
  range: { readonly after: Buffer | null; readonly bound: Buffer | null },
  signal: AbortSignal,
): Promise<Comparison> {
  const { pass } = await jobRowOf(context)
  const evidence = createEvidenceReader(context.items)
  const result: Comparison = { differing: [], strangers: [], cutAt: null }
  let differingBytes = 0
  const walk = walkItems(context.items, pass, range.after)
  const note = async (item: CurrentItem, object: Found | null): Promise<void> => {
    const reason = await judge(evidence, item, object)
    if (reason === null) return
    const found = context.keys.keyOf(item.listed.name, item.listed.kind)
    const key = 'key' in found ? found.key : item.listed.name
    result.differing.push({ key, item: item.listed.item, reason, place: item.place })
    differingBytes += key.length + differingFieldBytes
  }
  // An encoded key sorts elsewhere than its name: those objects are asked for one by one.
  const plain = objects.filter(({ key }) => !context.keys.isEncoded(key))
  let next = 0
  for (;;) {
    signal.throwIfAborted()
    const item = await walk.peek()
    const order = item === null ? null : orderOf(item.listed.name, item.listed.kind)
    const isWithin = order !== null && isUpTo(order, result.cutAt ?? range.bound)
    const listed = plain[next]
    const object = listed !== undefined && isUpTo(orderOfObject(listed), result.cutAt) ? listed : undefined
    if (item === null || order === null || !isWithin) {
      if (object === undefined) return result
      result.strangers.push(object.key)
      next += 1
    } else if (context.keys.isEncoded(item.listed.name)) {
      walk.take()
      await note(item, hasObject(item) ? await findOne(context, item, signal) : null)
    } else {
      const side = object === undefined ? -1 : compareOrder(order, orderOfObject(object))
      if (side <= 0) walk.take()
      if (side >= 0) next += 1
      if (side > 0 && object !== undefined) result.strangers.push(object.key)
      else await note(item, side === 0 && object !== undefined ? object : null)
    }
    if (isWithin && differingBytes >= differingBytesMax) result.cutAt ??= order
  }
}

async function findOne(context: CoordinatorContext, item: CurrentItem, signal: AbortSignal): Promise<Found | null> {
  const found = context.keys.keyOf(item.listed.name, item.listed.kind)
  if ('code' in found) return null
  const state = await (await context.uploads()).find(found.key, signal)
  return state === null ? null : { size: state.size, tag: null }
}

/** Name up to which a page of the target's listing is compared; null: to the end. Never before what was compared. */
function boundOf(last: TargetObject | undefined, isEnd: boolean, after: Buffer | null): Buffer | null {
  if (isEnd) return null
  const order = last === undefined ? noBytes : orderOfObject(last)
  return isBehind(order, after) ? order : after
}

export async function compareTarget(
  context: CoordinatorContext,
  page: number,
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  const { pass } = await jobRowOf(context)
  const row = await context.projection.rows.get(keyOf.listing(context.job, pass))
  const isFirst = row === undefined || row.compared.isDone || row.compared.pages === 0
  const from = isFirst ? null : (row?.compared.cursor ?? null)
  const after = isFirst ? null : (row?.compared.through ?? null)
  const { objects, cursor } = await context.survey.list(from, objectsAtOnce, signal)
  const bound = boundOf(objects.at(-1), cursor === null, after)
  // After a cut the same objects are listed again, and what corrections have put there since.
  const fresh = objects.filter((object) => isBehind(orderOfObject(object), after))
  const { differing, strangers, cutAt } = await compareRange(context, fresh, { after, bound }, signal)
  const compared = fresh.filter((object) => isUpTo(orderOfObject(object), cutAt))
  const event = {
    type: 'TargetListed',
    pass,
    page,
    cursor: cutAt === null ? cursor : from,
    through: cutAt ?? bound,
    isLast: cutAt === null && cursor === null,
    objects: compared.length,
    bytes: compared.reduce((sum, object) => sum + object.size, 0),
    differing,
    strangers: strangers.length,
    strangerSamples: strangers.slice(0, strangersNamed),
  } as const
  return [onListings(context, event)]
}
