// How fast a log of chunk events folds into a fresh store, and with how much memory.
//   node --conditions=source bench/log-fold.ts [--events 10000000] [--folder DIR] [--keep]
// Makes the log with the real encoders: uploads of 1,000 parts, each part planned, leased, transferred, verified.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openSegmentLog } from '#libs/log/segments/segment-log'
import { systemClock } from '#libs/runtime/system-clock'
import { fillLog } from './chunk-events.ts'
import { foldInto } from './fold-run.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'waybill-fold-')))
const log = await openSegmentLog({
  folder: join(folder, 'log'),
  partitionCounts: { jobs: 1, listings: 1, chunks: 1, rates: 1 },
})
const makeStarted = systemClock.monotonic()
const count = await fillLog(log, Number(values.events))
console.log(`log: ${count} events written in ${((systemClock.monotonic() - makeStarted) / 1_000).toFixed(1)} s`)
const first = await foldInto(log, join(folder, 'store-1'))
const peakMiB = process.resourceUsage().maxRSS / 1024
console.log(
  `fold: ${Math.round(count / first.seconds)} events/s, ${first.seconds.toFixed(1)} s wall, ${first.cpuSeconds.toFixed(1)} CPU-s, peak RSS ${peakMiB.toFixed(0)} MiB`,
)
const second = await foldInto(log, join(folder, 'store-2'))
console.log(
  `state digest ${first.digest}; rebuilt ${second.digest === first.digest ? 'equal' : `DIFFERS: ${second.digest}`}`,
)
await log.close()
if (!values.keep) await rm(folder, { recursive: true, force: true })
if (second.digest !== first.digest) process.exitCode = 1
