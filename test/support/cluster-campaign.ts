// What the campaigns on clusters have in common: a tree that takes long enough, the processes, an outsider who watches the
// log, and the promises that hold after any fault.
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { isKafkaInstalled } from '../../scripts/kafka-server.ts'
import type { Campaign } from './campaign.ts'
import { digestWithout } from './cluster-digest.ts'
import { type ClusterWatch, instanceOf, type SeenEvent, watchCluster } from './cluster-watch.ts'
import { compareFolders, foundEntries } from './foreign-tools.ts'
import { makeMixedTree, writeStampedFile } from './mixed-tree.ts'
import { integerBetween } from './seeded-random.ts'
import { type ServeCluster, type ServeClusterOptions, startServeCluster } from './serve-cluster.ts'
import type { RunObject } from './waybill-process.ts'

const MiB = 1024 * 1024
const largeBytes = 60 * MiB

export interface ClusterWorld {
  readonly campaign: Campaign
  readonly cluster: ServeCluster
  readonly watch: ClusterWatch
  readonly source: string
  readonly target: string
  /** Below the root of the source. */
  readonly entries: number
  readonly compare: () => Promise<Comparison>
}

export interface WorldOptions extends Partial<Omit<ServeClusterOptions, 'folder' | 'source'>> {
  /** About so much is to be moved. */
  readonly bytes: number
  readonly smallFiles?: number
  /** A tree that is there already, in place of one of so many bytes. */
  readonly source?: string
  /** How source and target are compared where the target is no folder. */
  readonly compare?: () => Promise<Comparison>
}

export interface Comparison {
  readonly differences: readonly string[]
  readonly figures: string
}

/**
 * Files of some MiB, each a chunk of its own at the least chunk size, so that chunks are short; a few larger ones whose
 * chunks are parts; small ones that are packed. Most bytes are holes.
 */
export function makeLongTree(folder: string, campaign: Campaign, bytes: number, smallFiles: number): void {
  makeMixedTree(folder, { seed: campaign.seed, smallFiles, middleFiles: 10, largeFilesBytes: [] })
  const larges = Math.max(1, Math.floor((bytes * 0.3) / largeBytes))
  for (let index = 0; index < larges; index += 1) {
    writeStampedFile(join(folder, `large-${index}`), `${campaign.seed} large ${index}`, largeBytes)
  }
  mkdirSync(join(folder, 'single'))
  for (let made = larges * largeBytes, index = 0; made < bytes; index += 1) {
    const size = integerBetween(campaign.random, 2.5 * MiB + 1, 4 * MiB)
    writeStampedFile(join(folder, 'single', `${index}`), `${campaign.seed} single ${index}`, size)
    made += size
  }
}

/** Runs `body` on a cluster of its own; where Kafka is not installed a line says so. */
export async function withCluster(
  campaign: Campaign,
  options: WorldOptions,
  body: (world: ClusterWorld) => Promise<void>,
): Promise<void> {
  if (!isKafkaInstalled()) {
    campaign.note('skipped: Kafka is not installed (scripts/servers.ts install kafka)')
    return
  }
  const place = mkdtempSync(join(campaign.folder, 'world-'))
  const target = join(place, 'target')
  mkdirSync(target, { recursive: true })
  const { bytes, smallFiles = 500, source = join(place, 'source'), ...given } = options
  if (options.source === undefined) makeLongTree(source, campaign, bytes, smallFiles)
  const cluster = await startServeCluster({
    counts: { coordinator: 1, worker: 3, verifier: 1 },
    target: [`location = ${JSON.stringify(target)}`],
    ...given,
    source: [`location = ${JSON.stringify(source)}`],
    folder: join(place, 'cluster'),
  })
  const watch = await watchCluster(cluster.kafka.brokers, cluster.topicPrefix)
  const entries = foundEntries(source).size
  const compareHere = async (): Promise<Comparison> => {
    const differences = compareFolders(source, target)
    return { differences, figures: `${entries} entries` }
  }
  campaign.note(
    `${entries} entries, ${(bytes / MiB).toFixed(0)} MiB; ${cluster.members.map(({ name }) => name).join(' ')}`,
  )
  try {
    await body({ campaign, cluster, watch, source, target, entries, compare: options.compare ?? compareHere })
  } finally {
    await cluster.stop()
  }
}

/** Leases of chunks that had a proof, as folded. */
export function leasedAfterProof(seen: readonly SeenEvent[]): readonly string[] {
  const proven = new Set<string>()
  return seen.flatMap(({ type, verdict, chunk }) => {
    if (verdict !== 'folded') return []
    if (type === 'ChunkVerified') proven.add(chunk)
    return type === 'ChunkLeased' && proven.has(chunk) ? [chunk] : []
  })
}

/** Transfers of chunks beyond the first one that counted. */
export function transferredAgain(seen: readonly SeenEvent[]): number {
  const counted = seen.filter(({ type, verdict }) => type === 'ChunkTransferred' && verdict === 'folded')
  return counted.length - new Set(counted.map(({ chunk }) => chunk)).size
}

export interface Zombies {
  /** Appended under a claim that did not stand any more when they arrived. */
  readonly stale: readonly SeenEvent[]
  /** Those of them that the fold took all the same. */
  readonly effective: readonly SeenEvent[]
}

