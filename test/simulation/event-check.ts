// Checks after every event that the log took: the production fold beside the reference model (I1, I2, I3).
import { createHash } from 'node:crypto'
import { foldEvent, keysOf, undigestedKinds } from '#libs/domain/fold'
import { type Key, keyOf, kindOf } from '#libs/domain/keys'
import { emptyTally, type Rows } from '#libs/domain/rows'
import { finalOutcomes, pendingOf } from '#libs/domain/tally'
import type { LogRecord } from '#libs/log/event-log'
import type { StateStore } from '#libs/store/state-store'
import { type EventOf, isEvent, type WaybillEvent } from '#schemas/events'
import type { Extent, Proof } from '#schemas/records'
import { encodeRow } from '#schemas/row-wire'
import type { RowKind, RowOf, TallyRow } from '#schemas/rows'
import { decodeEvent } from '#schemas/wire'
import { type ModelChunk, ReferenceModel } from './reference-model.ts'
import { job } from './scenario.ts'
import type { SourceSide } from './source-side.ts'
import type { TargetSide } from './target-side.ts'
import type { Violation } from './violation.ts'

/** Rows of one fold in the order of the log, with what the last event wrote. */
class CheckedRows implements Rows {
  readonly all = new Map<string, RowOf<RowKind>>()
  readonly written = new Set<string>()
  named = new Set<string>()
  readonly unnamed = new Set<string>()

  get<K extends RowKind>(key: Key<K>): RowOf<K> | undefined {
    if (!this.named.has(key) && !this.written.has(key) && !undigestedKinds.has(kindOf(key))) this.unnamed.add(key)
    return this.all.get(key) as RowOf<K> | undefined
  }

  set<K extends RowKind>(key: Key<K>, row: RowOf<K> | null): void {
    // Requests and grants are no part of the state: they may come and go.
    if (!undigestedKinds.has(kindOf(key))) this.written.add(key)
    if (row === null) this.all.delete(key)
    else this.all.set(key, row)
  }
}

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

export class EventCheck {
  readonly model = new ReferenceModel()
  readonly rows = new CheckedRows()
  readonly #source: SourceSide
  readonly #target: TargetSide
  readonly #say: (violation: Violation) => void
  #changesAtPass = 0
  /** The last pass: what verify found is repaired at the first try, since nothing fails any more. */
  isRepairing = false
  readonly verdicts = { folded: 0, known: 0, stale: 0, poison: 0 }

  constructor(sides: { source: SourceSide; target: TargetSide; say: (violation: Violation) => void }) {
    this.#source = sides.source
    this.#target = sides.target
    this.#say = sides.say
  }

  get tally(): TallyRow {
    return (this.rows.all.get(keyOf.tally(job)) as TallyRow | undefined) ?? emptyTally
  }

  /** Says in short what the event was and what folding it did. */
  observe(record: LogRecord, tick: number): string {
    const event = decodeEvent(record.value as Buffer)
    const mayCount = this.model.mayCount(event, record.topic, record.partition)
    const verdict = this.#fold(record, event)
    this.verdicts[verdict] += 1
    if (verdict === 'poison') this.#say({ invariant: 'END', text: `${event.type} is poison` })
    const counts = this.model.observe(event, record.topic, record.partition, tick)
    const where = `${event.type} ${record.topic}/${record.partition}@${record.position}`
    const isLateClaim = event.type === 'PartitionClaimed' && !counts
    if ((!mayCount || isLateClaim) && (verdict === 'folded' || this.rows.written.size > 0)) {
      this.#say({ invariant: 'I3', text: `${where} of an old claim wrote ${[...this.rows.written].join(' ')}` })
    }
    if (verdict !== 'folded' && this.rows.written.size > 0) {
      this.#say({ invariant: 'I3', text: `${where} is ${verdict} and wrote ${[...this.rows.written].join(' ')}` })
    }
    if (counts) this.#checkProof(event, tick)
    if (counts && this.isRepairing) this.#checkRepair(event)
    if (verdict === 'folded') this.#checkGone(event)
    this.#checkSums(where)
    return `${subjectOf(event)} ${verdict}`
  }

