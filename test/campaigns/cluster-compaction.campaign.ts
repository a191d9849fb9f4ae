// The broker is made to compact everything it may, in mid-run and after. Of jobs, listings and chunks not a record goes,
// since no key is used twice; of the rates most do. The state is the same from wherever it is folded.
import { createHash } from 'node:crypto'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog, LogRecord } from '#libs/log/event-log'
import { openKafkaLog } from '#libs/log/kafka/kafka-log'
import { foldToEnd } from '#libs/projection/fold-to-end'
import { openProjection } from '#libs/projection/projection'
import { jobDigest, stateDigest } from '#libs/projection/state-digest'
import { openEmbeddedLog } from '#libs/runtime/adapters'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { openMemoryStore } from '#libs/store/memory-store'
import { openRocksStore } from '#libs/store/rocksdb/rocks-store'
import type { StateStore } from '#libs/store/state-store'
import { topics } from '#schemas/events'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { type ClusterWorld, promiseEnd, withCluster } from '../support/cluster-campaign.ts'
import { changeTopics, placeOf, readRecords } from '../support/cluster-records.ts'
import { startKafkaCluster } from '../support/kafka-cluster.ts'

const MiB = 1024 * 1024
const job = 'compaction'
const waitMsMax = 120_000
const counts = { coordinator: 1, worker: 2, verifier: 1 } as const
const eager = {
  'segment.ms': '100',
  'min.cleanable.dirty.ratio': '0.01',
  'min.compaction.lag.ms': '0',
  'max.compaction.lag.ms': '500',
}

function contents(records: readonly LogRecord[]): ReadonlyMap<string, string> {
  return new Map(
    records
      .filter(({ topic }) => topic !== 'rates')
      .map((record) => [
        placeOf(record),
        createHash('sha256')
          .update(record.key)
          .update('\0')
          .update(record.value ?? 'null')
          .digest('hex'),
      ]),
  )
}

/** Positions below the end of a topic that hold no record any more. */
async function goneOf(
  { cluster }: ClusterWorld,
  records: readonly LogRecord[],
): Promise<Readonly<Record<string, number>>> {
  const log = await openLog(cluster)
  const ends = await log.ends()
  await log.close()
  return Object.fromEntries(
    topics.map((topic) => {
      const end = [...ends].reduce((sum, [id, next]) => sum + (id.startsWith(`${topic}/`) ? next : 0), 0)
      return [topic, end - records.filter((record) => record.topic === topic).length]
    }),
  )
}

function openLog({ kafka, topicPrefix }: ClusterWorld['cluster']): Promise<EventLog> {
  const { brokers } = kafka
  return openKafkaLog({ brokers, topicPrefix, clientId: 'folder', logger: silentLogger, clock: systemClock })
}

async function foldedFrom(log: EventLog, store: StateStore): Promise<StateStore> {
  try {
    await foldToEnd(await openProjection(log, store), AbortSignal.timeout(300_000))
    return store
  } finally {
    await log.close()
  }
}

async function promiseOneState(world: ClusterWorld, live: string): Promise<void> {
  const { campaign, cluster } = world
  const fresh = await foldedFrom(await openLog(cluster), openMemoryStore())
  const copy = join(campaign.folder, 'copied-store')
  cpSync(join(cluster.member('v1').stateFolder, 'store'), copy, { recursive: true })
  const copied = await foldedFrom(await openLog(cluster), await openRocksStore({ folder: copy }))
  const folder = join(campaign.folder, 'exported')
  const { code, output, notices } = await cluster.run(['log', 'export', '--job', job, folder])
  if (code !== 0) throw new Error(`log export ended with ${code}: ${output}${notices}`)
  const exported = await foldedFrom(await openEmbeddedLog(join(folder, job, 'log')), openMemoryStore())
  const digests = [live, await stateDigest(fresh), await stateDigest(copied)]
  const ofJob = [await jobDigest(fresh, job), await jobDigest(copied, job), await jobDigest(exported, job)]
  await copied.close()
  campaign.promise(
    'one digest: folded live, from position 0, from a copied store, and of the job from the exported log',
    {
      holds: new Set(digests).size === 1 && new Set(ofJob).size === 1,
      figures: `live, from 0, copied: ${digests.map((digest) => digest.slice(0, 16)).join(', ')}; of the job from 0, copied, exported: ${ofJob.map((digest) => digest.slice(0, 16)).join(', ')}; ${output.split('\n')[0]}`,
    },
  )
}

/** New segments begin with the next record, and only older ones are compacted: everybody claims once more. */
async function rollSegments({ cluster, watch }: ClusterWorld): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    for (const member of cluster.members) await member.stop()
    await sleep(2000)
    const from = watch.seen.length
    for (const member of cluster.members) member.start()
    const wanted = new Set(['c1', 'w1', 'w2'])
    await watch.until(
      ({ type, claim }) => {
        if (type === 'PartitionClaimed') wanted.delete(claim.slice(0, 2))
        return wanted.size === 0
      },
      { from, msMax: waitMsMax },
    )
  }
  await sleep(15_000)
  for (const member of cluster.members) await member.stop()
}

async function compact(campaign: Campaign): Promise<void> {
  const kafka = await startKafkaCluster({
    settings: { 'log.cleaner.backoff.ms': '300', 'log.retention.check.interval.ms': '1000' },
  })
  const size = (campaign.isQuick ? 80 : 200) * MiB
  const serve = ['source_rate = "2MB/s"', 'concurrency = 2']
  try {
    await withCluster(campaign, { bytes: size, counts, serve, kafka }, async (world) => {
      const { cluster, watch } = world
      const { brokers } = kafka
      await cluster.submit(job, ['--chunk-size', '5MiB'])
      const first = await watch.until(({ type }) => type === 'ChunkVerified', { from: 0, msMax: waitMsMax })
      if (first === null) throw new Error('nothing was verified')
      await changeTopics(
        brokers,
        topics.map((topic) => `${cluster.topicPrefix}.${topic}`),
        eager,
      )
      const middle = await readRecords(brokers, cluster.topicPrefix)
      await promiseEnd(world, job, '10min')
      const end = await readRecords(brokers, cluster.topicPrefix)
      const goneInRun = await goneOf(world, end)
      await rollSegments(world)
      await watch.caughtUp()
      const last = await readRecords(brokers, cluster.topicPrefix)
      const gone = await goneOf(world, last)
      const after = contents(last)
      const changed = [...contents(middle), ...contents(end)].filter(([place, digest]) => after.get(place) !== digest)
      const keys = last
        .filter(({ topic }) => topic !== 'rates')
        .map(({ topic, key }) => `${topic} ${key.toString('latin1')}`)
      campaign.promise('compaction takes nothing of jobs, listings and chunks, and no key repeats', {
        holds:
          changed.length === 0 &&
          gone['jobs'] === 0 &&
          gone['listings'] === 0 &&
          gone['chunks'] === 0 &&
          keys.length === new Set(keys).size,
        figures: `${middle.length} records in mid-run, ${end.length} at the end, ${last.length} now; gone ${JSON.stringify(gone)}; ${changed.length} changed, ${keys.length - new Set(keys).size} keys twice`,
      })
      campaign.promise('the broker did compact: of the rates most records are gone, in mid-run already', {
        holds: (goneInRun['rates'] ?? 0) > 0 && (gone['rates'] ?? 0) > 0,
        figures: `gone of rates when the job ended ${goneInRun['rates']}, now ${gone['rates']}`,
      })
      await promiseOneState(world, await watch.close())
    })
  } finally {
    await kafka.stop()
  }
}

await runCampaign('cluster-compaction', compact)
