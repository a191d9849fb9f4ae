// A stranger with a plain Kafka client appends what it likes: copies of real records in any order, and records that mean
// nothing. The state stays what it would be without them, or one job stops and says where and why. And topics that lose
// records are refused at the start.
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { partitionOfName } from '#libs/domain/placement'
import type { LogRecord } from '#libs/log/event-log'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { type ClusterWorld, promiseEnd, withCluster } from '../support/cluster-campaign.ts'
import { digestWithout } from '../support/cluster-digest.ts'
import { appendForeign, changeTopics, type ForeignRecord, readRecords } from '../support/cluster-records.ts'

const MiB = 1024 * 1024
const waitMsMax = 120_000
const jobPartitions = 4
const counts = { coordinator: 1, worker: 2, verifier: 1 } as const
const serve = ['source_rate = "2MB/s"', 'concurrency = 2']

function shuffled<T>(all: readonly T[], random: () => number): readonly T[] {
  return all
    .map((each) => ({ each, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ each }) => each)
}

/** Copies of what is there, each once or twice, in any order: duplicates, stale claims and leases, proofs of the past. */
async function forge({ campaign, cluster }: ClusterWorld): Promise<readonly string[]> {
  const { brokers } = cluster.kafka
  const real = (await readRecords(brokers, cluster.topicPrefix)).filter(({ topic }) => topic !== 'rates')
  const copies = real.flatMap((record): ForeignRecord[] => (campaign.random() < 0.3 ? [record, record] : [record]))
  return appendForeign(brokers, cluster.topicPrefix, shuffled(copies, campaign.random))
}

async function forgeEvents(campaign: Campaign): Promise<void> {
  await withCluster(campaign, { bytes: (campaign.isQuick ? 60 : 150) * MiB, counts, serve }, async (world) => {
    const { cluster, watch } = world
    await cluster.submit('forged', ['--chunk-size', '5MiB'])
    const forged: string[] = []
    for (let time = 0; time < (campaign.isQuick ? 2 : 6); time += 1) {
      const found = await watch.until(({ type }) => type === 'ChunkTransferred', {
        from: watch.seen.length,
        msMax: waitMsMax,
      })
      if (found === null) break
      forged.push(...(await forge(world)))
    }
    await promiseEnd(world, 'forged', '10min')
    forged.push(...(await forge(world)))
    for (const member of cluster.members) await member.stop()
    await watch.caughtUp()
    const places = new Set(forged)
    const verdicts = new Map<string, number>()
    for (const { topic, partition, position, verdict, type } of watch.seen) {
      if (!places.has(`${topic}/${partition}/${position}`)) continue
      const name = verdict === 'folded' ? `folded ${type}` : verdict
      verdicts.set(name, (verdicts.get(name) ?? 0) + 1)
    }
    const live = await watch.close()
    const without = await digestWithout(cluster.kafka.brokers, cluster.topicPrefix, places)
    campaign.promise('copies of real events by a foreign producer, in any order, change nothing', {
      holds: live === without && forged.length > 0,
      figures: `${forged.length} forged of ${watch.seen.length} records: ${[...verdicts].map(([name, count]) => `${count} ${name}`).join(', ')}; digest ${live.slice(0, 16)}, without them ${without.slice(0, 16)}`,
    })
  })
}

interface Poison {
  readonly name: string
  readonly reason: RegExp
  make(job: string, records: readonly LogRecord[]): ForeignRecord
}

const keyOf = (job: string, type: string): Buffer => Buffer.from(`${job}/${type}/stranger/1`)

/** A real record of that job and type. */
function sampleOf(job: string, type: string, records: readonly LogRecord[]): LogRecord & { readonly value: Buffer } {
  const found = records.find(({ value, key }) => value !== null && key.toString('latin1').startsWith(`${job}/${type}/`))
  if (found === undefined || found.value === null) throw new Error(`${job} has no ${type} yet`)
  return { ...found, value: found.value }
}

