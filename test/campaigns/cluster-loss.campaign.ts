// Workers are killed and frozen at random moments of a running job. From outside: how long until others hold what they
// held, how long until a chunk of theirs is leased again, and what the frozen ones do when they wake.
import { setTimeout as sleep } from 'node:timers/promises'
import { runCampaign } from '../support/campaign.ts'
import {
  type ClusterWorld,
  promiseDigests,
  promiseEnd,
  spreadOf,
  withCluster,
  zombiesOf,
} from '../support/cluster-campaign.ts'
import { instanceOf } from '../support/cluster-watch.ts'
import { integerBetween } from '../support/seeded-random.ts'
import type { ServeMember } from '../support/serve-cluster.ts'

const MiB = 1024 * 1024
const job = 'loss'
const waitMsMax = 120_000
const rateOf = (megabytes: number): readonly string[] => [`source_rate = "${megabytes}MB/s"`, 'concurrency = 2']

interface Loss {
  readonly how: 'kill' | 'freeze'
  readonly victim: string
  readonly partitions: number
  readonly leases: number
  /** Until the first, and the last, of its partitions was claimed by another. */
  readonly firstClaimMs: number
  readonly lastClaimMs: number
  /** Until the first lease of a chunk of its partitions, and of the chunks that it had leased. */
  readonly firstLeaseMs: number
  readonly ownChunkMs: number
  readonly backMs: number
  readonly stale: number
}

/** Workers that have chunks under way. */
async function busyWorkers({ cluster, watch }: ClusterWorld): Promise<readonly ServeMember[]> {
  for (let waited = 0; waited < waitMsMax; waited += 100) {
    const busy = cluster.membersOf('worker').filter(({ name }) => watch.leasesOf(name).length > 0)
    if (busy.length > 1) return busy
    await sleep(100)
  }
  throw new Error('no two workers have chunks under way')
}

function mustCome<T>(found: T | null, what: string): T {
  if (found === null) throw new Error(`${what} did not come within ${waitMsMax} ms`)
  return found
}

/** Takes one worker out of the run, measures, and brings it back. */
async function loseOne(world: ClusterWorld, how: Loss['how']): Promise<Loss> {
  const { campaign, watch } = world
  await sleep(integerBetween(campaign.random, 500, 5000))
  const busy = await busyWorkers(world)
  const victim = busy[integerBetween(campaign.random, 0, busy.length - 1)] as ServeMember
  const { name } = victim
  const partitions = new Set(watch.partitionsOf(name))
  const chunks = new Set(watch.leasesOf(name).map(({ chunk }) => chunk))
  const from = watch.seen.length
  const startMs = performance.now()
  if (how === 'kill') await victim.kill()
  else victim.freeze()
  const open = new Set(partitions)
  const since = async (what: string, fits: Parameters<typeof watch.until>[0]): Promise<number> =>
    mustCome(await watch.until(fits, { from, msMax: waitMsMax }), `${name}: ${what}`).atMs - startMs
  const isOthers = (claim: string): boolean => instanceOf(claim) !== name
  const firstClaim = since('a claim', ({ type, verdict, topic, partition, claim }) => {
    return (
      type === 'PartitionClaimed' &&
      verdict === 'folded' &&
      topic === 'chunks' &&
      partitions.has(partition) &&
      isOthers(claim)
    )
  })
  const lastClaim = since('the last claim', ({ type, verdict, topic, partition, claim }) => {
    if (type === 'PartitionClaimed' && verdict === 'folded' && topic === 'chunks' && isOthers(claim))
      open.delete(partition)
    return open.size === 0
  })
  const firstLease = since('a lease', ({ type, verdict, partition, claim }) => {
    return type === 'ChunkLeased' && verdict === 'folded' && partitions.has(partition) && isOthers(claim)
  })
  const ownChunk = since('a lease of a chunk under way', ({ type, verdict, chunk, claim }) => {
    return type === 'ChunkLeased' && verdict === 'folded' && chunks.has(chunk) && isOthers(claim)
  })
  const [firstClaimMs, lastClaimMs, firstLeaseMs, ownChunkMs] = await Promise.all([
    firstClaim,
    lastClaim,
    firstLease,
    ownChunk,
  ])
  const backAt = watch.seen.length
  const backMs = performance.now()
  if (how === 'kill') victim.start()
  else {
    await sleep(integerBetween(campaign.random, 0, 5000))
    victim.thaw()
  }
  const back = mustCome(
    await watch.until(
      ({ type, verdict, topic, claim }) =>
        type === 'PartitionClaimed' && verdict === 'folded' && topic === 'chunks' && instanceOf(claim) === name,
      { from: backAt, msMax: waitMsMax },
    ),
    `${name}: a claim of its own again`,
  )
  await sleep(1000)
  const stale = zombiesOf(watch.seen).stale.filter(
    (event) => watch.seen.indexOf(event) >= backAt && instanceOf(event.claim) === name,
  )
  const loss = { how, victim: name, partitions: partitions.size, leases: chunks.size, stale: stale.length }
  return { ...loss, firstClaimMs, lastClaimMs, firstLeaseMs, ownChunkMs, backMs: back.atMs - backMs }
}

