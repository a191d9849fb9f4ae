// What is read of the source, counted below the program by a FUSE pass-through: every byte once, and never faster than
// the limit, also across a kill.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ByteMeter,
  byteMeterAbsence,
  mountByteMeter,
  peakBytesPerSecond,
  type Reading,
} from '../support/byte-meter.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { compareFolders } from '../support/foreign-tools.ts'
import { type MachineWatch, monotonicMs, watchMachine } from '../support/machine-watch.ts'
import { makeMixedTree, writeStampedFile } from '../support/mixed-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { type RunObject, runObjectOf, runWaybill, startWaybill } from '../support/waybill-process.ts'

const MiB = 1024 * 1024
const rate = 50_000_000
const readShareMax = 1.02
const peakShareMax = 1.05
const meanShareMin = 0.9
/** What a run needs to get going, and its last moments, are no steady state. */
const edgeMs = 1_000

async function withMeter<T>(source: string, use: (meter: ByteMeter) => Promise<T>): Promise<T> {
  const meter = await mountByteMeter(source)
  try {
    return await use(meter)
  } finally {
    await meter.unmount()
  }
}

async function readOnce(campaign: Campaign): Promise<void> {
  const scale = campaign.isQuick ? 1 : 4
  const options = { seed: campaign.seed, smallFiles: 1000 * scale, middleFiles: 20 * scale }
  const tree = makeMixedTree(join(campaign.folder, 'source'), { ...options, largeFilesBytes: [200 * MiB * scale] })
  const check = (name: string, meter: ByteMeter, run: RunObject): void => {
    const share = meter.total() / tree.fileBytes
    campaign.promise(`${name}: bytes read at the source are at most ${readShareMax} of the bytes moved`, {
      holds: run.exit_code === 0 && share <= readShareMax && share >= 1,
      figures: `${share.toFixed(4)}: ${meter.total()} read by the meter, ${run.source_bytes_read} by the report, ${tree.fileBytes} bytes in ${tree.files.length} files, exit ${run.exit_code}`,
    })
  }
  await withMeter(tree.folder, async (meter) => {
    const [home, target] = [join(campaign.folder, 'folder-home'), join(campaign.folder, 'folder-target')]
    mkdirSync(home)
    const run = runObjectOf(await runWaybill(['migrate', meter.folder, target, '--job', 'm', '--json', '-q'], { home }))
    check('folder', meter, run)
    const differences = compareFolders(tree.folder, target)
    campaign.promise('folder: diff and find agree', {
      holds: differences.length === 0,
      figures: `${differences.length} differences`,
    })
  })
  const bucket = await startTestBucket('versitygw', campaign.folder)
  try {
    await withMeter(tree.folder, async (meter) => {
      const home = join(campaign.folder, 's3-home')
      mkdirSync(home)
      const words = ['migrate', meter.folder, bucket.location, ...bucket.words, '--job', 'm', '--json', '-q']
      check('versitygw', meter, runObjectOf(await runWaybill(words, { home, environment: bucket.environment })))
    })
  } finally {
    await bucket.stop()
  }
}

interface Second {
  readonly percent: number
  readonly isDisturbed: boolean
}

/** The whole seconds between the first reading and the last one, the first and the last second left out. */
function secondsOf(readings: readonly Reading[], machine: MachineWatch): readonly Second[] {
  const busy = readings.filter(({ bytes }) => bytes > 0)
  const from = (busy[0]?.startMs ?? 0) + edgeMs
  const count = Math.max(0, Math.floor(((busy.at(-1)?.startMs ?? 0) - edgeMs - from) / 1000))
  return Array.from({ length: count }, (_, index) => {
    const startMs = from + index * 1000
    const inside = busy.filter((one) => one.startMs >= startMs && one.startMs < startMs + 1000)
    const bytes = inside.reduce((sum, one) => sum + one.bytes, 0)
    return { percent: (bytes / rate) * 100, isDisturbed: machine.wasDisturbed(startMs, startMs + 1000) }
  })
}

