// Positions of the log as clients see them: next positions of the partitions of each topic, in base 36 with dots between,
// nothing for 0: `j3_l1a_c12.0.1f`. Clients treat it as one word; people can read it.
import { type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import type { Topic } from '#schemas/events'

export type PartitionCounts = Readonly<Record<Topic, number>>

const letters: readonly (readonly [Topic, string])[] = [
  ['jobs', 'j'],
  ['listings', 'l'],
  ['chunks', 'c'],
]

/** Longer than this it is no header that every client takes: the chunks are left out then. */
export const headerCharactersMax = 8_000

function topicText(topic: Topic, letter: string, positions: Positions, count: number): string {
  const parts: string[] = []
  for (let partition = 0; partition < count; partition += 1) {
    const next = positions.get(partitionId(topic, partition)) ?? 0
    parts.push(next === 0 ? '' : next.toString(36))
  }
  while (parts.at(-1) === '') parts.pop()
  return parts.length === 0 ? '' : `${letter}${parts.join('.')}`
}

/** Empty while nothing is folded. Rates are left out: they say nothing that lasts. */
export function positionText(positions: Positions, counts: PartitionCounts): string {
  return letters
    .map(([topic, letter]) => topicText(topic, letter, positions, counts[topic]))
    .filter((text) => text !== '')
    .join('_')
}

/** The same, shortened to what a header can hold. */
export function positionHeader(positions: Positions, counts: PartitionCounts): string {
  const text = positionText(positions, counts)
  return text.length <= headerCharactersMax ? text : positionText(positions, { ...counts, chunks: 0 })
}

/** null for what is no position of a log with these partitions. */
export function parsePosition(text: string, counts: PartitionCounts): Positions | null {
  const positions = new Map<PartitionId, number>()
  for (const part of text.split('_')) {
    const topic = letters.find(([, letter]) => part.startsWith(letter))?.[0]
    const numbers = part.slice(1).split('.')
    if (topic === undefined || numbers.length > counts[topic]) return null
    for (const [partition, digits] of numbers.entries()) {
      if (digits === '') continue
      const next = /^[0-9a-z]{1,10}$/.test(digits) ? Number.parseInt(digits, 36) : Number.NaN
      if (!Number.isSafeInteger(next) || positions.has(partitionId(topic, partition))) return null
      positions.set(partitionId(topic, partition), next)
    }
  }
  return positions
}