function lineOf(index: number, loss: Loss): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(1).padStart(7)
  const { firstClaimMs, lastClaimMs, firstLeaseMs, ownChunkMs, backMs } = loss
  const times = [firstClaimMs, lastClaimMs, firstLeaseMs, ownChunkMs, backMs].map(seconds).join('')
  return `${`${index}`.padStart(3)} ${loss.how.padEnd(7)}${loss.victim.padEnd(4)}${`${loss.partitions}`.padStart(5)}${`${loss.leases}`.padStart(4)}${times}${`${loss.stale}`.padStart(6)}`
}

function promiseTimes({ campaign }: ClusterWorld, how: Loss['how'], losses: readonly Loss[]): void {
  const of = losses.filter((loss) => loss.how === how)
  const detection = spreadOf(of.map(({ lastClaimMs }) => lastClaimMs))
  const lease = spreadOf(of.map(({ firstLeaseMs }) => firstLeaseMs))
  const own = spreadOf(of.map(({ ownChunkMs }) => ownChunkMs))
  campaign.promise(`${how}: others hold all partitions of a lost worker within 30 s`, {
    holds: detection.maxSeconds <= 30,
    figures: `${detection.text}; the first of them ${spreadOf(of.map(({ firstClaimMs }) => firstClaimMs)).text}`,
  })
  campaign.promise(`${how}: a chunk of a lost worker is leased again within 60 s`, {
    holds: lease.maxSeconds <= 60 && own.maxSeconds <= 60,
    figures: `${lease.text}; of those under way ${own.text}`,
  })
}

await runCampaign('cluster-loss', async (campaign) => {
  const times = campaign.isQuick ? 2 : 20
  const bytes = (campaign.isQuick ? 500 : 4500) * MiB
  await withCluster(campaign, { bytes, serve: rateOf(1) }, async (world) => {
    const { cluster, watch } = world
    await cluster.submit(job, ['--chunk-size', '5MiB'])
    const losses: Loss[] = []
    campaign.note(
      '  # how    who parts led  first   last  lease  chunk   back stale   (s from the loss; back: from the return)',
    )
    for (const how of Array.from({ length: times }, () => ['kill', 'freeze'] as const).flat()) {
      losses.push(await loseOne(world, how))
      campaign.note(lineOf(losses.length, losses.at(-1) as Loss))
    }
    promiseTimes(world, 'kill', losses)
    promiseTimes(world, 'freeze', losses)
    const stale = losses.reduce((sum, loss) => sum + loss.stale, 0)
    campaign.promise('workers that woke after their loss were known to have lost their claims', {
      holds: stale > 0,
      figures: `${stale} stale appends by ${losses.filter(({ how, stale: some }) => how === 'freeze' && some > 0).length} of ${times} that woke`,
    })
    campaign.note(`${watch.verified()} chunks verified when the losses ended; the rest is not held back`)
    cluster.configure([])
    for (const member of cluster.membersOf('worker')) {
      await member.stop()
      member.start()
    }
    await promiseEnd(world, job, '20min')
    await promiseDigests(world, job)
  })
})
