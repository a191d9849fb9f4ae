// What the four topics must be like, and what is wrong with those that are there. Pure: brokers are asked in topics.ts.
import type { PartitionCounts } from '#libs/log/record-rules'
import { type Topic, topics } from '#schemas/events'

export interface TopicPlan {
  /** jobs, listings and rates are equal: a coordinator owns one number in all three. */
  readonly partitionCounts: PartitionCounts
  /** How many brokers hold each record. */
  readonly replicas: number
  /** How many of them must have it before an append is answered. */
  readonly minInsyncReplicas: number
}

/** What brokers say of a topic; settings by Kafka's names, defaults of the brokers included. */
export interface TopicFacts {
  readonly partitions: number
  readonly replicas: number
  readonly settings: ReadonlyMap<string, string>
}

/**
 * refused: records could be lost, or the roles could not work. warned: works, but not as it should.
 */
export interface TopicFinding {
  readonly weight: 'refused' | 'warned'
  readonly topic: Topic
  /** Kafka's name of a setting, or `partitions`, `replicas`, `topic`. */
  readonly setting: string
  readonly found: string
  readonly wanted: string
  readonly why: string
}

const dayMs = 24 * 60 * 60 * 1000
/** A job may be requested under a key that was used before; both requests stay for so long. */
const compactionLagMsMin = 7 * dayMs
const rateLagMs = 60_000
/** Kafka's own default; batches stay below it. */
const messageBytesMin = 1_048_588
/** A value of 1 MiB with its key is taken too. */
const messageBytesWanted = 2 * 1024 * 1024
/** What the reader unpacks. `producer` leaves the choice to foreign producers. */
const readableCodecs = ['uncompressed', 'gzip', 'zstd']

function compactionLagMs(topic: Topic): number {
  return topic === 'rates' ? rateLagMs : compactionLagMsMin
}

/** Settings of a topic that is made new, by Kafka's names. */
export function settingsOf(topic: Topic, plan: TopicPlan): ReadonlyMap<string, string> {
  return new Map([
    ['cleanup.policy', 'compact'],
    ['min.compaction.lag.ms', String(compactionLagMs(topic))],
    ['retention.ms', '-1'],
    ['retention.bytes', '-1'],
    ['min.insync.replicas', String(plan.minInsyncReplicas)],
    ['max.message.bytes', String(messageBytesWanted)],
    ['unclean.leader.election.enable', 'false'],
    ['compression.type', 'uncompressed'],
  ])
}

interface Rule {
  readonly setting: string
  readonly weight: TopicFinding['weight']
  readonly why: string
  readonly wanted: (topic: Topic, plan: TopicPlan) => string
  readonly isGood: (found: string, topic: Topic, plan: TopicPlan) => boolean
}

const rules: readonly Rule[] = [
  {
    setting: 'cleanup.policy',
    weight: 'refused',
    why: 'delete removes records by age or size, and the log is the audit trail and the only state',
    wanted: () => 'compact',
    isGood: (found) => found === 'compact',
  },
  {
    setting: 'min.compaction.lag.ms',
    weight: 'warned',
    why: 'two requests for a job under one key both stay visible for so long',
    wanted: (topic) => `at least ${compactionLagMs(topic)}`,
    isGood: (found, topic) => Number(found) >= compactionLagMs(topic),
  },
  {
    setting: 'min.insync.replicas',
    weight: 'refused',
    why: 'an append is answered when so many brokers have it; with fewer an answered append can be lost',
    wanted: (_, plan) => `at least ${plan.minInsyncReplicas}`,
    isGood: (found, _, plan) => Number(found) >= plan.minInsyncReplicas,
  },
  {
    setting: 'unclean.leader.election.enable',
    weight: 'refused',
    why: 'a broker that was behind could lead, and answered appends would be gone',
    wanted: () => 'false',
    isGood: (found) => found === 'false',
  },
  {
    setting: 'max.message.bytes',
    weight: 'refused',
    why: 'the topic would refuse whole batches',
    wanted: () => `at least ${messageBytesMin}`,
    isGood: (found) => Number(found) >= messageBytesMin,
  },
  {
    setting: 'compression.type',
    weight: 'warned',
    why: 'records that a foreign producer packs with snappy or lz4 could not be read',
    wanted: () => readableCodecs.join(' or '),
    isGood: (found) => readableCodecs.includes(found),
  },
]

function ruleFindings(topic: Topic, facts: TopicFacts, plan: TopicPlan): readonly TopicFinding[] {
  return rules.flatMap(({ setting, weight, why, wanted, isGood }) => {
    const found = facts.settings.get(setting) ?? 'unknown'
    return isGood(found, topic, plan) ? [] : [{ weight, topic, setting, found, wanted: wanted(topic, plan), why }]
  })
}

function numberFindings(topic: Topic, facts: TopicFacts, plan: TopicPlan): readonly TopicFinding[] {
  const findings: TopicFinding[] = []
  const wanted = plan.partitionCounts[topic]
  if (facts.partitions !== wanted) {
    const why = 'records of one job or chunk must stay in one partition, so the number never changes'
    const finding = { topic, setting: 'partitions', found: String(facts.partitions), wanted: String(wanted), why }
    findings.push({ weight: 'refused', ...finding })
  }
  if (facts.replicas < plan.replicas) {
    const why = 'a lost broker takes the only copies with it'
    const finding = {
      topic,
      setting: 'replicas',
      found: String(facts.replicas),
      wanted: `at least ${plan.replicas}`,
      why,
    }
    findings.push({ weight: 'warned', ...finding })
  }
  const insync = Number(facts.settings.get('min.insync.replicas'))
  if (insync > facts.replicas) {
    const why = 'every append waits for more brokers than hold the topic, and fails'
    const wantedInsync = `at most ${facts.replicas}`
    const finding = { topic, setting: 'min.insync.replicas', found: String(insync), wanted: wantedInsync, why }
    findings.push({ weight: 'refused', ...finding })
  }
  return findings
}

/** @param found topics that are there; none of the findings means that the log may be opened */
export function topicFindings(found: ReadonlyMap<Topic, TopicFacts>, plan: TopicPlan): readonly TopicFinding[] {
  return topics.flatMap((topic) => {
    const facts = found.get(topic)
    if (facts !== undefined) return [...numberFindings(topic, facts, plan), ...ruleFindings(topic, facts, plan)]
    const why = 'all four topics are needed'
    return [{ weight: 'refused' as const, topic, setting: 'topic', found: 'missing', wanted: 'there', why }]
  })
}

/** What is wrong with a plan itself, in words. */
export function planFaults({ partitionCounts, replicas, minInsyncReplicas }: TopicPlan): readonly string[] {
  const { jobs, listings, rates } = partitionCounts
  const faults: string[] = []
  if (jobs !== listings || jobs !== rates) faults.push('jobs, listings and rates must have equally many partitions')
  if (Object.values(partitionCounts).some((count) => !Number.isInteger(count) || count < 1)) {
    faults.push('every topic needs at least one partition')
  }
  if (minInsyncReplicas > replicas) faults.push('there must be at least as many replicas as must be in sync')
  return faults
}

/** One line for people. */
export function findingLine({ topic, setting, found, wanted, why }: TopicFinding): string {
  return `${topic}: ${setting} is ${found}, should be ${wanted}: ${why}`
}
