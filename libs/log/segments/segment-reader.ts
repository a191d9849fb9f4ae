// One reading of the log: from the files as long as it lags behind, from memory once it keeps up.
import type { LogRecord, Positions } from '#libs/log/event-log'
import { assertNotBehind } from '#libs/log/record-rules'
import { damage } from './log-error.ts'
import type { Segment, SegmentChain } from './segment-chain.ts'
import type { SegmentCursor } from './segment-cursor.ts'

export class SegmentReader {
  readonly #chain: SegmentChain
  readonly #wanted: readonly number[]
  /** Behind this sequence everything is wanted: no one can have read it before. */
  readonly #filteredBefore: number
  #sequence: number
  #segment: Segment | null = null
  #cursor: SegmentCursor | null = null

  /** @throws WaybillError LOG_DAMAGED when the positions lie behind the end of the log */
  constructor(chain: SegmentChain, from: Positions) {
    assertNotBehind(from, chain.table.positions(chain.ends))
    this.#chain = chain
    this.#wanted = chain.table.slots(from)
    this.#filteredBefore = from.size === 0 ? 0 : chain.end.sequence
    this.#sequence = chain.sequenceFor(this.#wanted)
  }

  /** The next records that are wanted, none when the reader stands at the end. @throws WaybillError LOG_DAMAGED */
  async next(): Promise<readonly LogRecord[]> {
    while (this.#sequence < this.#chain.end.sequence) {
      const first = this.#sequence
      const records = this.#chain.recent.from(first) ?? (await this.#readFile())
      this.#sequence = first + records.length
      const wanted = first < this.#filteredBefore ? this.#select(records) : records
      if (wanted.length > 0) return wanted
    }
    return []
  }

  async close(): Promise<void> {
    await this.#cursor?.close()
    this.#cursor = null
  }

  #select(records: readonly LogRecord[]): readonly LogRecord[] {
    const { table } = this.#chain
    return records.filter((one) => one.position >= (this.#wanted[table.slotOf(one.topic, one.partition)] ?? 0))
  }

  async #readFile(): Promise<readonly LogRecord[]> {
    const cursor = await this.#cursorAtSequence()
    const segment = this.#segment
    if (segment === null) return []
    const run = await cursor.next(await this.#chain.limitOf(segment, cursor))
    if (run.records.length === 0) throw damage(segment.name, cursor.place.offset, 'unreadable record')
    return run.records
  }

  /** The cursor goes on where it stood; after a while on records from memory a new one is placed by the index. */
  async #cursorAtSequence(): Promise<SegmentCursor> {
    const segment = this.#chain.segmentOfSequence(this.#sequence)
    if (segment === null) throw damage('', 0, 'no segment holds the next record')
    if (this.#cursor !== null && this.#cursor.place.sequence === this.#sequence && this.#segment === segment) {
      return this.#cursor
    }
    await this.close()
    this.#segment = segment
    const offset = await this.#offsetOfSequence(segment)
    this.#cursor = await this.#chain.openCursor(segment, { sequence: this.#sequence, offset })
    return this.#cursor
  }

  async #offsetOfSequence(segment: Segment): Promise<number> {
    if (this.#sequence === segment.first) return this.#chain.headerBytes
    const block = (await this.#chain.indexOf(segment)).blockOfSequence(this.#sequence)
    if (block === null) throw damage(segment.name, this.#chain.headerBytes, 'the next record is not in its segment')
    const run = await this.#chain.readBlock(segment, block)
    const offset = run.offsets[this.#sequence - run.sequence]
    if (offset === undefined) throw damage(segment.name, run.end, 'unreadable record')
    return offset
  }
}
