// `node --conditions=source scripts/local-cluster.ts`: a whole cluster on this machine, without a container engine. Starts
// a Kafka broker, a schema registry and an S3 server, makes the topics, starts coordinators, workers and verifiers as
// processes of their own, asks for a job with plain kafkajs, waits for it, lets `diff` compare source and target, says what
// came of it, and stops everything. Ends with 0 only when all of that is as it must be.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type KafkaCluster, startKafkaCluster } from '#test/support/kafka-cluster'
import { type MixedTree, makeMixedTree } from '#test/support/mixed-tree'
import { type RegistryServer, startRegistryServer } from '#test/support/registry-server'
import { type S3Server, startS3Server } from '#test/support/s3-server'
import { type ProcessEnd, runWaybill } from '#test/support/waybill-process'
import { compareTrees } from './local-cluster/comparison.ts'
import {
  bucket,
  bytesOfMiB,
  type ClusterPlan,
  configText,
  job,
  readPlan,
  topicPrefix,
  usage,
} from './local-cluster/places.ts'
import {
  bytesOf,
  type ClusterPlace,
  type ServeProcess,
  type StoppedProcess,
  startServe,
  stopAll,
  untilReady,
} from './local-cluster/processes.ts'
import { requestJob } from './local-cluster/request.ts'

interface Servers {
  readonly kafka: KafkaCluster
  readonly registry: RegistryServer | null
  readonly s3: S3Server
}

const startedMs = performance.now()

