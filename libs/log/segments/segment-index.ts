// Where the records of one segment are, roughly: the segment is cut into blocks, and for each block it is known which
// position of each partition comes first. A record is then found by reading one block. Entries are few: blocks grow with
// the number of partitions, so that a log takes at most 64 entries (1 KiB) per 64 KiB, however its partitions are mixed.
import type { PartitionTable } from './partition-table.ts'
import type { Run } from './record-format.ts'

const blockBytesMin = 64 * 1024
const entriesPerBlock = 64

export interface Block {
  /** Bytes from the start of the file; the end is not included. */
  readonly start: number
  readonly end: number
  /** Of its first record. */
  readonly sequence: number
}

interface SlotEntries {
  readonly positions: number[]
  readonly blocks: number[]
}

/** Index of the last number that is not above the wanted one, or -1. The numbers rise. */
export function lastNotAbove(numbers: readonly number[], wanted: number): number {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((numbers[middle] ?? 0) <= wanted) low = middle + 1
    else high = middle
  }
  return low - 1
}

export class SegmentIndex {
  readonly #table: PartitionTable
  readonly #blockBytes: number
  readonly #starts: number[] = []
  readonly #sequences: number[] = []
  readonly #slots = new Map<number, SlotEntries>()
  #end = 0

  constructor(table: PartitionTable) {
    this.#table = table
    this.#blockBytes = blockBytesMin * Math.max(1, Math.ceil(table.size / entriesPerBlock))
  }

  /** Runs are added in the order of the file, without a gap. */
  add(run: Run): void {
    run.records.forEach((record, index) => {
      const offset = run.offsets[index] ?? 0
      const start = this.#starts.at(-1)
      if (start === undefined || offset - start >= this.#blockBytes) {
        this.#starts.push(offset)
        this.#sequences.push(run.sequence + index)
      }
      this.#enter(this.#table.slotOf(record.topic, record.partition), record.position)
    })
    this.#end = run.end
  }

  /** The one block that can hold the position, or null. */
  blockOf(slot: number, position: number): Block | null {
    const entries = this.#slots.get(slot)
    if (entries === undefined) return null
    const number = entries.blocks[lastNotAbove(entries.positions, position)]
    return number === undefined ? null : this.#block(number)
  }

  /**
   * A sequence before which the segment has nothing of what is wanted, or null when that is not known.
   * @param ends next position by slot where the segment ends: what has no more to give holds nothing up
   */
  sequenceFor(wanted: readonly number[], ends: readonly number[]): number | null {
    let sequence = Number.POSITIVE_INFINITY
    for (const [slot, end] of ends.entries()) {
      const position = wanted[slot] ?? 0
      if (position >= end) continue
      const block = this.blockOf(slot, position)
      if (block === null) return null
      sequence = Math.min(sequence, block.sequence)
    }
    return Number.isFinite(sequence) ? sequence : null
  }

  /** The block that holds the sequence, or null when the segment has no record yet. */
  blockOfSequence(sequence: number): Block | null {
    const number = lastNotAbove(this.#sequences, sequence)
    return number < 0 ? null : this.#block(number)
  }

  #enter(slot: number, position: number): void {
    const block = this.#starts.length - 1
    const entries = this.#slots.get(slot)
    if (entries === undefined) {
      this.#slots.set(slot, { positions: [position], blocks: [block] })
    } else if (entries.blocks.at(-1) !== block) {
      entries.positions.push(position)
      entries.blocks.push(block)
    }
  }

  #block(number: number): Block {
    const start = this.#starts[number] ?? 0
    return { start, end: this.#starts[number + 1] ?? this.#end, sequence: this.#sequences[number] ?? 0 }
  }
}
