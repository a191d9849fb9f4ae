// What a migration would do: the source is listed and the target tried, nothing is moved, appended or kept.
import { orderOf } from '#libs/domain/name-order'
import { contentBytes, countsOf } from '#libs/domain/plan'
import type { Source, SourceEntry } from '#libs/source/source'
import type { Target } from '#libs/target/target'
import type { Bytes } from '#schemas/avro'
import type { ItemKind, JobRequest, Outcome, TargetAbilities } from '#schemas/records'
import { type FreshItem, freshItem, listedEntries, listLimits } from '../coordinator/judgement.ts'
import { withParents } from '../coordinator/parents.ts'
import { searchTwins, type TwinSearch } from './name-twins.ts'

export interface PlanOptions {
  readonly request: JobRequest
  readonly source: Source
  readonly target: Target
  readonly selects: (entry: SourceEntry) => boolean
  /** Items that would not be moved, or not as they are. */
  readonly onProblem: (item: PlanProblem) => void
  /** Items whose key is not their name. */
  readonly onEncoded: (name: Bytes, key: Bytes) => void
  /** Items listed so far, after each page. */
  readonly onListed: (items: number) => void
  readonly signal: AbortSignal
}

export interface PlanProblem {
  readonly name: Bytes
  readonly outcome: Outcome
  readonly code: string
}

export interface PlanTotals {
  readonly kinds: Readonly<Record<ItemKind, number>>
  readonly items: number
  readonly bytes: number
  /** Of those that would be moved. */
  readonly movedItems: number
  readonly movedBytes: number
  readonly readBackBytes: number
  readonly chunks: number
  readonly uploads: number
  readonly uploadParts: number
  readonly nameBytes: number
  readonly failedItems: number
}

export interface Plan {
  readonly totals: PlanTotals
  readonly abilities: TargetAbilities
  /** Codes of the probe. */
  readonly findings: readonly string[]
}

interface Count {
  kinds: Record<ItemKind, number>
  items: number
  bytes: number
  movedItems: number
  movedBytes: number
  chunks: number
  uploads: number
  uploadParts: number
  nameBytes: number
  failedItems: number
}

const nothing = (): Count => ({
  kinds: { file: 0, directory: 0, symlink: 0, special: 0 },
  items: 0,
  bytes: 0,
  movedItems: 0,
  movedBytes: 0,
  chunks: 0,
  uploads: 0,
  uploadParts: 0,
  nameBytes: 0,
  failedItems: 0,
})

class Planner {
  readonly #options: PlanOptions
  readonly #abilities: TargetAbilities
  readonly #twins: TwinSearch | null
  readonly count = nothing()

  constructor(options: PlanOptions, abilities: TargetAbilities, foldsNames: boolean) {
    this.#options = options
    this.#abilities = abilities
    this.#twins = foldsNames ? searchTwins() : null
  }

  takePage(entries: readonly SourceEntry[]): void {
    const { request, target, onListed } = this.#options
    const by = { keys: target.keys, request, abilities: this.#abilities }
    const items = entries.map((entry) => freshItem(by, entry))
    for (const item of items) this.#take(item)
    const { chunks, uploads } = countsOf(items, request.chunkBytes)
    this.count.chunks += chunks
    this.count.uploads += uploads
    onListed(this.count.items)
  }

  #take(item: FreshItem): void {
    const { onProblem, onEncoded, target } = this.#options
    const { count } = this
    const bytes = contentBytes(item)
    count.kinds[item.kind] += 1
    count.items += 1
    count.bytes += bytes
    count.nameBytes += item.name.length
    if (item.outcome !== null) {
      if (item.outcome === 'failed') count.failedItems += 1
      onProblem({ name: item.name, outcome: item.outcome, code: item.code ?? '' })
      return
    }
    count.movedItems += 1
    count.movedBytes += bytes
    count.uploadParts += item.chunks
    const key = target.keys.keyOf(item.name, item.kind)
    if (target.keys.isEncoded(item.name) && 'key' in key) onEncoded(item.name, key.key)
    if (this.#twins?.isTwin(item.name) === true) {
      count.failedItems += 1
      onProblem({ name: item.name, outcome: 'failed', code: 'TARGET_FOLDS_NAMES' })
    }
  }
}

/** Share of the bytes that would be read back. */
function readBackShare({ verify, samplePercent, reconcile }: JobRequest): number {
  const rounds = reconcile === 'full' ? 2 : 1
  switch (verify) {
    case 'full':
      return rounds
    case 'sample':
      return (samplePercent / 100) * rounds
    case 'none':
      return 0
  }
}

/** Lists the whole source. Throws what the source's listing and the target's probe throw, and the signal's reason. */
export async function planMigration(options: PlanOptions): Promise<Plan> {
  const { source, target, selects, signal, request } = options
  const survey = target.survey()
  try {
    const { abilities, findings } = await survey.probe(signal)
    const planner = new Planner(options, abilities, findings.includes('TARGET_FOLDS_NAMES'))
    let cursor: Bytes | null = null
    let last: Bytes | null = null
    do {
      signal.throwIfAborted()
      const page = await source.list(cursor, listLimits, signal)
      const entries = await withParents(source, listedEntries(page.entries, selects), last)
      planner.takePage(entries)
      const end = entries.at(-1)
      if (end !== undefined) last = orderOf(end.name, end.kind)
      cursor = page.cursor
    } while (cursor !== null)
    const readBackBytes = Math.round(planner.count.movedBytes * readBackShare(request))
    return { totals: { ...planner.count, readBackBytes }, abilities, findings }
  } finally {
    await survey.close()
  }
}