function say(text: string): void {
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${text}`)
}

const chunkBytes = bytesOfMiB(64)

/** Each server as it comes up, so that those that did are stopped when another does not. */
async function startServers(plan: ClusterPlan, folder: string, started: (() => Promise<void>)[]): Promise<Servers> {
  const keep = <T extends { stop(): Promise<void> }>(server: T): T => {
    started.push(() => server.stop())
    return server
  }
  const kafka = keep(await startKafkaCluster())
  say(`broker at ${kafka.brokers.join(', ')}`)
  const registry = plan.hasRegistry ? keep(await startRegistryServer()) : null
  if (registry !== null) say(`schema registry at ${registry.url}`)
  const s3 = keep(await startS3Server('versitygw', { parent: folder }))
  await s3.createBucket(bucket)
  say(`S3 server at ${s3.endpoint}, bucket ${bucket}`)
  return { kafka, registry, s3 }
}

async function run(place: ClusterPlace, ...words: readonly string[]): Promise<ProcessEnd> {
  const { folder: home, environment, config } = place
  return runWaybill([...words, '--config', config], { home, environment })
}

async function mustRun(place: ClusterPlace, ...words: readonly string[]): Promise<string> {
  const { code, output, notices } = await run(place, ...words)
  if (code !== 0) throw new Error(`waybill ${words.join(' ')} ended with ${code}: ${notices}${output}`)
  return output
}

async function startProcesses(plan: ClusterPlan, place: ClusterPlace, processes: ServeProcess[]): Promise<void> {
  const counts = { coordinator: plan.coordinators, worker: plan.workers, verifier: plan.verifiers, api: plan.apis }
  for (const [role, count] of Object.entries(counts)) {
    for (let number = 1; number <= count; number += 1) processes.push(await startServe(place, role, number))
  }
  await untilReady(processes)
  say(`${processes.length} processes serve: ${processes.map(({ name }) => name).join(', ')}`)
}

interface Outcome {
  readonly wait: ProcessEnd
  readonly seconds: number
  /** By the API. */
  readonly statuses: readonly string[]
  readonly report: ProcessEnd
  readonly rebuilt: Readonly<Record<string, unknown>>
  readonly differences: readonly string[]
  readonly unstored: number
  /** Bytes of the four topics in the broker. */
  readonly logBytes: number
}

/** What each process with the role api says of the job: all answer from a store of their own. */
async function askApis(processes: readonly ServeProcess[]): Promise<readonly string[]> {
  const urls = processes.flatMap(({ url }) => (url === null ? [] : [url]))
  return Promise.all(
    urls.map(async (url) => {
      const answer = await fetch(`${url}/migrations/${job}?wait=30s&status=complete`)
      const { status } = (await answer.json()) as { readonly status?: string }
      return status ?? `HTTP ${answer.status}`
    }),
  )
}

async function moveTree(
  place: ClusterPlace,
  servers: Servers,
  processes: readonly ServeProcess[],
  source: string,
): Promise<Outcome> {
  const { kafka, registry, s3 } = servers
  await requestJob({ brokers: kafka.brokers, registryUrl: registry?.url ?? null, chunkBytes })
  say(`job ${job} is asked for by plain kafkajs`)
  const sinceMs = performance.now()
  // Until a coordinator took it up there is nothing to wait for.
  const wait = await run(place, 'jobs', 'wait', job, '--timeout', '2h', '--json', '--progress', 'none')
  const seconds = (performance.now() - sinceMs) / 1000
  say(`jobs wait ended with ${wait.code} after ${seconds.toFixed(1)} s`)
  const statuses = await askApis(processes)
  if (statuses.length > 0) say(`the API says: ${statuses.join(', ')}`)
  const file = join(place.folder, 'report.ndjson')
  await mustRun(place, 'report', 'show', job, '--output', file)
  const report = await run(place, 'report', 'verify', file)
  say(`report verify ended with ${report.code}`)
  const rebuilt = JSON.parse(await mustRun(place, 'rebuild', '--json', '--progress', 'none')) as Record<string, unknown>
  say(
    `rebuild: ${rebuilt['events']} events at ${rebuilt['events_per_second']} a second, digest ${rebuilt['state_digest']}`,
  )
  const compared = compareTrees(source, join(s3.objectsFolder ?? '', bucket, 'copy'))
  say(
    `diff -r: ${compared.differences.length} differences; ${compared.unstored} links and empty folders have no object`,
  )
  const logBytes = bytesOf(kafka.logFolder, new RegExp(`/${topicPrefix}\\.[a-z]+-\\d+/\\d+\\.log$`))
  return { wait, seconds, statuses, report, rebuilt, logBytes, ...compared }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

function processLine({ name, cpuSeconds, peakBytes, storeBytes, code }: StoppedProcess): string {
  const places = `at most ${megabytes(peakBytes)} memory, store ${megabytes(storeBytes)}`
  return `  ${name.padEnd(16)} ${cpuSeconds.toFixed(1).padStart(6)} s, ${places}, ended with ${code}`
}

function summary(tree: MixedTree, outcome: Outcome, stopped: readonly StoppedProcess[]): readonly string[] {
  const { wait, seconds, report, differences } = outcome
  const cpu = stopped.reduce((sum, each) => sum + each.cpuSeconds, 0)
  const gib = tree.fileBytes / 1024 ** 3
  const told = wait.output === '' ? { sentence: wait.notices } : (JSON.parse(wait.output) as { sentence: string })
  return [
    '',
    `verdict        ${told.sentence} (exit code ${wait.code})`,
    `source         ${tree.entries} entries, ${gib.toFixed(2)} GiB in ${tree.files.length} files`,
    `time           ${seconds.toFixed(1)} s, ${(tree.fileBytes / seconds / 1e6).toFixed(1)} MB/s moved and read back`,
    `processor      ${cpu.toFixed(1)} s in ${stopped.length} processes (${(cpu / Math.max(gib, 1e-9)).toFixed(1)} s a GiB, starts included)`,
    `event log      ${megabytes(outcome.logBytes)} in the broker`,
    ...stopped.map(processLine),
    `report         ${report.output.split('\n')[0] ?? ''}`,
    ...differences.slice(0, 20).map((line) => `differs        ${line}`),
    differences.length === 0 ? 'equal          source and target are equal for diff -r' : 'NOT EQUAL',
  ]
}

const isGood = ({ wait, report, differences, statuses }: Outcome, stopped: readonly StoppedProcess[]): boolean =>
  wait.code === 0 &&
  report.code === 0 &&
  differences.length === 0 &&
  statuses.every((status) => status === 'complete') &&
  stopped.every(({ code }) => code === 0)

async function runCluster(plan: ClusterPlan, folder: string, stops: (() => Promise<void>)[]): Promise<number> {
  const source = join(folder, 'source')
  mkdirSync(source)
  const tree = makeMixedTree(join(source, 'tree'), {
    seed: plan.seed,
    smallFiles: plan.smallFiles,
    middleFiles: Math.ceil(plan.smallFiles / 1000),
    largeFilesBytes: plan.largeMiB === 0 ? [] : [bytesOfMiB(plan.largeMiB)],
  })
  say(`source with ${tree.entries} entries in ${source}, seed ${plan.seed}`)
  const servers = await startServers(plan, folder, stops)
  const { kafka, registry, s3 } = servers
  const config = join(folder, 'waybill.toml')
  const places = { brokers: kafka.brokers, registryUrl: registry?.url ?? null, endpoint: s3.endpoint, source }
  writeFileSync(config, configText(places), { mode: 0o600 })
  const environment = { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey }
  const place: ClusterPlace = { folder, config, environment }
  await mustRun(place, 'topics', 'create')
  say('topics made')
  const processes: ServeProcess[] = []
  let stopped: readonly StoppedProcess[] = []
  try {
    await startProcesses(plan, place, processes)
    const outcome = await moveTree(place, servers, processes, join(source, 'tree'))
    stopped = await stopAll(processes.splice(0))
    say('all processes stopped')
    console.log(summary(tree, outcome, stopped).join('\n'))
    return isGood(outcome, stopped) ? 0 : 1
  } finally {
    await stopAll(processes)
  }
}

async function main(): Promise<number> {
  let plan: ClusterPlan
  try {
    plan = readPlan(process.argv.slice(2))
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
    return 2
  }
  const folder = plan.folder === null ? mkdtempSync(join(tmpdir(), 'waybill-cluster-')) : resolve(plan.folder)
  if (plan.folder === null) process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  else mkdirSync(folder)
  const stops: (() => Promise<void>)[] = []
  // Whatever was started is killed when this process ends.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  process.setMaxListeners(100)
  try {
    return await runCluster(plan, folder, stops)
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

process.exitCode = await main()
