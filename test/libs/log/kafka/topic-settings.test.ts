import assert from 'node:assert/strict'
import test from 'node:test'
import {
  findingLine,
  planFaults,
  settingsOf,
  type TopicFacts,
  type TopicPlan,
  topicFindings,
} from '#libs/log/kafka/topic-settings'
import { type Topic, topics } from '#schemas/events'

const plan: TopicPlan = {
  partitionCounts: { jobs: 4, listings: 4, chunks: 16, rates: 4 },
  replicas: 3,
  minInsyncReplicas: 2,
}

/** Topics as they are made by the plan, one of them with other settings or numbers. */
function facts(topic: Topic, settings: Readonly<Record<string, string>> = {}, more: Partial<TopicFacts> = {}) {
  const as = (one: Topic): TopicFacts => ({
    partitions: plan.partitionCounts[one],
    replicas: 3,
    settings: settingsOf(one, plan),
  })
  const changed = {
    ...as(topic),
    settings: new Map([...settingsOf(topic, plan), ...Object.entries(settings)]),
    ...more,
  }
  return new Map(topics.map((one) => [one, one === topic ? changed : as(one)]))
}

test('topics that were made by the plan have no findings', () => {
  assert.deepEqual(topicFindings(facts('jobs'), plan), [])
})

const unsafe: readonly (readonly [Topic, Record<string, string>, Partial<TopicFacts>, string, string])[] = [
  ['jobs', { 'cleanup.policy': 'delete' }, {}, 'cleanup.policy', 'refused'],
  ['chunks', { 'cleanup.policy': 'compact,delete' }, {}, 'cleanup.policy', 'refused'],
  ['chunks', { 'min.insync.replicas': '1' }, {}, 'min.insync.replicas', 'refused'],
  ['chunks', { 'min.insync.replicas': '4' }, {}, 'min.insync.replicas', 'refused'],
  ['jobs', { 'unclean.leader.election.enable': 'true' }, {}, 'unclean.leader.election.enable', 'refused'],
  ['jobs', { 'max.message.bytes': '100000' }, {}, 'max.message.bytes', 'refused'],
  ['chunks', {}, { partitions: 15 }, 'partitions', 'refused'],
  ['rates', {}, { replicas: 2 }, 'replicas', 'warned'],
  ['jobs', { 'min.compaction.lag.ms': '0' }, {}, 'min.compaction.lag.ms', 'warned'],
  ['jobs', { 'compression.type': 'producer' }, {}, 'compression.type', 'warned'],
]

for (const [topic, settings, more, setting, weight] of unsafe) {
  test(`${setting} of ${topic} as ${JSON.stringify({ ...settings, ...more })} is ${weight}, and the line says why`, () => {
    const findings = topicFindings(facts(topic, settings, more), plan)
    assert.deepEqual(
      findings.map((finding) => [finding.topic, finding.setting, finding.weight]),
      [[topic, setting, weight]],
    )
    for (const finding of findings)
      assert.match(findingLine(finding), new RegExp(`^${topic}: ${setting} is .+, should be `))
  })
}

test('a topic that is not there is refused', () => {
  const found = new Map([...facts('jobs')].filter(([topic]) => topic !== 'rates'))
  assert.deepEqual(
    topicFindings(found, plan).map(({ topic, setting, weight }) => [topic, setting, weight]),
    [['rates', 'topic', 'refused']],
  )
})

test('a plan that contradicts itself is refused in words', () => {
  assert.deepEqual(planFaults(plan), [])
  assert.equal(planFaults({ ...plan, partitionCounts: { ...plan.partitionCounts, rates: 1 } }).length, 1)
  assert.equal(planFaults({ ...plan, partitionCounts: { ...plan.partitionCounts, chunks: 0 } }).length, 1)
  assert.equal(planFaults({ ...plan, replicas: 1 }).length, 1)
})
