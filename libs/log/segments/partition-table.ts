// All partitions of all topics in one row, so that a position table is an array. The order is stored in segment headers.
import { strict as assert } from 'node:assert'
import { type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import type { PartitionCounts } from '#libs/log/record-rules'
import type { Topic } from '#schemas/events'

/** Numbers of the topics in the files. Never change one: it stands in logs that people keep. */
export const storedTopics = ['jobs', 'listings', 'chunks', 'rates'] as const satisfies readonly Topic[]
const topicNumbers: Readonly<Record<Topic, number>> = { jobs: 0, listings: 1, chunks: 2, rates: 3 }

export function topicNumber(topic: Topic): number {
  return topicNumbers[topic]
}

export class PartitionTable {
  readonly counts: PartitionCounts
  readonly ids: readonly PartitionId[]
  readonly #starts: Readonly<Record<Topic, number>>

  constructor(counts: PartitionCounts) {
    this.counts = counts
    this.#starts = {
      jobs: 0,
      listings: counts.jobs,
      chunks: counts.jobs + counts.listings,
      rates: counts.jobs + counts.listings + counts.chunks,
    }
    this.ids = storedTopics.flatMap((topic) =>
      Array.from({ length: counts[topic] }, (_, partition) => partitionId(topic, partition)),
    )
  }

  get size(): number {
    return this.ids.length
  }

  slotOf(topic: Topic, partition: number): number {
    return this.#starts[topic] + partition
  }

  /** Positions by slot; a partition that is absent starts at 0. */
  slots(positions: Positions): number[] {
    const unknown = [...positions.keys()].find((id) => !this.ids.includes(id))
    assert(unknown === undefined, `no partition ${unknown}`)
    return this.ids.map((id) => positions.get(id) ?? 0)
  }

  positions(slots: readonly number[]): Positions {
    return new Map(this.ids.map((id, slot) => [id, slots[slot] ?? 0]))
  }
}
