// The records appended last, kept in memory: a reader that keeps up never goes to the disk. One that falls behind what is
// kept reads from the files, so a slow reader costs no memory.
import { batchRecordsMax, type LogRecord } from '#libs/log/event-log'
import type { Run } from './record-format.ts'
import { lastNotAbove } from './segment-index.ts'

const bytesMax = 16 * 1024 * 1024
/** The places of dropped runs stay in the array until there are so many: removing them one by one would move the rest each time. */
const droppedMax = 1024
const noRun: Run = { sequence: 0, records: [], offsets: [], end: 0 }

export class RecentRecords {
  #runs: Run[] = []
  #sequences: number[] = []
  #sizes: number[] = []
  #dropped = 0
  #bytes = 0

  add(run: Run, bytes: number): void {
    this.#runs.push(run)
    this.#sequences.push(run.sequence)
    this.#sizes.push(bytes)
    this.#bytes += bytes
    while (this.#bytes > bytesMax && this.#dropped < this.#runs.length - 1) {
      this.#bytes -= this.#sizes[this.#dropped] ?? 0
      this.#runs[this.#dropped] = noRun
      this.#dropped += 1
    }
    if (this.#dropped > droppedMax) this.#sweep()
  }

  /** Records from the sequence on, at most `batchRecordsMax`; null when they are not kept (any more). */
  from(sequence: number): readonly LogRecord[] | null {
    let at = lastNotAbove(this.#sequences, sequence)
    const first = this.#runs[at]
    if (at < this.#dropped || first === undefined) return null
    const taken = first.records.slice(sequence - first.sequence)
    if (taken.length === 0) return null
    for (at += 1; at < this.#runs.length; at += 1) {
      const records = this.#runs[at]?.records ?? []
      if (taken.length + records.length > batchRecordsMax) break
      for (const record of records) taken.push(record)
    }
    return taken
  }

  #sweep(): void {
    this.#runs = this.#runs.slice(this.#dropped)
    this.#sequences = this.#sequences.slice(this.#dropped)
    this.#sizes = this.#sizes.slice(this.#dropped)
    this.#dropped = 0
  }
}