const meanOf = (seconds: readonly Second[]): number =>
  seconds.reduce((sum, { percent }) => sum + percent, 0) / Math.max(1, seconds.length)

function judgeRate(
  campaign: Campaign,
  name: string,
  readings: readonly Reading[],
  { machine, secondsMin }: { readonly machine: MachineWatch; readonly secondsMin: number },
): void {
  const peak = peakBytesPerSecond(readings) / rate
  campaign.promise(`${name}: no second of the meter is above 105 % of the limit`, {
    holds: peak <= peakShareMax,
    figures: `the fullest second has ${(peak * 100).toFixed(1)} % of ${rate} B/s`,
  })
  const seconds = secondsOf(readings, machine)
  const calm = seconds.filter(({ isDisturbed }) => !isDisturbed)
  const each = seconds.map(({ percent, isDisturbed }) => `${percent.toFixed(0)}${isDisturbed ? '*' : ''}`).join(' ')
  campaign.promise(`${name}: the mean is at least 90 % of the limit over undisturbed time`, {
    holds: meanOf(calm) >= meanShareMin * 100 && seconds.length >= secondsMin && calm.length > 0,
    figures: `${meanOf(calm).toFixed(1)} % over ${calm.length} s of ${seconds.length} s, ${meanOf(seconds).toFixed(1)} % over all; by second (*: timers of this machine were late): ${each}`,
  })
}

async function holdRate(campaign: Campaign): Promise<void> {
  const machine = watchMachine()
  try {
    await holdRateOnce(campaign, machine)
  } finally {
    machine.stop()
  }
}

async function holdRateOnce(campaign: Campaign, machine: MachineWatch): Promise<void> {
  const seconds = campaign.isQuick ? 8 : 40
  const source = join(campaign.folder, 'rate-source')
  mkdirSync(source)
  const files = Math.ceil((seconds * rate) / (256 * MiB))
  for (let index = 0; index < files; index += 1) writeStampedFile(join(source, `f${index}`), `${index}`, 256 * MiB)
  const limit = ['--throughput', '50MB/s', '--json', '-q']
  await withMeter(source, async (meter) => {
    const [home, target] = [join(campaign.folder, 'rate-home'), join(campaign.folder, 'rate-target')]
    mkdirSync(home)
    const run = runObjectOf(await runWaybill(['migrate', meter.folder, target, '--job', 'r', ...limit], { home }))
    if (run.exit_code !== 0) throw new Error(`exit ${run.exit_code}`)
    judgeRate(campaign, 'limit', meter.readings(), { machine, secondsMin: campaign.isQuick ? 5 : 30 })
  })
  await withMeter(source, async (meter) => {
    const [home, target] = [join(campaign.folder, 'heir-home'), join(campaign.folder, 'heir-target')]
    mkdirSync(home)
    const words = ['migrate', meter.folder, target, '--job', 'r', ...limit]
    for (let kills = 0; kills < 3; kills += 1) {
      const killed = startWaybill(words, { home })
      while (killed.child.exitCode === null && meter.total() < (kills + 1) * rate) await sleep(50)
      killed.child.kill('SIGKILL')
      await killed.ended
    }
    const heirStartedAt = monotonicMs()
    runObjectOf(await runWaybill(words, { home }))
    const readings = meter.readings()
    const peak = peakBytesPerSecond(readings) / rate
    campaign.promise('after three kills: no second is above 105 %, also across the kills', {
      holds: peak <= peakShareMax,
      figures: `the fullest second has ${(peak * 100).toFixed(1)} %`,
    })
    const ofHeir = readings.filter(({ startMs }) => startMs > heirStartedAt)
    judgeRate(campaign, 'after three kills', ofHeir, { machine, secondsMin: campaign.isQuick ? 3 : 25 })
  })
}

await runCampaign('meter', async (campaign) => {
  const absence = byteMeterAbsence()
  if (absence !== null) {
    campaign.promise('the meter can be mounted', { holds: false, figures: absence })
    return
  }
  await holdRate(campaign)
  await readOnce(campaign)
})
