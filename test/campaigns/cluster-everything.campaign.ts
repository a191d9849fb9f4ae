// Every process of a cluster is killed at once, again and again; then all are restarted one after the other while they work.
// Nobody does anything but start them.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import {
  type ClusterWorld,
  ownEnds,
  promiseDigests,
  promiseEnd,
  spreadOf,
  withCluster,
} from '../support/cluster-campaign.ts'
import { integerBetween } from '../support/seeded-random.ts'

const MiB = 1024 * 1024
const counts = { coordinator: 2, worker: 3, verifier: 2 } as const
const waitMsMax = 120_000

const slow = ['source_rate = "2MB/s"', 'concurrency = 2']

/** What the log holds at one moment. */
function standOf({ watch }: ClusterWorld): string {
  const count = (wanted: string): number =>
    watch.seen.filter(({ type, verdict }) => type === wanted && verdict === 'folded').length
  return `${count('ChunkPlanned')} planned, ${count('ChunkTransferred')} transferred, ${count('UploadSealed')} sealed, ${watch.verified()} verified`
}

async function killEverything(campaign: Campaign): Promise<void> {
  const times = campaign.isQuick ? 3 : 10
  await withCluster(campaign, { bytes: (campaign.isQuick ? 120 : 300) * MiB, counts, serve: slow }, async (world) => {
    const { cluster, watch } = world
    await cluster.submit('everything', ['--chunk-size', '5MiB'])
    const resumed: number[] = []
    for (let kill = 1; kill <= times; kill += 1) {
      const moment = integerBetween(campaign.random, 500, 8000)
      await sleep(moment)
      await Promise.all(cluster.members.map((member) => member.kill()))
      campaign.note(`kill ${kill} after ${(moment / 1000).toFixed(1)} s: ${standOf(world)}`)
      const from = watch.seen.length
      const startMs = performance.now()
      for (const member of cluster.members) member.start()
      const moved = await watch.until(
        ({ type, verdict }) => verdict === 'folded' && (type === 'ChunkTransferred' || type === 'PassCompleted'),
        { from, msMax: waitMsMax },
      )
      if (moved !== null) resumed.push(moved.atMs - startMs)
    }
    cluster.configure([])
    for (const member of cluster.membersOf('worker')) {
      await member.stop()
      member.start()
    }
    await promiseEnd(world, 'everything', '10min')
    campaign.promise(`after each of ${times} kills of every process chunks move again by themselves`, {
      holds: resumed.length === times,
      figures: `from the start of the processes to the first chunk that was moved: ${spreadOf(resumed).text}`,
    })
    await promiseDigests(world, 'everything')
  })
}

async function restartInTurn(campaign: Campaign): Promise<void> {
  await withCluster(campaign, { bytes: (campaign.isQuick ? 100 : 200) * MiB, counts, serve: slow }, async (world) => {
    const { cluster, watch } = world
    await cluster.submit('rolling', ['--chunk-size', '5MiB'])
    await watch.until(({ type }) => type === 'ChunkTransferred', { from: 0, msMax: waitMsMax })
    const codes: string[] = []
    const stops: number[] = []
    for (const member of cluster.members) {
      const startMs = performance.now()
      const { code, signal } = await member.stop()
      stops.push(performance.now() - startMs)
      codes.push(`${member.name} ${code ?? signal}`)
      member.start()
      await sleep(1000)
    }
    const open = standOf(world)
    await promiseEnd(world, 'rolling', '10min')
    campaign.promise('a rolling restart of all processes in mid-run needs nothing else', {
      holds:
        codes.every((code) => code.endsWith(' 0') || code.endsWith(' 130') || code.endsWith(' 143')) &&
        ownEnds(world).length === 0,
      figures: `${codes.join(', ')}; SIGTERM to end ${spreadOf(stops).text}; then ${open}`,
    })
    await promiseDigests(world, 'rolling')
  })
}

await runCampaign('cluster-everything', async (campaign) => {
  await killEverything(campaign)
  await restartInTurn(campaign)
})
