// Whether workers add up: 1, 2, 4 of them, each limited to so much of source rate, over a real broker, and what their work
// costs beside the same work embedded. Folder to folder, so that no other server takes part.
//
//   node --conditions=source bench/cluster-scaling.ts [--workers 1,2,4] [--rate 40] [--seconds 65] [--folder DIR]
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { watchCluster } from '../test/support/cluster-watch.ts'
import { compareFolders } from '../test/support/foreign-tools.ts'
import { writeStampedFile } from '../test/support/mixed-tree.ts'
import { startServeCluster } from '../test/support/serve-cluster.ts'
import { measure } from './measure.ts'

const GiB = 1024 ** 3
const fileBytes = 256 * 1024 ** 2
const ticksPerSecond = 100

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    rate: { type: 'string', default: '40' },
    seconds: { type: 'string', default: '65' },
    folder: { type: 'string', default: '/tmp' },
  },
})
const rateBytes = Number(values.rate) * 1e6
const place = mkdtempSync(join(resolve(values.folder), 'waybill-scaling-'))

/** User and system time of a process so far, in seconds. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function makeSource(workers: number): { readonly folder: string; readonly bytes: number } {
  const folder = join(place, `source-${workers}`)
  mkdirSync(folder)
  const files = Math.ceil((workers * rateBytes * Number(values.seconds)) / fileBytes)
  for (let index = 0; index < files; index += 1) writeStampedFile(join(folder, `${index}`), `file ${index}`, fileBytes)
  return { folder, bytes: files * fileBytes }
}

interface Run {
  readonly workers: number
  readonly bytes: number
  readonly seconds: number
  readonly cpuSeconds: number
}

async function runCluster(workers: number): Promise<Run> {
  const { folder: source, bytes } = makeSource(workers)
  const target = join(place, `target-${workers}`)
  mkdirSync(target)
  const cluster = await startServeCluster({
    folder: join(place, `cluster-${workers}`),
    counts: { coordinator: 1, worker: workers, verifier: 1 },
    source: [`location = ${JSON.stringify(source)}`],
    target: [`location = ${JSON.stringify(target)}`],
    serve: [`source_rate = "${values.rate}MB/s"`],
  })
  try {
    const watch = await watchCluster(cluster.kafka.brokers, cluster.topicPrefix)
    while (cluster.membersOf('worker').some(({ name }) => watch.partitionsOf(name).length === 0)) {
      await new Promise((wake) => setTimeout(wake, 200))
    }
    const pids = cluster.members.map((member) => member.pid() ?? 0)
    const before = pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
    await cluster.submit('scaling')
    const end = await cluster.wait('scaling', '30min')
    const after = pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
    if (end.exit_code !== 0) throw new Error(`ended with ${end.exit_code}`)
    const compared = compareFolders(source, target)
    if (compared.length > 0) throw new Error(`source and target differ: ${compared.join(', ')}`)
    const leases = watch.seen.filter(({ type }) => type === 'ChunkLeased')
    const transfers = watch.seen.filter(({ type }) => type === 'ChunkTransferred')
    const seconds = ((transfers.at(-1)?.atMs ?? 0) - (leases[0]?.atMs ?? 0)) / 1000
    await watch.close()
    return { workers, bytes, seconds, cpuSeconds: after - before }
  } finally {
    await cluster.stop()
    rmSync(target, { recursive: true })
  }
}

/** CPU-seconds of `waybill migrate` of the same bytes, without those of a tree of one small file. */
async function embeddedCpuSeconds(workers: number): Promise<number> {
  const small = join(place, 'small')
  mkdirSync(small)
  writeStampedFile(join(small, 'one'), 'one', 1)
  const migrate = async (source: string, name: string): Promise<number> => {
    const target = join(place, `embedded-${name}`)
    const main = resolve(import.meta.dirname, '../services/cli/main.ts')
    const args = ['--conditions=source', main, 'migrate', source, target, '--state-dir', join(place, `state-${name}`)]
    const { exitCode, cpuSeconds, output } = await measure({
      command: process.execPath,
      args: [...args, '--throughput', `${workers * Number(values.rate)}MB/s`, '-q'],
    })
    if (exitCode !== 0) throw new Error(`migrate ended with ${exitCode}: ${output}`)
    rmSync(target, { recursive: true })
    return cpuSeconds
  }
  return (await migrate(join(place, `source-${workers}`), 'same')) - (await migrate(small, 'small'))
}

try {
  const counts = values.workers.split(',').map(Number)
  console.log('workers  GB moved  seconds     MB/s  of N x rate  CPU-s/GiB')
  let last: Run | null = null
  for (const workers of counts) {
    const run = await runCluster(workers)
    last = run
    const rate = run.bytes / run.seconds
    const columns = [
      String(workers).padStart(7),
      (run.bytes / 1e9).toFixed(2).padStart(9),
      run.seconds.toFixed(1).padStart(8),
      (rate / 1e6).toFixed(1).padStart(8),
      (rate / (workers * rateBytes)).toFixed(3).padStart(12),
      (run.cpuSeconds / (run.bytes / GiB)).toFixed(2).padStart(10),
    ]
    console.log(columns.join(' '))
  }
  if (last !== null) {
    const embedded = (await embeddedCpuSeconds(last.workers)) / (last.bytes / GiB)
    const ratio = last.cpuSeconds / (last.bytes / GiB) / embedded
    console.log(
      `embedded, same bytes and rate: ${embedded.toFixed(2)} CPU-s/GiB; cluster / embedded ${ratio.toFixed(2)}`,
    )
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