const poisons: readonly Poison[] = [
  {
    name: 'null',
    reason: /null value/,
    make: (job) => ({
      topic: 'listings',
      partition: partitionOfName(job, jobPartitions),
      key: keyOf(job, 'ItemsListed'),
      value: null,
    }),
  },
  {
    name: 'unknown',
    reason: /schema id/,
    make: (job) => ({
      topic: 'chunks',
      partition: 5,
      key: keyOf(job, 'ChunkPlanned'),
      value: Buffer.from([0, 0, 0, 0x7f, 0xff, 1, 2, 3]),
    }),
  },
  {
    name: 'truncated',
    reason: /not whole|does not decode/,
    make: (job, records) => {
      const { topic, partition, value } = sampleOf(job, 'ItemsListed', records)
      return { topic, partition, key: keyOf(job, 'ItemsListed'), value: value.subarray(0, value.length - 9) }
    },
  },
  {
    name: 'impossible',
    reason: /on topic/,
    make: (job, records) => {
      const { value } = sampleOf(job, 'ChunkPlanned', records)
      return {
        topic: 'listings',
        partition: partitionOfName(job, jobPartitions),
        key: keyOf(job, 'ChunkPlanned'),
        value,
      }
    },
  },
]

async function poisonOne(world: ClusterWorld, poison: Poison): Promise<void> {
  const { campaign, cluster, watch } = world
  const { brokers } = cluster.kafka
  const job = `poison-${poison.name}`
  const from = watch.seen.length
  await cluster.submit(job, ['--chunk-size', '5MiB'], { source: '@src/middle', target: `@other/${poison.name}` })
  const planned = await watch.until(({ type, chunk }) => type === 'ChunkPlanned' && chunk.startsWith(`${job}/`), {
    from,
    msMax: waitMsMax,
  })
  if (planned === null) throw new Error(`${job} was not planned`)
  const record = poison.make(job, await readRecords(brokers, cluster.topicPrefix))
  const [place = ''] = await appendForeign(brokers, cluster.topicPrefix, [record])
  await watch.until(({ topic, partition, position }) => `${topic}/${partition}/${position}` === place, {
    from,
    msMax: waitMsMax,
  })
  await sleep(5000)
  const stopped = watch.seen.length
  await sleep(5000)
  const later = watch.seen
    .slice(stopped)
    .filter(({ chunk, type }) => chunk.startsWith(`${job}/`) && type === 'ChunkLeased')
  const { code, output, notices } = await cluster.run(['jobs', 'wait', job, '--json', '-q', '--timeout', '30s'])
  const said = `${output} ${notices}`
  const [topic = '', partition = '', position = ''] = place.split('/')
  const places = new RegExp(`${topic}/0*${partition}/0*${position}\\b`)
  campaign.promise(`poison (${poison.name}): that job stops and names topic, partition, position and reason`, {
    holds: code !== 0 && places.test(said) && poison.reason.test(said) && later.length === 0,
    figures: `at ${place}: exit ${code}, ${later.length} leases from 5 to 10 s after it; ${said.trim().slice(0, 350)}`,
  })
}

async function refuseTopics({ campaign, cluster }: ClusterWorld): Promise<void> {
  const { brokers } = cluster.kafka
  const topic = `${cluster.topicPrefix}.chunks`
  await changeTopics(brokers, [topic], { 'cleanup.policy': 'delete' })
  const words = ['serve', '--roles', 'worker', '--instance', 'w9', '--state-dir', join(campaign.folder, 'w9')]
  const { code, notices } = await cluster.run(words)
  campaign.promise('a topic that deletes records is refused at the start', {
    holds: code !== 0 && notices.includes('cleanup.policy'),
    figures: `exit ${code}: ${notices.trim().slice(0, 300)}`,
  })
}

async function poisonJobs(campaign: Campaign): Promise<void> {
  const other = mkdtempSync(join(campaign.folder, 'other-'))
  for (const { name } of poisons) mkdirSync(join(other, name))
  const sections = ['[connections.other]', `location = ${JSON.stringify(other)}`]
  await withCluster(
    campaign,
    { bytes: 100 * MiB, counts, serve: ['source_rate = "500kB/s"', 'concurrency = 2'], sections },
    async (world) => {
      const { cluster } = world
      await cluster.submit('sound', ['--chunk-size', '5MiB'])
      for (const poison of poisons) await poisonOne(world, poison)
      cluster.configure(['concurrency = 4'])
      for (const member of cluster.membersOf('worker')) {
        await member.stop()
        member.start()
      }
      await promiseEnd(world, 'sound', '10min')
      await refuseTopics(world)
    },
  )
}

await runCampaign('cluster-forgery', async (campaign) => {
  await forgeEvents(campaign)
  await poisonJobs(campaign)
})
