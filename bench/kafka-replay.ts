// How fast a log of chunk events is replayed from a real broker into a fresh store, and with how much memory.
//   node --conditions=source bench/kafka-replay.ts [--events 10000000] [--partitions 16] [--folder DIR] [--folds 1]
// Starts a broker (see scripts/servers.ts), fills the log with the real encoders, and folds it in a process of its own, so
// that memory and CPU are those of the replay alone.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type KafkaLog, openKafkaLog } from '#libs/log/kafka/kafka-log'
import { createTopics } from '#libs/log/kafka/topics'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { startKafkaCluster } from '#test/support/kafka-cluster'
import { fillLog } from './chunk-events.ts'
import { foldInto } from './fold-run.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    partitions: { type: 'string', default: '16' },
    folds: { type: 'string', default: '1' },
    folder: { type: 'string' },
    stage: { type: 'string' },
    brokers: { type: 'string', default: '' },
  },
})

const addressOf = (brokers: readonly string[]) =>
  ({ brokers, topicPrefix: 'replay', clientId: 'bench', logger: silentLogger }) as const

function openLog(): Promise<KafkaLog> {
  return openKafkaLog({ ...addressOf(values.brokers.split(',')), clock: systemClock })
}

async function fill(): Promise<void> {
  const log = await openLog()
  const startedAtMs = systemClock.monotonic()
  const count = await fillLog(log, Number(values.events))
  const seconds = (systemClock.monotonic() - startedAtMs) / 1000
  console.log(`log: ${count} events appended, ${Math.round(count / seconds)} events/s`)
  await log.close()
}

async function fold(folder: string): Promise<void> {
  const log = await openLog()
  const ends = await log.ends()
  const count = [...ends.values()].reduce((sum, end) => sum + end, 0)
  const { seconds, cpuSeconds, digest } = await foldInto(log, join(folder, 'store'))
  const peakMiB = process.resourceUsage().maxRSS / 1024
  console.log(
    `replay: ${count} events, ${Math.round(count / seconds)} events/s, ${seconds.toFixed(1)} s wall, ` +
      `${cpuSeconds.toFixed(1)} CPU-s (${Math.round(count / cpuSeconds)} events a CPU-s), peak RSS ${peakMiB.toFixed(0)} MiB`,
  )
  console.log(`state digest ${digest}`)
  await log.close()
}

function runStage(stage: string, brokers: readonly string[], folder: string): Promise<void> {
  const script = join(import.meta.dirname, 'kafka-replay.ts')
  const args = ['--stage', stage, '--brokers', brokers.join(','), '--folder', folder, '--events', values.events]
  const child = spawn(process.execPath, ['--conditions=source', script, ...args], { stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${stage} ended with ${code}`))))
  })
}

async function runAll(folder: string): Promise<void> {
  const cluster = await startKafkaCluster()
  try {
    const partitionCounts = { jobs: 1, listings: 1, chunks: Number(values.partitions), rates: 1 }
    const plan = { partitionCounts, replicas: 1, minInsyncReplicas: 1 }
    await createTopics({ address: addressOf(cluster.brokers), plan, clock: systemClock })
    await runStage('fill', cluster.brokers, folder)
    for (let run = 1; run <= Number(values.folds); run += 1) {
      await runStage('fold', cluster.brokers, folder)
      await rm(join(folder, 'store'), { recursive: true, force: true })
    }
  } finally {
    await cluster.stop()
  }
}

const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'waybill-replay-')))
if (values.stage === 'fill') await fill()
else if (values.stage === 'fold') await fold(folder)
else {
  await runAll(folder)
  if (values.folder === undefined) await rm(folder, { recursive: true, force: true })
}
