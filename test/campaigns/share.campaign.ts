// Two jobs of different priority that read one source through the processes of a cluster, counted below them: the high one has
// nine tenths of the cap or more while it has work, the low one has all of it afterwards, and no second is above 105 %.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ByteMeter,
  byteMeterAbsence,
  mountByteMeter,
  peakBytesPerSecond,
  type TracedRead,
} from '../support/byte-meter.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { writeStampedFile } from '../support/mixed-tree.ts'
import { type ServeCluster, startServeCluster } from '../support/serve-cluster.ts'

const MiB = 1024 * 1024
/** A tenth of the declared peak. */
const cap = 20_000_000
/** Grants of the low job that live when the high one begins, and the reports that hand its share over. */
const settleMs = 15_000
const peakShareMax = 1.05
const ruleShareMin = 0.9

const bytesOf = (reads: readonly TracedRead[], folder: string): number =>
  reads.filter(({ name }) => name.toString().startsWith(`${folder}/`)).reduce((sum, { length }) => sum + length, 0)

/** Waits until so many bytes of a folder were read. */
async function untilRead(meter: ByteMeter, folder: string, bytes: number, msMax: number): Promise<void> {
  for (let waitedMs = 0; bytesOf(meter.reads(), folder) < bytes; waitedMs += 500) {
    if (waitedMs > msMax) throw new Error(`${folder}: ${bytesOf(meter.reads(), folder)} of ${bytes} bytes were read`)
    await sleep(500)
  }
}

async function judgeShares(campaign: Campaign, cluster: ServeCluster, meter: ByteMeter, bytes: number): Promise<void> {
  const peak = ['--source-peak', `${(cap * 10) / 1_000_000}MB/s`]
  await cluster.submit('later', ['--priority', 'low', ...peak], { source: '@src/later', target: '@dst/later' })
  await untilRead(meter, 'later', 2 * cap, 120_000)
  await cluster.submit('urgent', ['--priority', 'high', ...peak], { source: '@src/urgent', target: '@dst/urgent' })
  await untilRead(meter, 'urgent', cap / 2, 120_000)
  await sleep(settleMs)
  const reads = meter.reads()
  const fromMs = reads.at(-1)?.atMs ?? 0
  await untilRead(meter, 'urgent', bytes * 0.95, 300_000)
  const during = meter.reads().filter(({ atMs }) => atMs > fromMs)
  const [urgent, later] = [bytesOf(during, 'urgent'), bytesOf(during, 'later')]
  const seconds = ((during.at(-1)?.atMs ?? 0) - fromMs) / 1000
  campaign.promise('the high job reads nine tenths or more of what is read while it has work', {
    holds: urgent / (urgent + later) >= ruleShareMin && seconds >= 3,
    figures: `${urgent} bytes against ${later} in ${seconds.toFixed(1)} s, ${((urgent + later) / seconds / cap).toFixed(2)} of the cap`,
  })
  const [first, second] = [await cluster.wait('urgent', '5min'), await cluster.wait('later', '10min')]
  campaign.promise('both jobs end verified', {
    holds: first.exit_code === 0 && second.exit_code === 0,
    figures: `${first.verdict}, ${second.verdict}`,
  })
  const share = peakBytesPerSecond(meter.readings()) / cap
  campaign.promise('no second of the meter is above 105 % of the cap, whoever reads', {
    holds: share <= peakShareMax,
    figures: `the fullest second has ${(share * 100).toFixed(1)} % of ${cap} B/s`,
  })
}

await runCampaign('share', async (campaign) => {
  const absence = byteMeterAbsence()
  if (absence !== null) {
    campaign.promise('the meter can be mounted', { holds: false, figures: absence })
    return
  }
  const [source, target] = [join(campaign.folder, 'source'), join(campaign.folder, 'target')]
  const files = campaign.isQuick ? 10 : 40
  const bytes = files * 64 * MiB
  mkdirSync(target)
  for (const folder of ['urgent', 'later']) {
    mkdirSync(join(source, folder), { recursive: true })
    for (let index = 0; index < files; index += 1) {
      writeStampedFile(join(source, folder, `f${index}`), `${folder}${index}`, 64 * MiB)
    }
  }
  const meter = await mountByteMeter(source, { traces: true })
  try {
    const cluster = await startServeCluster({
      counts: { coordinator: 1, worker: 2, verifier: 1 },
      source: [`location = ${JSON.stringify(meter.folder)}`],
      target: [`location = ${JSON.stringify(target)}`],
      folder: join(campaign.folder, 'cluster'),
    })
    try {
      await judgeShares(campaign, cluster, meter, bytes)
    } finally {
      await cluster.stop()
    }
  } finally {
    await meter.unmount()
  }
})
