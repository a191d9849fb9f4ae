// Moves the bytes of one leased chunk and says what came of it, as an event (architecture.md "From source to proof", rules
// 3, 5, 7, 8). Retries of single requests are wrappers around the ports; here a request has failed for good, and what is left
// to decide is whom the failure belongs to: an item, or the whole attempt.
//
// Traps:
// * A loan goes back only after the port's promise has settled, so a port may settle only when it touches the buffer no
//   more, also after an abort.
// * A pack goes on without the items that fail, and comes back to those that may work another time. When one request after
//   another fails, the fault is not the items': the attempt fails (counted), and the next one finds what was put already.
import { type ErrorCode, errorCatalogue, WaybillError } from '#libs/domain/errors'
import type { Draft, EventOf } from '#schemas/events'
import type { Extent, TransferredEntry } from '#schemas/records'
import { ChunkRun, type Stop } from './chunk-run.ts'
import type { ChunkLease, MoveContext } from './move-context.ts'
import { moveItem } from './move-item.ts'
import { movePart } from './move-part.ts'
import { type Refusal, refusedEntry } from './transferred-entry.ts'

/** Failures in a row, beyond one for each item at work, after which a pack is given up. */
const failuresInRowMax = 3
/** From this attempt on a pack goes through to its end, so that what can be moved is moved before the last failure. */
const stubbornAttempt = 4
/** Tries of an item within one attempt, each with all the retries of the ports, with a growing pause between them. */
const roundsMax = 3
const pauseMs = 1000

/**
 * Moves the chunk under its lease. Entries stand in the order of the extents. Never throws for what ports, fence or
 * signal may do; what is thrown is a mistake in waybill. Returns only when nothing of the attempt is at work any more.
 */
export async function moveChunk(
  planned: EventOf<'ChunkPlanned'>,
  lease: ChunkLease,
  context: MoveContext,
): Promise<Draft<'ChunkTransferred'> | Draft<'ChunkFailed'>> {
  const run = new ChunkRun(planned, lease, context)
  try {
    const entries = await moveExtents(run)
    if (entries !== null && (await settle(run, entries))) return transferred(run, entries)
    return failed(run)
  } finally {
    await run.close()
  }
}

/** Entries of all extents; null when the run stopped. */
function moveExtents(run: ChunkRun): Promise<readonly TransferredEntry[] | null> {
  const { extents, part } = run.planned
  const [only] = extents
  if (only === undefined) throw new TypeError(`chunk ${run.planned.chunk} has no extent`)
  if (part !== null) return moveOnly(run, only, () => movePart(run, only, part))
  if (extents.length === 1) return moveOnly(run, only, () => moveItem(run, only))
  return new PackRun(run).move()
}

/** What an error says about the one item it came from. */
type Verdict =
  | { readonly kind: 'refused'; readonly outcome: Refusal; readonly code: ErrorCode }
  /** May work another time: the item's failure in a pack, the attempt's where the item is alone. */
  | { readonly kind: 'doubtful'; readonly stop: Stop }
  | { readonly kind: 'stop'; readonly stop: Stop }

function judge(error: unknown): Verdict {
  if (!(error instanceof WaybillError) || error.code === 'INTERNAL') throw error
  const { code } = error
  // A port that finds itself fenced (its claim's folder is gone) says so before the role knows.
  if (code === 'ABORTED') return { kind: 'stop', stop: { code, isCounted: false, detail: detailOf(error) } }
  switch (errorCatalogue[code].retry) {
    case 'item':
      return { kind: 'refused', outcome: code === 'TARGET_EXISTS' ? 'conflict' : 'failed', code }
    case 'relist':
      return { kind: 'refused', outcome: 'changed', code }
    case 'pause':
      return { kind: 'stop', stop: { code, isCounted: false, detail: detailOf(error) } }
    case 'again':
    case 'never':
      return { kind: 'doubtful', stop: { code, isCounted: true, detail: detailOf(error) } }
  }
}

function detailOf(error: WaybillError): string {
  return Object.entries(error.facts)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ')
}

async function moveOnly(
  run: ChunkRun,
  extent: Extent,
  move: () => Promise<TransferredEntry>,
): Promise<TransferredEntry[] | null> {
  try {
    return [await move()]
  } catch (error) {
    if (run.stop !== null) return null
    const verdict = judge(error)
    if (verdict.kind === 'refused') return [refusedEntry(extent, verdict.outcome, verdict.code)]
    run.stopWith(verdict.stop)
    return null
  }
}

class PackRun {
  readonly #run: ChunkRun
  readonly #entries: TransferredEntry[] = []
  readonly #workers: number
  /** Places of the extents that this round has still to move, and of those left for the next one. */
  #waiting: number[]
  #doubtful: number[] = []
  #round = 1
  #failuresInRow = 0
  #hasStored = false
  #doubt: Stop | null = null
  /** A mistake in waybill; thrown once the other items have come to rest. */
  #mistake: { readonly error: unknown } | null = null

