// Three workers share a limit of 50 MB/s, counted below them, while workers are killed and frozen: no second is above 105 %,
// undisturbed time is used to 90 % or more, and after a kill the others take over what the dead one read with.
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isKafkaInstalled } from '../../scripts/kafka-server.ts'
import {
  type ByteMeter,
  byteMeterAbsence,
  mountByteMeter,
  peakBytesPerSecond,
  type Reading,
} from '../support/byte-meter.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { spreadOf } from '../support/cluster-campaign.ts'
import { monotonicMs } from '../support/machine-watch.ts'
import { writeStampedFile } from '../support/mixed-tree.ts'
import { integerBetween } from '../support/seeded-random.ts'
import { type ServeCluster, type ServeMember, startServeCluster } from '../support/serve-cluster.ts'

const MiB = 1024 * 1024
const rate = 50_000_000
const fileBytes = 32 * MiB
const job = 'metered'
const [peakShareMax, shareMin] = [1.05, 0.9]
/** The rate has come back when it holds for so long. */
const windowMs = 5_000
const backMsMax = 15_000
const stepMs = 100
/** From the loss to the next one at least; readings of the last window are written within 100 ms. */
const killMs = 24_000
const afterThawMs = 8_000

interface Loss {
  readonly how: 'kill' | 'freeze'
  readonly victim: string
  readonly atMs: number
  readonly returnedMs: number
  /** The share of the cap in the window before it. */
  readonly before: number
  /** Nothing else happened up to here. */
  untilMs: number
}

/** Bytes of the meter by 100 ms, so that any window is a difference of two sums. */
class Flow {
  readonly #sums: number[] = [0]
  readonly fromMs: number
  readonly untilMs: number

  constructor(readings: readonly Reading[]) {
    const [first, last] = [readings[0]?.startMs ?? 0, readings.at(-1)?.startMs ?? 0]
    const bins = Array.from({ length: Math.ceil((last - first) / stepMs) + 1 }, () => 0)
    for (const { startMs, bytes } of readings) {
      const bin = Math.floor((startMs - first) / stepMs)
      bins[bin] = (bins[bin] ?? 0) + bytes
    }
    for (const bytes of bins) this.#sums.push((this.#sums.at(-1) ?? 0) + bytes)
    this.fromMs = first
    this.untilMs = last
  }

  bytesBetween(fromMs: number, untilMs: number): number {
    const at = (ms: number): number => {
      const bin = Math.round((ms - this.fromMs) / stepMs)
      return this.#sums[Math.min(this.#sums.length - 1, Math.max(0, bin))] ?? 0
    }
    return at(untilMs) - at(fromMs)
  }

  /** Share of the cap in the window that begins there. */
  shareAt(fromMs: number, ms = windowMs): number {
    return (this.bytesBetween(fromMs, fromMs + ms) * 1000) / ms / rate
  }
}

interface World {
  readonly campaign: Campaign
  readonly cluster: ServeCluster
  readonly meter: ByteMeter
}

/** Waits until the last window reached nine tenths of the cap; gives its share, be it less when the time is over. */
async function untilFull({ meter }: World, msMax: number): Promise<number> {
  for (const untilMs = monotonicMs() + msMax; ; await sleep(500)) {
    const now = monotonicMs()
    const share = new Flow(meter.readings()).shareAt(now - windowMs - 200)
    if (share >= shareMin || now > untilMs) return share
  }
}

async function loseOne(world: World, how: Loss['how']): Promise<Loss> {
  const { campaign, cluster } = world
  const between = (from: number, to: number): number => integerBetween(campaign.random, from, to)
  const before = await untilFull(world, 30_000)
  await sleep(between(0, 3_000))
  const workers = cluster.membersOf('worker')
  const victim = workers[between(0, workers.length - 1)] as ServeMember
  const atMs = monotonicMs()
  if (how === 'kill') {
    await victim.kill()
    await sleep(between(1_000, 5_000))
    victim.start()
  } else {
    victim.freeze()
    await sleep(between(11_000, 16_000))
    victim.thaw()
  }
  const returnedMs = monotonicMs()
  await sleep(how === 'kill' ? atMs + killMs - returnedMs : afterThawMs)
  return { how, victim: victim.name, atMs, returnedMs, before, untilMs: monotonicMs() }
}

interface Recovery {
  /** From the loss to the beginning of the first window that is full again; 0: none fell below. */
  readonly backMs: number
  /** The emptiest window, and the emptiest one that begins 15 s after the loss or later. */
  readonly lowest: number
  readonly lowestLater: number
}

function recoveryOf(flow: Flow, { atMs, untilMs }: Loss): Recovery {
  const shares: number[] = []
  for (let ms = 0; atMs + ms + windowMs <= untilMs; ms += stepMs) shares.push(flow.shareAt(atMs + ms))
  const fell = shares.findIndex((share) => share < shareMin)
  const back = shares.findIndex((share, index) => index > fell && share >= shareMin)
  const later = shares.slice(backMsMax / stepMs)
  return {
    backMs: fell < 0 ? 0 : back < 0 ? Number.POSITIVE_INFINITY : back * stepMs,
    lowest: Math.min(...shares),
    lowestLater: Math.min(...later),
  }
}

const percent = (share: number): string => (share === Number.POSITIVE_INFINITY ? '-' : (share * 100).toFixed(1))

