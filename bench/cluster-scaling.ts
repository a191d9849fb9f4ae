// Whether workers add up: 1, 2, 4 of them, each limited to so much of source rate, over a real broker, and what their work
// costs beside the same work embedded. Folder to folder, so that no other server takes part.
//
//   node --conditions=source bench/cluster-scaling.ts [--workers 1,2,4] [--rate 40] [--seconds 65] [--warm-gib 1] [--folder DIR]
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { watchCluster } from '../test/support/cluster-watch.ts'
import { compareFolders } from '../test/support/foreign-tools.ts'
import { writeStampedFile } from '../test/support/mixed-tree.ts'
import { cpuSecondsOf } from '../test/support/process-cost.ts'
import { startServeCluster } from '../test/support/serve-cluster.ts'
import { measure } from './measure.ts'

const GiB = 1024 ** 3
const fileBytes = 256 * 1024 ** 2

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    rate: { type: 'string', default: '40' },
    seconds: { type: 'string', default: '65' },
    /** A worker; its compilers are warm after it, and all its memory for bytes in flight was touched once. */
    'warm-gib': { type: 'string', default: '1' },
    folder: { type: 'string', default: '/tmp' },
  },
})
const rateBytes = Number(values.rate) * 1e6
const place = mkdtempSync(join(resolve(values.folder), 'waybill-scaling-'))

interface Source {
  readonly folder: string
  readonly bytes: number
}

function makeSource(name: string, wantedBytes: number): Source {
  const folder = join(place, name)
  mkdirSync(folder)
  const files = Math.ceil(wantedBytes / fileBytes)
  for (let index = 0; index < files; index += 1) writeStampedFile(join(folder, `${index}`), `file ${index}`, fileBytes)
  return { folder, bytes: files * fileBytes }
}

/** Both sides read it from the machine's cache, so that neither pays for filling it. */
async function readThrough({ folder }: Source): Promise<void> {
  for (const name of readdirSync(folder)) for await (const _ of createReadStream(join(folder, name)));
}

interface Run {
  readonly workers: number
  readonly bytes: number
  readonly seconds: number
  readonly cpuSeconds: number
  /** The same by role. */
  readonly cpuOfRoles: ReadonlyMap<string, number>
}

async function runCluster(workers: number): Promise<Run & { readonly source: Source; readonly warm: Source }> {
  const source = makeSource(`source-${workers}`, workers * rateBytes * Number(values.seconds))
  const warm = makeSource(`warm-${workers}`, workers * Number(values['warm-gib']) * GiB)
  const target = join(place, `target-${workers}`)
  for (const name of ['job', 'warm']) mkdirSync(join(target, name), { recursive: true })
  const cluster = await startServeCluster({
    folder: join(place, `cluster-${workers}`),
    counts: { coordinator: 1, worker: workers, verifier: 1 },
    source: [`location = ${JSON.stringify(place)}`],
    target: [`location = ${JSON.stringify(target)}`],
    serve: [`source_rate = "${values.rate}MB/s"`],
  })
  try {
    const watch = await watchCluster(cluster.kafka.brokers, cluster.topicPrefix)
    while (cluster.membersOf('worker').some(({ name }) => watch.partitionsOf(name).length === 0)) {
      await new Promise((wake) => setTimeout(wake, 200))
    }
    const run = async (job: string, from: Source): Promise<void> => {
      const words = ['jobs', 'submit', `@src/${basename(from.folder)}`, `@dst/${job}`, '--job', job]
      const asked = await cluster.run(words)
      if (asked.code !== 0) throw new Error(`${words.join(' ')} ended with ${asked.code}: ${asked.notices}`)
      const end = await cluster.wait(job, '30min')
      if (end.exit_code !== 0) throw new Error(`${job} ended with ${end.exit_code}`)
    }
    await run('warm', warm)
    await readThrough(source)
    const before = cluster.members.map((member) => cpuSecondsOf(member.pid() ?? 0))
    await run('job', source)
    const cpuOfRoles = new Map<string, number>()
    for (const [index, member] of cluster.members.entries()) {
      const spent = cpuSecondsOf(member.pid() ?? 0) - (before[index] ?? 0)
      cpuOfRoles.set(member.role, (cpuOfRoles.get(member.role) ?? 0) + spent)
    }
    const cpuSeconds = [...cpuOfRoles.values()].reduce((sum, spent) => sum + spent, 0)
    const compared = compareFolders(source.folder, join(target, 'job'))
    if (compared.length > 0) throw new Error(`source and target differ: ${compared.join(', ')}`)
    const ofJob = watch.seen.filter(({ chunk }) => chunk.startsWith('job/'))
    const leases = ofJob.filter(({ type }) => type === 'ChunkLeased')
    const transfers = ofJob.filter(({ type }) => type === 'ChunkTransferred')
    const seconds = ((transfers.at(-1)?.atMs ?? 0) - (leases[0]?.atMs ?? 0)) / 1000
    await watch.close()
    return { workers, bytes: source.bytes, seconds, cpuSeconds, cpuOfRoles, source, warm }
  } finally {
    await cluster.stop()
    rmSync(target, { recursive: true })
  }
}

/** CPU-seconds a GiB of `waybill migrate` at the same rate, warm: of the larger source beyond those of the smaller one. */
async function embeddedCost(workers: number, { source, warm }: { source: Source; warm: Source }): Promise<number> {
  const migrate = async (from: Source): Promise<number> => {
    const { folder } = from
    await readThrough(from)
    const target = join(place, 'embedded')
    const main = resolve(import.meta.dirname, '../services/cli/main.ts')
    const args = ['--conditions=source', main, 'migrate', folder, target, '--state-dir', join(place, 'state')]
    const { exitCode, cpuSeconds, output } = await measure({
      command: process.execPath,
      args: [...args, '--throughput', `${workers * Number(values.rate)}MB/s`, '-q'],
    })
    if (exitCode !== 0) throw new Error(`migrate ended with ${exitCode}: ${output}`)
    rmSync(target, { recursive: true })
    return cpuSeconds
  }
  return ((await migrate(source)) - (await migrate(warm))) / ((source.bytes - warm.bytes) / GiB)
}

try {
  const counts = values.workers.split(',').map(Number)
  console.log('workers  GB moved  seconds     MB/s  of N x rate  CPU-s/GiB')
  let last: Awaited<ReturnType<typeof runCluster>> | null = null
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
    const ofRoles = [...run.cpuOfRoles].map(([role, spent]) => `${role} ${(spent / (run.bytes / GiB)).toFixed(2)}`)
    console.log(`${columns.join(' ')}  (${ofRoles.join(', ')})`)
  }
  if (last !== null) {
    const embedded = await embeddedCost(last.workers, last)
    const ratio = last.cpuSeconds / (last.bytes / GiB) / embedded
    console.log(`embedded at the same rate: ${embedded.toFixed(2)} CPU-s/GiB; cluster / embedded ${ratio.toFixed(2)}`)
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