/** Told from the events alone: of each partition the claims with epochs 1, 2, ... stand one after the other. */
export function zombiesOf(seen: readonly SeenEvent[]): Zombies {
  const standing = new Map<string, { claim: string; epoch: number }>()
  const stale: SeenEvent[] = []
  for (const event of seen) {
    const { type, topic, partition, claim, epoch } = event
    // A refusal of the coordinator speaks in chunks under its claim on listings.
    if (claim === '' || !['ChunkLeased', 'ChunkTransferred', 'ChunkFailed', 'PartitionClaimed'].includes(`${type}`))
      continue
    const id = `${topic}/${partition}`
    const now = standing.get(id)
    if (type === 'PartitionClaimed') {
      if (epoch === (now?.epoch ?? 0) + 1) standing.set(id, { claim, epoch })
    } else if (now?.claim !== claim && claim.includes('.chunks.')) stale.push(event)
  }
  return { stale, effective: stale.filter(({ verdict }) => verdict === 'folded') }
}

function count(names: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, times]) => `${times} ${name}`).join(', ') || 'none'
}

/** Ends that nobody asked for, with what the process said last. */
export function ownEnds({ cluster }: ClusterWorld): readonly string[] {
  return cluster.members.flatMap(({ name, ends }) =>
    ends.map(({ code, signal, notices }) => `${name} ${code ?? signal}: ${notices.trim().split('\n').at(-1)}`),
  )
}

/** What must be true at the end, whatever happened: waits for the job, then looks at target, log and state. */
export async function promiseEnd(world: ClusterWorld, job: string, timeout: string): Promise<RunObject> {
  const { campaign, cluster, watch, entries } = world
  const run = await cluster.wait(job, timeout)
  campaign.promise(`${job}: ends verified, no chunk is lost`, {
    holds: run.exit_code === 0 && run.items.listed === entries && run.items.pending === 0,
    figures: `exit ${run.exit_code}, ${JSON.stringify(run.items)} of ${entries}, source bytes read ${run.source_bytes_read}, written ${run.target_bytes_written}, listed ${run.bytes.listed}; findings ${JSON.stringify(run.findings)}`,
  })
  const { differences, figures } = await world.compare()
  campaign.promise(`${job}: others find source and target equal`, {
    holds: differences.length === 0,
    figures: `${figures}, ${differences.length} differences ${differences.slice(0, 5).join('; ')}`,
  })
  await watch.caughtUp()
  const again = leasedAfterProof(watch.seen)
  const leases = watch.seen.filter(({ type, verdict }) => type === 'ChunkLeased' && verdict === 'folded').length
  campaign.promise(`${job}: no verified chunk is sent again`, {
    holds: again.length === 0 && leases > 0,
    figures: `${again.length} of ${leases} leases, ${watch.verified()} chunks verified, ${transferredAgain(watch.seen)} transferred twice ${again.slice(0, 5).join(' ')}`,
  })
  const { stale, effective } = zombiesOf(watch.seen)
  campaign.promise(`${job}: nothing that was appended under a lost claim took effect`, {
    holds: effective.length === 0,
    figures: `${stale.length} stale appends (${count(stale.map(({ type, claim }) => `${type} of ${instanceOf(claim)}`))}), ${effective.length} took effect`,
  })
  campaign.note(`ends that nobody asked for: ${ownEnds(world).join(' | ') || 'none'}`)
  return run
}

/** One digest of the state: folded while it happened, folded from the first record by `rebuild`, folded without zombies. */
export async function promiseDigests(world: ClusterWorld, job: string): Promise<string> {
  const { campaign, cluster, watch } = world
  await Promise.all(cluster.members.filter((member) => member.isRunning()).map((member) => member.stop()))
  await watch.caughtUp()
  const places = new Set(
    zombiesOf(watch.seen).stale.map(({ topic, partition, position }) => `${topic}/${partition}/${position}`),
  )
  const live = await watch.close()
  const { output, notices } = await cluster.run(['rebuild', '--json', '-q'])
  const rebuilt: unknown = output.startsWith('{') ? JSON.parse(output).state_digest : notices
  const without = await digestWithout(cluster.kafka.brokers, cluster.topicPrefix, places)
  campaign.promise(`${job}: one digest, folded live, from position 0 and without what zombies wrote`, {
    holds: live === rebuilt && live === without,
    figures: `live ${live.slice(0, 16)}, rebuild ${`${rebuilt}`.slice(0, 16)}, without ${places.size} records ${without.slice(0, 16)}`,
  })
  return live
}

/** Middle and largest of some milliseconds, as seconds. */
export function spreadOf(ms: readonly number[]): { readonly text: string; readonly maxSeconds: number } {
  const sorted = [...ms].sort((a, b) => a - b)
  const [p50, max] = [sorted[Math.floor((sorted.length - 1) / 2)] ?? 0, sorted.at(-1) ?? 0]
  return {
    text: `p50 ${(p50 / 1000).toFixed(1)} s, max ${(max / 1000).toFixed(1)} s of ${ms.length}`,
    maxSeconds: max / 1000,
  }
}