function printTable(campaign: Campaign, flow: Flow, losses: readonly Loss[]): void {
  campaign.note(
    '  # how    who  away s  before   back s  lowest  later   (5 s windows, % of the cap; later: from 15 s on)',
  )
  for (const [index, loss] of losses.entries()) {
    const { backMs, lowest, lowestLater } = recoveryOf(flow, loss)
    const { how, victim, atMs, returnedMs, before } = loss
    const cells = [(returnedMs - atMs) / 1000, before * 100, backMs / 1000].map((value) => value.toFixed(1).padStart(8))
    const lows = [lowest, lowestLater].map((share) => percent(share).padStart(8)).join('')
    campaign.note(`${`${index + 1}`.padStart(3)} ${how.padEnd(7)}${victim.padEnd(4)}${cells.join('')}${lows}`)
  }
}

function judge(
  { campaign, meter }: World,
  losses: readonly Loss[],
  calms: readonly { readonly fromMs: number; readonly untilMs: number }[],
): void {
  const readings = meter.readings()
  writeFileSync(join(campaign.folder, 'readings.json'), JSON.stringify({ readings, losses, calms }))
  const flow = new Flow(readings)
  printTable(campaign, flow, losses)
  const peak = peakBytesPerSecond(readings) / rate
  const kills = losses.filter(({ how }) => how === 'kill')
  campaign.promise('no second of the meter is above 105 % of the cap, through kills and freezes', {
    holds: peak <= peakShareMax,
    figures: `the fullest of ${readings.length} windows has ${percent(peak)} % of ${rate} B/s, ${kills.length} kills, ${losses.length - kills.length} freezes`,
  })
  const means = calms.map(({ fromMs, untilMs }) => flow.shareAt(fromMs, untilMs - fromMs))
  const [first, last] = [losses[0]?.atMs ?? 0, losses.at(-1)?.untilMs ?? 0]
  campaign.promise('the mean is at least 90 % of the cap over undisturbed time', {
    holds: means.every((share) => share >= shareMin),
    figures: `${means.map((share, index) => `${percent(share)} % over ${(((calms[index]?.untilMs ?? 0) - (calms[index]?.fromMs ?? 0)) / 1000).toFixed(0)} s`).join(', ')}; with all losses ${percent(flow.shareAt(first, last - first))} % over ${((last - first) / 1000).toFixed(0)} s; load of the machine ${loadavg()[0]?.toFixed(1)}`,
  })
  const backs = kills.map((loss) => recoveryOf(flow, loss).backMs)
  campaign.promise('back at 90 % of the cap within 15 s of each kill', {
    holds: backs.every((ms) => ms <= backMsMax),
    figures: `${spreadOf(backs).text}: ${backs.map((ms) => (ms / 1000).toFixed(1)).join(' ')}`,
  })
}

async function calm(ms: number): Promise<{ fromMs: number; untilMs: number }> {
  const fromMs = monotonicMs()
  await sleep(ms)
  return { fromMs, untilMs: monotonicMs() - 200 }
}

async function loseWorkers(world: World): Promise<void> {
  const { campaign, cluster } = world
  const [times, calmMs] = campaign.isQuick ? [2, 20_000] : [10, 60_000]
  await cluster.submit(job, ['--throughput', '50MB/s'])
  await untilFull(world, 90_000)
  const calms = [await calm(calmMs)]
  const losses: Loss[] = []
  for (const how of Array.from({ length: times }, () => ['kill', 'freeze'] as const).flat()) {
    losses.push(await loseOne(world, how))
  }
  await untilFull(world, 30_000)
  calms.push(await calm(calmMs))
  judge(world, losses, calms)
  const run = await cluster.wait(job, '20min')
  const peak = peakBytesPerSecond(world.meter.readings()) / rate
  campaign.promise('the job ends verified, and its end is not above the cap either', {
    holds: run.exit_code === 0 && peak <= peakShareMax,
    figures: `${run.verdict}, ${run.items.listed} items, fullest second ${percent(peak)} %, ${world.meter.total()} read by the meter of ${run.bytes.listed}`,
  })
  const ends = cluster.members.flatMap(({ name, ends: own }) =>
    own.map(({ code, signal }) => `${name} ${code ?? signal}`),
  )
  campaign.note(`ends that nobody asked for: ${ends.join(', ') || 'none'}`)
}

await runCampaign('meter-loss', async (campaign) => {
  const absence = byteMeterAbsence() ?? (isKafkaInstalled() ? null : 'Kafka is not installed')
  if (absence !== null) {
    campaign.promise('the meter and a broker are there', { holds: false, figures: absence })
    return
  }
  const [source, target] = [join(campaign.folder, 'source'), join(campaign.folder, 'target')]
  for (const folder of [source, target]) mkdirSync(folder)
  const seconds = campaign.isQuick ? 170 : 640
  const files = Math.ceil((seconds * rate) / fileBytes)
  for (let index = 0; index < files; index += 1) writeStampedFile(join(source, `f${index}`), `${index}`, fileBytes)
  const meter = await mountByteMeter(source)
  try {
    const cluster = await startServeCluster({
      counts: { coordinator: 1, worker: 3, verifier: 1 },
      source: [`location = ${JSON.stringify(meter.folder)}`],
      target: [`location = ${JSON.stringify(target)}`],
      folder: join(campaign.folder, 'cluster'),
    })
    try {
      await loseWorkers({ campaign, cluster, meter })
    } finally {
      await cluster.stop()
    }
  } finally {
    await meter.unmount()
  }
})
