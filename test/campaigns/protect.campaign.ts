// What a source under load sees of a job: reads that become slow below the program halve its rate within one control interval,
// the log says why, and once they are quick again the rate climbs back step by step. Time is scaled: `--source-quiet 10s` in
// place of five minutes, so 30 to 1; nothing else is.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { reportEveryMs } from '#libs/domain/rate'
import { controlRules } from '#libs/domain/rate-control'
import type { EventOf } from '#schemas/events'
import { type ByteMeter, byteMeterAbsence, mountByteMeter } from '../support/byte-meter.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { readJobLog } from '../support/job-log.ts'
import { monotonicMs } from '../support/machine-watch.ts'
import { writeStampedFile } from '../support/mixed-tree.ts'
import { startWaybill, type WaybillProcess } from '../support/waybill-process.ts'

const MiB = 1024 * 1024
const rate = 10_000_000
const quietMs = 10_000
const slowMs = 200
/** Reports of a process that looks at its state once a second come up to a second late. */
const lookMs = 1_000
/** Until the quiet latency is known. */
const learnMsMax = 60_000

type Decision = EventOf<'RateDecided'>

interface Run {
  readonly process: WaybillProcess
  readonly logFolder: string
  readonly meter: ByteMeter
}

async function decisionsOf({ logFolder }: Run): Promise<readonly Decision[]> {
  return readJobLog(logFolder, ['RateDecided'])
}

/** Waits for a decision; null when the process ends or the time is over before. */
async function waitFor(run: Run, ms: number, isIt: (decision: Decision) => boolean): Promise<Decision | null> {
  for (const untilMs = monotonicMs() + ms; monotonicMs() < untilMs; await sleep(250)) {
    const found = (await decisionsOf(run)).find(isIt)
    if (found !== undefined) return found
    if (run.process.child.exitCode !== null) return null
  }
  return null
}

const told = (decision: Decision | null): string =>
  decision === null ? 'no such decision' : `${decision.bytesPerSecond} B/s, "${decision.reason}"`

/** Bytes a second that the meter saw between two moments of the monotonic clock. */
function meanBetween(meter: ByteMeter, fromMs: number, toMs: number): number {
  const inside = meter.readings().filter(({ startMs }) => startMs >= fromMs && startMs < toMs)
  return (inside.reduce((sum, { bytes }) => sum + bytes, 0) * 1000) / (toMs - fromMs)
}

async function judgeHalving(campaign: Campaign, run: Run): Promise<Decision | null> {
  const startedMs = Date.now()
  run.meter.setFaults([{ kind: 'latency', ms: slowMs }])
  const halved = await waitFor(run, 30_000, ({ action }) => action === 'halved')
  const tookMs = halved === null ? Number.POSITIVE_INFINITY : halved.at - startedMs
  campaign.promise(`reads that take ${slowMs} ms halve the rate within one control interval`, {
    holds: halved?.bytesPerSecond === rate / 2 && tookMs <= reportEveryMs + lookMs,
    figures: `${told(halved)}, ${Math.round(tookMs)} ms after the reads became slow; an interval is ${reportEveryMs} ms`,
  })
  const numbers =
    halved?.signals.map(({ name, value, threshold }) => `${name} ${value.toFixed(1)} of ${threshold}`) ?? []
  campaign.promise('the event says why, with the numbers', {
    holds: /^source: .*reads take .* when quiet, limit .*; halved from .* to /.test(halved?.reason ?? ''),
    figures: `${halved?.reason}; signals: ${numbers.join(', ')}`,
  })
  return halved
}

