// The log of a cluster as an outsider sees it while the cluster works: every event with the moment at which it arrived here
// and what the fold made of it, who holds which partition, and which chunks are under way.
import { performance } from 'node:perf_hooks'
import { openKafkaLog } from '#libs/log/kafka/kafka-log'
import { type FoldedRecord, openProjection, type Projection } from '#libs/projection/projection'
import { stateDigest } from '#libs/projection/state-digest'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { openMemoryStore } from '#libs/store/memory-store'
import type { EventType, Topic, WaybillEvent } from '#schemas/events'

/** What is kept of an event: no names and no digests, so that hours of a log fit in memory. */
export interface SeenEvent {
  /** When it arrived here, as `performance.now`. */
  readonly atMs: number
  readonly topic: Topic
  readonly partition: number
  readonly position: number
  readonly verdict: FoldedRecord['kind']
  /** null: it could not be decoded. */
  readonly type: EventType | null
  readonly writer: string
  /** Empty for events that stand under no claim. */
  readonly claim: string
  readonly epoch: number
  /** `JOB/CHUNK`; empty for what speaks of no chunk. */
  readonly chunk: string
  /** Code of an event that has one; kind of a page. */
  readonly code: string
}

export interface Lease {
  readonly chunk: string
  readonly partition: number
  readonly claim: string
}

export interface ClusterWatch {
  readonly seen: readonly SeenEvent[]
  readonly projection: Projection
  /** Numbers of a topic's partitions whose standing claim is of that instance, whatever its incarnation. */
  partitionsOf(instance: string, topic?: Topic): readonly number[]
  /** Chunks under way at that instance. */
  leasesOf(instance: string): readonly Lease[]
  /** Chunks that have a proof. */
  verified(): number
  /** Resolves with the first event from `from` (an index of `seen`) on that fits, or null after `msMax`. */
  until(
    fits: (event: SeenEvent) => boolean,
    options: { readonly from: number; readonly msMax: number },
  ): Promise<SeenEvent | null>
  caughtUp(): Promise<void>
  /** Ends the reading, and returns the digest of the state as folded so far. */
  close(): Promise<string>
}

const text = (event: WaybillEvent, name: string): string => {
  const value: unknown = Reflect.get(event, name)
  return typeof value === 'string' ? value : ''
}

function summaryOf({ record, event, kind }: FoldedRecord, atMs: number): SeenEvent {
  const { topic, partition, position } = record
  const place = { atMs, topic, partition, position, verdict: kind }
  if (event === null) return { ...place, type: null, writer: '', claim: '', epoch: 0, chunk: '', code: '' }
  const epoch: unknown = Reflect.get(event, 'epoch')
  const chunk = text(event, 'chunk')
  return {
    ...place,
    type: event.type,
    writer: event.writer,
    claim: text(event, 'claim'),
    epoch: typeof epoch === 'number' ? epoch : 0,
    chunk: chunk === '' ? '' : `${event.job}/${chunk}`,
    code: event.type === 'ItemsListed' ? event.kind : text(event, 'code'),
  }
}

/** Name of the process's instance in a claim or a writer: `INSTANCE.INCARNATION...`. */
export function instanceOf(claim: string): string {
  return claim.slice(0, claim.indexOf('.'))
}

interface Waiter {
  next: number
  readonly fits: (event: SeenEvent) => boolean
  readonly resolve: (event: SeenEvent) => void
}

/** Who holds what, by the events that the fold accepted. */
class Sight {
  readonly seen: SeenEvent[] = []
  readonly holders = new Map<string, string>()
  readonly leases = new Map<string, Lease>()
  readonly proven = new Set<string>()
  readonly waiters = new Set<Waiter>()

  add(records: readonly FoldedRecord[]): void {
    const atMs = performance.now()
    for (const record of records) {
      const event = summaryOf(record, atMs)
      this.seen.push(event)
      if (event.verdict === 'folded') this.#take(event)
    }
    for (const waiter of this.waiters) this.#look(waiter)
  }

  #take({ type, topic, partition, claim, chunk }: SeenEvent): void {
    if (type === 'PartitionClaimed') {
      this.holders.set(`${topic}/${partition}`, claim)
      if (topic !== 'chunks') return
      for (const [key, lease] of this.leases) if (lease.partition === partition) this.leases.delete(key)
    }
    if (type === 'ChunkLeased') this.leases.set(chunk, { chunk, partition, claim })
    if (type === 'ChunkTransferred' || type === 'ChunkFailed') this.leases.delete(chunk)
    if (type === 'ChunkVerified') this.proven.add(chunk)
  }

  #look(waiter: Waiter): void {
    while (waiter.next < this.seen.length) {
      const event = this.seen[waiter.next] as SeenEvent
      waiter.next += 1
      if (!waiter.fits(event)) continue
      this.waiters.delete(waiter)
      waiter.resolve(event)
      return
    }
  }

  until(fits: (event: SeenEvent) => boolean, from: number, msMax: number): Promise<SeenEvent | null> {
    const { promise, resolve } = Promise.withResolvers<SeenEvent | null>()
    const waiter: Waiter = { next: from, fits, resolve }
    const timer = setTimeout(() => {
      this.waiters.delete(waiter)
      resolve(null)
    }, msMax)
    this.waiters.add(waiter)
    this.#look(waiter)
    return promise.finally(() => clearTimeout(timer))
  }
}

/** Folds the whole log into memory and goes on folding. A broker may be away for some minutes. */
export async function watchCluster(brokers: readonly string[], topicPrefix: string): Promise<ClusterWatch> {
  const log = await openKafkaLog({
    brokers,
    topicPrefix,
    clientId: 'outsider',
    logger: silentLogger,
    clock: systemClock,
    patienceMs: 600_000,
  })
  const store = openMemoryStore()
  const projection = await openProjection(log, store)
  const sight = new Sight()
  projection.observe((records) => sight.add(records))
  const stop = new AbortController()
  const folding = projection.run(stop.signal)
  // Whoever waits for what never comes finds it by his own deadline; closing tells why.
  folding.catch(() => undefined)
  return {
    seen: sight.seen,
    projection,
    partitionsOf: (instance, topic = 'chunks') =>
      [...sight.holders].flatMap(([id, claim]) =>
        id.startsWith(`${topic}/`) && instanceOf(claim) === instance ? [Number(id.slice(topic.length + 1))] : [],
      ),
    leasesOf: (instance) => [...sight.leases.values()].filter(({ claim }) => instanceOf(claim) === instance),
    verified: () => sight.proven.size,
    until: (fits, { from, msMax }) => sight.until(fits, from, msMax),
    caughtUp: () => projection.caughtUp(AbortSignal.timeout(120_000)),
    close: async () => {
      stop.abort()
      await folding
      await log.close()
      return stateDigest(store)
    },
  }
}
