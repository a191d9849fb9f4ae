// The broker is killed and started again, and is silent for a minute; the schema registry is away at the start and in
// mid-run. No process is touched: the job ends verified, and nobody takes anything from anybody because of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { isRegistryInstalled } from '../../scripts/registry-server.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { type ClusterWorld, ownEnds, promiseDigests, promiseEnd, withCluster } from '../support/cluster-campaign.ts'
import { instanceOf } from '../support/cluster-watch.ts'
import { startRegistryServer } from '../support/registry-server.ts'

const MiB = 1024 * 1024
const counts = { coordinator: 2, worker: 2, verifier: 1 } as const
const serve = ['source_rate = "1MB/s"', 'concurrency = 2']
const waitMsMax = 180_000

/** Claims that stood from an index of the log on, and how often the partition that changed most did. */
function claimsSince(
  { watch }: ClusterWorld,
  from: number,
): { readonly all: number; readonly most: number; readonly moved: number } {
  const times = new Map<string, number>()
  const before = new Map<string, string>()
  let moved = 0
  for (const [index, { type, verdict, topic, partition, claim }] of watch.seen.entries()) {
    if (type !== 'PartitionClaimed' || verdict !== 'folded') continue
    const id = `${topic}/${partition}`
    if (index >= from) {
      times.set(id, (times.get(id) ?? 0) + 1)
      if (before.get(id) !== instanceOf(claim)) moved += 1
    }
    before.set(id, instanceOf(claim))
  }
  return { all: [...times.values()].reduce((sum, next) => sum + next, 0), most: Math.max(0, ...times.values()), moved }
}

async function untilMoved(world: ClusterWorld, from: number): Promise<number> {
  const startMs = performance.now()
  const found = await world.watch.until(({ type, verdict }) => verdict === 'folded' && type === 'ChunkTransferred', {
    from,
    msMax: waitMsMax,
  })
  if (found === null) throw new Error(`no chunk was moved within ${waitMsMax} ms`)
  return (found.atMs - startMs) / 1000
}

async function killBroker(world: ClusterWorld, times: number): Promise<void> {
  const { campaign, cluster, watch } = world
  const { kafka } = cluster
  for (let kill = 1; kill <= times; kill += 1) {
    await sleep(3000)
    await kafka.kill()
    await sleep(2000)
    await kafka.start()
    const from = watch.seen.length
    const seconds = await untilMoved(world, from)
    await sleep(15_000)
    const claims = claimsSince(world, from)
    campaign.promise(`broker: kill ${kill} and restart, chunks move again and no share changes hands`, {
      holds: claims.most <= 1,
      figures: `start ${(kafka.startMs() / 1000).toFixed(1)} s, first chunk moved ${seconds.toFixed(1)} s after it; ${claims.all} claims in the 15 s after it, ${claims.moved} by another process, at most ${claims.most} a partition; own ends ${ownEnds(world).join(' | ') || 'none'}`,
    })
  }
}

async function silenceBroker(world: ClusterWorld): Promise<void> {
  const { campaign, cluster, watch } = world
  const from = watch.seen.length
  cluster.kafka.freeze()
  await sleep(60_000)
  cluster.kafka.thaw()
  const seconds = await untilMoved(world, watch.seen.length)
  await sleep(20_000)
  const claims = claimsSince(world, from)
  campaign.promise('broker: silent for 60 s, then no storm of takeovers', {
    holds: claims.most <= 1 && ownEnds(world).length === 0,
    figures: `first chunk moved ${seconds.toFixed(1)} s after it; ${claims.all} claims of 76 partitions in the 20 s after it, ${claims.moved} by another process, at most ${claims.most} a partition; own ends ${ownEnds(world).join(' | ') || 'none'}`,
  })
}

async function broker(campaign: Campaign): Promise<void> {
  await withCluster(campaign, { bytes: (campaign.isQuick ? 200 : 350) * MiB, counts, serve }, async (world) => {
    const { cluster } = world
    await cluster.submit('broker', ['--chunk-size', '5MiB'])
    await untilMoved(world, 0)
    await killBroker(world, campaign.isQuick ? 1 : 3)
    await silenceBroker(world)
    cluster.configure([])
    for (const member of cluster.membersOf('worker')) {
      await member.stop()
      member.start()
    }
    await promiseEnd(world, 'broker', '10min')
    await promiseDigests(world, 'broker')
  })
}

async function registry(campaign: Campaign): Promise<void> {
  if (!isRegistryInstalled()) {
    campaign.note('skipped: the schema registry is not installed (scripts/servers.ts install)')
    return
  }
  const server = await startRegistryServer()
  const sections = ['[registry]', `url = ${JSON.stringify(server.url)}`]
  await server.kill()
  try {
    await withCluster(campaign, { bytes: 80 * MiB, counts, serve, sections }, async (world) => {
      const { cluster, watch } = world
      await sleep(15_000)
      const waiting = cluster.members.filter((member) => member.isRunning()).length
      const ended = ownEnds(world).length
      await server.start()
      await cluster.submit('registry', ['--chunk-size', '5MiB'])
      const seconds = await untilMoved(world, 0)
      campaign.promise(
        'registry: away for 15 s at the start, processes wait or are restarted, and go on once it is there',
        {
          holds: true,
          figures: `${waiting} of ${cluster.members.length} were waiting, ${ended} had ended by themselves; first chunk moved ${seconds.toFixed(1)} s after the job was asked for`,
        },
      )
      const from = watch.seen.length
      await server.kill()
      await untilMoved(world, from)
      const [worker] = cluster.membersOf('worker')
      await worker?.kill()
      worker?.start()
      await sleep(8000)
      const claims = claimsSince(world, from)
      campaign.promise('registry: away in mid-run, processes that run do not need it', {
        holds: watch.seen.slice(from).some(({ type, verdict }) => type === 'ChunkTransferred' && verdict === 'folded'),
        figures: `${watch.seen.length - from} events while it was away, ${claims.all} claims; own ends ${ownEnds(world).join(' | ') || 'none'}`,
      })
      await server.start()
      await promiseEnd(world, 'registry', '10min')
    })
  } finally {
    await server.stop()
  }
}

await runCampaign('cluster-broker', async (campaign) => {
  await broker(campaign)
  await registry(campaign)
})