  constructor(run: ChunkRun) {
    this.#run = run
    this.#workers = Math.min(run.context.slots.slotsMax, run.planned.extents.length)
    this.#waiting = [...run.planned.extents.keys()]
  }

  async move(): Promise<readonly TransferredEntry[] | null> {
    for (; ; this.#round += 1) {
      await Promise.all(Array.from({ length: this.#workers }, () => this.#work()))
      if (this.#mistake !== null) throw this.#mistake.error
      if (this.#doubt !== null && !this.#hasStored) this.#run.stopWith(this.#doubt)
      if (this.#run.stop !== null) return null
      if (this.#doubtful.length === 0 || this.#round === roundsMax) return this.#entries
      await this.#pause()
      this.#waiting = this.#doubtful
      this.#doubtful = []
    }
  }

  async #pause(): Promise<void> {
    try {
      await this.#run.context.clock.sleep(this.#round * pauseMs, this.#run.signal)
    } catch (error) {
      if (this.#run.stop === null) throw error
    }
  }

  async #work(): Promise<void> {
    while (this.#run.stop === null) {
      const index = this.#waiting.shift()
      const extent = index === undefined ? undefined : this.#run.planned.extents[index]
      if (index === undefined || extent === undefined) return
      const entry = await this.#moveOne(index, extent)
      if (entry !== null) this.#entries[index] = entry
    }
  }

  async #moveOne(index: number, extent: Extent): Promise<TransferredEntry | null> {
    try {
      const entry = await moveItem(this.#run, extent)
      this.#failuresInRow = 0
      this.#hasStored ||= entry.outcome === 'written' || entry.outcome === 'given'
      return entry
    } catch (error) {
      return this.#run.stop === null ? this.#fail(index, extent, error) : null
    }
  }

  #fail(index: number, extent: Extent, error: unknown): TransferredEntry | null {
    try {
      const verdict = judge(error)
      switch (verdict.kind) {
        case 'refused':
          return refusedEntry(extent, verdict.outcome, verdict.code)
        case 'stop':
          this.#run.stopWith(verdict.stop)
          return null
        case 'doubtful':
          this.#doubtful.push(index)
          return this.#doubtItem(extent, verdict.stop)
      }
    } catch (mistake) {
      this.#mistake ??= { error: mistake }
      this.#run.stopWith({ code: 'INTERNAL', isCounted: true, detail: '' })
      return null
    }
  }

  #doubtItem(extent: Extent, stop: Stop): TransferredEntry {
    this.#doubt ??= stop
    this.#failuresInRow += 1
    // A later round holds nothing but items that failed: that they fail in a row says nothing.
    const isStubborn = this.#run.lease.attempt >= stubbornAttempt || this.#round > 1
    if (!isStubborn && this.#failuresInRow >= this.#workers + failuresInRowMax) this.#run.stopWith(stop)
    return refusedEntry(extent, 'failed', stop.code)
  }
}

/** Makes whole items durable before their event; false when that failed. Objects found there may not be durable yet. */
async function settle(run: ChunkRun, entries: readonly TransferredEntry[]): Promise<boolean> {
  if (run.planned.part !== null) return true
  const isStored = (index: number): boolean => entries[index]?.code === null
  const keys = run.planned.extents.filter((_, index) => isStored(index)).map(({ key }) => key)
  if (keys.length === 0) return true
  try {
    await run.target(0, (signal) => run.context.writer.settle(keys, signal))
    return true
  } catch (error) {
    if (run.stop !== null) return false
    const verdict = judge(error)
    const stop = verdict.kind === 'refused' ? settleFailure(error) : verdict.stop
    run.stopWith(stop)
    return false
  }
}

function settleFailure(error: unknown): Stop {
  if (!(error instanceof WaybillError)) throw error
  return { code: error.code, isCounted: true, detail: detailOf(error) }
}

function identityOf(run: ChunkRun): Pick<ChunkLease, 'job' | 'claim' | 'epoch' | 'chunk' | 'attempt'> {
  const { job, claim, epoch, chunk, attempt } = run.lease
  return { job, claim, epoch, chunk, attempt }
}

function transferred(run: ChunkRun, entries: readonly TransferredEntry[]): Draft<'ChunkTransferred'> {
  const { sourceBytesRead, targetBytesWritten, notes } = run
  return { type: 'ChunkTransferred', ...identityOf(run), sourceBytesRead, targetBytesWritten, entries, notes }
}

function failed(run: ChunkRun): Draft<'ChunkFailed'> {
  const { stop, sourceBytesRead, targetBytesWritten } = run
  if (stop === null) throw new TypeError('an attempt without result and without reason')
  const { code, isCounted, detail } = stop
  const why = { by: 'worker', code, detail, isCounted, isFinal: false } as const
  return { type: 'ChunkFailed', ...identityOf(run), ...why, sourceBytesRead, targetBytesWritten, proof: null }
}
