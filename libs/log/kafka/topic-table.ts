// What a log knows of its topics: how many partitions they have, and which topics they are.
import { WaybillError } from '#libs/domain/errors'
import { type PartitionCounts, partitionsOf } from '#libs/log/record-rules'
import { type Topic, topics } from '#schemas/events'
import type { TopicState } from './protocol.ts'

export type TopicIds = Readonly<Record<Topic, string>>

function ofEach<T>(value: (topic: Topic) => T): Readonly<Record<Topic, T>> {
  return { jobs: value('jobs'), listings: value('listings'), chunks: value('chunks'), rates: value('rates') }
}

export class TopicTable {
  readonly counts: PartitionCounts
  readonly ids: TopicIds

  private constructor(states: Readonly<Record<Topic, TopicState>>) {
    this.counts = ofEach((topic) => states[topic].leaders.length)
    this.ids = ofEach((topic) => states[topic].id)
  }

  /** @throws WaybillError CONFIG_INVALID when a topic is not there */
  static of(found: ReadonlyMap<Topic, TopicState>, topicPrefix: string): TopicTable {
    const state = (topic: Topic): TopicState => {
      const one = found.get(topic)
      if (one !== undefined) return one
      throw new WaybillError('CONFIG_INVALID', { reason: 'the topic is not there', topic: `${topicPrefix}.${topic}` })
    }
    return new TopicTable(ofEach(state))
  }

  partitions(): readonly { readonly topic: Topic; readonly partition: number }[] {
    return partitionsOf(this.counts)
  }

  /** @throws WaybillError CONFIG_INVALID when a number of partitions is another */
  assertCounts(wanted: PartitionCounts): void {
    for (const topic of topics) {
      if (this.counts[topic] === wanted[topic]) continue
      const facts = { topic, found: this.counts[topic], wanted: wanted[topic] }
      throw new WaybillError('CONFIG_INVALID', { reason: 'the topic has another number of partitions', ...facts })
    }
  }

  /**
   * A topic that was deleted and made again under its name has lost its records.
   * @throws WaybillError LOG_DAMAGED
   */
  assertIds(wanted: TopicIds): void {
    for (const topic of topics) {
      if (this.ids[topic] === wanted[topic]) continue
      const facts = { topic, found: this.ids[topic], wanted: wanted[topic] }
      throw new WaybillError('LOG_DAMAGED', { reason: 'the topic was deleted and made again', ...facts })
    }
  }
}
