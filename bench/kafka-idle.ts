// What a process costs that waits: a log over a real broker with one reading, and memberships of some roles.
//   node --conditions=source bench/kafka-idle.ts [--seconds 60] [--roles worker] [--partitions 256]
// The broker is started here, the waiting process is one of its own; its share of a core is printed.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { openKafkaLog } from '#libs/log/kafka/kafka-log'
import { joinGroup } from '#libs/log/kafka/membership'
import { createTopics } from '#libs/log/kafka/topics'
import type { GroupRole } from '#libs/log/membership'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { startKafkaCluster } from '#test/support/kafka-cluster'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    roles: { type: 'string', default: 'worker' },
    partitions: { type: 'string', default: '256' },
    brokers: { type: 'string' },
  },
})

const roles: readonly GroupRole[] = ['coordinator', 'worker', 'verifier']
/** Compiling and the first assignment are no waiting. */
const settleMs = 5000

const addressOf = (brokers: readonly string[]) =>
  ({ brokers, topicPrefix: 'idle', clientId: 'idle', logger: silentLogger }) as const

async function readOn(log: Awaited<ReturnType<typeof openKafkaLog>>, signal: AbortSignal): Promise<void> {
  for await (const batch of log.read(new Map(), signal)) console.log(`${batch.length} records came`)
}

async function idle(brokers: readonly string[]): Promise<void> {
  const address = { ...addressOf(brokers), clock: systemClock }
  const log = await openKafkaLog(address)
  const stop = new AbortController()
  const reading = readOn(log, stop.signal)
  const names = values.roles.split(',')
  const memberships = await Promise.all(
    roles.filter((role) => names.includes(role)).map((group) => joinGroup({ ...address, group, instance: 'idle' })),
  )
  for (const membership of memberships) await membership.changed(0, stop.signal)
  await systemClock.sleep(settleMs)
  const before = process.resourceUsage()
  const cpuBefore = process.cpuUsage()
  const startedAtMs = systemClock.monotonic()
  await systemClock.sleep(Number(values.seconds) * 1000)
  const seconds = (systemClock.monotonic() - startedAtMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const switches = process.resourceUsage().voluntaryContextSwitches - before.voluntaryContextSwitches
  const percent = (user + system) / 1e4 / seconds
  console.log(
    `idle: ${percent.toFixed(2)} % of a core over ${seconds.toFixed(0)} s, ${(switches / seconds).toFixed(1)} wakings/s, ` +
      `RSS ${(process.memoryUsage.rss() / 1024 / 1024).toFixed(0)} MiB`,
  )
  for (const membership of memberships) await membership.leave()
  stop.abort()
  await reading
  await log.close()
}

async function runAll(): Promise<void> {
  const cluster = await startKafkaCluster()
  try {
    const partitionCounts = { jobs: 16, listings: 16, chunks: Number(values.partitions), rates: 16 }
    const plan = { partitionCounts, replicas: 1, minInsyncReplicas: 1 }
    await createTopics({ address: addressOf(cluster.brokers), plan, clock: systemClock })
    const args = ['--conditions=source', import.meta.filename, ...process.argv.slice(2), '--brokers']
    const child = spawn(process.execPath, [...args, cluster.brokers.join(',')], { stdio: 'inherit' })
    await new Promise((resolve) => child.once('exit', resolve))
    process.exitCode = child.exitCode ?? 1
  } finally {
    await cluster.stop()
  }
}

if (values.brokers === undefined) await runAll()
else await idle(values.brokers.split(','))