  #fold(record: LogRecord, event: WaybillEvent): 'folded' | 'known' | 'stale' | 'poison' {
    const { rows } = this
    rows.written.clear()
    rows.unnamed.clear()
    rows.named = new Set(
      keysOf({ get: (key) => rows.all.get(key) as never, set: () => undefined }, event, record.topic, record),
    )
    const { kind } = foldEvent(rows, event, record.topic, record)
    for (const key of rows.unnamed) {
      this.#say({ invariant: 'END', text: `keysOf does not name ${key} for ${event.type}` })
    }
    return kind
  }

  /** I1: what is called verified was at the target after the seal, and is one version of the source. */
  #checkProof(event: WaybillEvent, tick: number): void {
    const proof = proofOf(event)
    if (proof === null) return
    const chunk = this.model.chunks.get((event as EventOf<'ChunkVerified'>).chunk)
    if (chunk === undefined || chunk.transferred === null) return
    for (const [index, entry] of proof.entries.entries()) {
      if (entry.outcome !== 'verified') continue
      const extent = chunk.planned.extents[index] as Extent
      const why = this.#whyFalse(chunk, index, proof, tick)
      if (why !== null) {
        this.#say({
          invariant: 'I1',
          text: `${chunk.planned.chunk}[${index}] ${extent.name.toString('latin1')}: ${why}`,
        })
      }
    }
  }

  #whyFalse(chunk: ModelChunk, index: number, proof: Proof, tick: number): string | null {
    const extent = chunk.planned.extents[index] as Extent
    const moved = chunk.transferred?.entries[index]
    const entry = proof.entries[index]
    if (moved === undefined || entry === undefined) return 'nothing was transferred'
    if (moved.outcome !== 'written' && moved.outcome !== 'given') return `was ${moved.outcome}`
    if (!entry.digest.equals(moved.digest)) return 'the digest read is not that of the transfer'
    const content = contentOf(extent, this.#source)
    if (content === null) return 'no such version of the source'
    if (!sha256(content).equals(entry.digest)) return 'the digest is not that of the version of the source'
    const isPart = chunk.planned.part !== null
    const sealed = this.model.seals.get(`${extent.item}/${extent.generation}`)
    if (isPart && sealed === undefined) return 'is not sealed'
    const seal = isPart ? proof.seal : moved.seal
    if (isPart && seal !== sealed?.event.seal) return 'names another seal'
    const since = (isPart ? sealed?.tick : chunk.transferred?.tick) ?? 0
    const stood = this.#target
      .versionsOf(extent.key)
      .filter(({ from, to }) => from <= tick && (to === null || to >= since))
      .some(
        ({ object }) =>
          object.seal === seal && object.kind === extent.kind && rangeOf(object.body, extent).equals(content),
      )
    return stood ? null : 'no such bytes stood at the target after the seal'
  }

  #checkRepair(event: WaybillEvent): void {
    if (isEvent(event, 'ChunkFailed') && event.by !== 'verifier' && event.isCounted) {
      this.#say({ invariant: 'END', text: `chunk ${event.chunk} failed without a fault: ${event.code}` })
    }
    if (!isEvent(event, 'ItemsListed')) return
    for (const { name, outcome } of event.items) {
      if (outcome !== 'mismatched' && outcome !== 'missing') continue
      this.#say({ invariant: 'END', text: `${name.toString('latin1')} was repaired in vain: ${outcome}` })
    }
  }

  /** I2: what is called gone was not there all the time; a folder that cannot be listed hides, and takes nothing away. */
  #checkGone(event: WaybillEvent): void {
    if (isEvent(event, 'PassOpened')) this.#changesAtPass = this.#source.changes
    if (!isEvent(event, 'ItemsListed') || event.kind !== 'listing') return
    for (const { name, code, carried } of event.items) {
      if (code !== 'SOURCE_VANISHED' || carried !== null) continue
      if (!this.#source.wasThereSince(name, this.#changesAtPass)) continue
      this.#say({ invariant: 'I2', text: `${name.toString('latin1')} is called gone and was there all the time` })
    }
  }

  /** I2 while the job runs: sums never pass what is listed, and what counts as verified is what the model verifies. */
  #checkSums(where: string): void {
    if (!this.rows.written.has(keyOf.tally(job))) return
    const { tally } = this
    const pending = pendingOf(tally)
    if (pending.items < 0 || pending.bytes < 0) {
      this.#say({ invariant: 'I2', text: `${where}: ${pending.items} items, ${pending.bytes} bytes are pending` })
    }
    for (const outcome of finalOutcomes) {
      const { items, bytes } = tally[outcome]
      if (items < 0 || bytes < 0)
        this.#say({ invariant: 'I2', text: `${where}: ${outcome} is ${items} items, ${bytes} bytes` })
    }
    const expected = { verified: 0, already_there: 0, other: 0 }
    for (const item of this.model.items.values()) expected[this.model.outcomeOf(item)] += 1
    for (const outcome of ['verified', 'already_there'] as const) {
      if (tally[outcome].items !== expected[outcome]) {
        const text = `${where}: ${tally[outcome].items} items count as ${outcome}, the log proves ${expected[outcome]}`
        this.#say({ invariant: outcome === 'verified' ? 'I1' : 'I2', text })
      }
    }
    if (tally.listed.items !== this.model.items.size) {
      this.#say({
        invariant: 'I2',
        text: `${where}: ${tally.listed.items} items count as listed, not ${this.model.items.size}`,
      })
    }
  }

  /** The rows as a store, for its digest. */
  async writeTo(store: StateStore): Promise<void> {
    await store.commit([...this.rows.all].map(([key, row]) => ({ key, value: encodeRow(kindOf(key), row) })))
  }
}

function proofOf(event: WaybillEvent): Proof | null {
  if (isEvent(event, 'ChunkVerified')) return event.proof
  return isEvent(event, 'ChunkFailed') ? event.proof : null
}

/** Bytes of the extent in the version of the source that it was planned for. */
function contentOf(extent: Extent, source: SourceSide): Buffer | null {
  switch (extent.kind) {
    case 'directory':
      return Buffer.alloc(0)
    case 'symlink':
      return extent.link
    case 'special':
      return null
    case 'file': {
      const version = source.versionOf(extent.name, extent.identity)
      return version?.subarray(extent.offset, extent.offset + extent.length) ?? null
    }
  }
}

function rangeOf(body: Buffer, extent: Extent): Buffer {
  if (extent.kind === 'directory') return Buffer.alloc(0)
  return extent.kind === 'symlink' ? body : body.subarray(extent.offset, extent.offset + extent.length)
}

function subjectOf(event: WaybillEvent): string {
  if ('chunk' in event)
    return `${event.chunk}${'attempt' in event ? `#${event.attempt}` : ''} ${'code' in event ? event.code : ''}`
  if ('item' in event) return `${event.item}/${event.generation}`
  return 'page' in event ? `${event.pass}.${event.page}` : ''
}