async function judgeClimb(campaign: Campaign, run: Run, stepsWanted: number): Promise<void> {
  run.meter.setFaults([])
  const clearedMs = Date.now()
  const before = (await decisionsOf(run)).at(-1)
  const step = rate * controlRules.stepShare
  const steps: Decision[] = []
  while (steps.length < stepsWanted) {
    const after = steps.at(-1)?.sequence ?? before?.sequence ?? 0
    const raised = await waitFor(run, 3 * quietMs, ({ action, sequence }) => action === 'raised' && sequence > after)
    if (raised === null) break
    steps.push(raised)
    if (raised.allowedBytesPerSecond === null) break
  }
  const gaps = steps.map(({ at }, index) => at - (steps[index - 1]?.at ?? clearedMs))
  const all = await decisionsOf(run)
  const rises = steps.map((raised) => {
    const previous = all[all.findIndex(({ sequence }) => sequence === raised.sequence) - 1]
    return (raised.bytesPerSecond ?? 0) - (previous?.bytesPerSecond ?? 0)
  })
  campaign.promise(`after the reads are quick again the rate climbs by a tenth of the cap each ${quietMs / 1000} s`, {
    holds:
      steps.length > 0 &&
      gaps.every((ms) => ms >= quietMs - reportEveryMs && ms <= quietMs + 3 * reportEveryMs) &&
      rises.every((bytes) => bytes > 0 && bytes <= step + 1),
    figures: `by ${rises.join(', ')} B/s after ${gaps.join(', ')} ms`,
  })
  const last = steps.at(-1)
  if (stepsWanted < 10) return
  campaign.promise('it climbs back to the cap', {
    holds: last?.bytesPerSecond === rate,
    figures: `${told(last ?? null)} after ${((last?.at ?? 0) - clearedMs) / 1000} s`,
  })
}

async function slowSource(campaign: Campaign): Promise<void> {
  const source = join(campaign.folder, 'source')
  mkdirSync(source)
  const seconds = campaign.isQuick ? 100 : 240
  const files = Math.ceil((seconds * rate) / (64 * MiB))
  for (let index = 0; index < files; index += 1) writeStampedFile(join(source, `f${index}`), `${index}`, 64 * MiB)
  const meter = await mountByteMeter(source)
  try {
    const home = join(campaign.folder, 'home')
    mkdirSync(home)
    const limits = ['--throughput', '10MB/s', '--source-quiet', `${quietMs / 1000}s`, '--progress', 'none']
    const words = ['migrate', meter.folder, join(campaign.folder, 'target'), '--job', 'p', ...limits]
    const process = startWaybill([...words, '--state-dir', join(home, 'jobs')], { home })
    const run = { process, logFolder: join(home, 'jobs', 'p', 'log'), meter }
    await sleep(3_000)
    const learned = await waitFor(run, learnMsMax, ({ action }) => action === 'learned')
    campaign.promise('the latency of the quiet source is learned from the job itself', {
      holds: learned !== null && learned.bytesPerSecond === rate,
      figures: `${learned?.signals.map(({ name, baseline }) => `${name} ${baseline?.toFixed(2)}`).join(', ')}`,
    })
    const halved = await judgeHalving(campaign, run)
    const fromMs = monotonicMs() + lookMs
    await sleep(5_000)
    const mean = meanBetween(meter, fromMs, monotonicMs() - 200)
    campaign.promise('the meter sees no more than the halved rate', {
      holds: halved !== null && mean <= (rate / 2) * 1.05,
      figures: `${Math.round(mean)} B/s below the program`,
    })
    await judgeClimb(campaign, run, campaign.isQuick ? 3 : 10)
    process.child.kill('SIGKILL')
    await process.ended
    const all = await decisionsOf(run)
    writeFileSync(join(campaign.folder, 'decisions.json'), JSON.stringify(all, undefined, 1))
    campaign.promise('no decision is above the cap', {
      holds: all.every(({ bytesPerSecond }) => (bytesPerSecond ?? Number.POSITIVE_INFINITY) <= rate),
      figures: all.map(({ action, bytesPerSecond }) => `${action} ${bytesPerSecond}`).join(', '),
    })
  } finally {
    await meter.unmount()
  }
}

await runCampaign('protect', async (campaign) => {
  const absence = byteMeterAbsence()
  if (absence !== null) {
    campaign.promise('the meter can be mounted', { holds: false, figures: absence })
    return
  }
  await slowSource(campaign)
})
