// GET /metrics: the text format of Prometheus, written by hand (https://prometheus.io/docs/instrumenting/exposition_formats/).
// Labels have few values and never a name: neither of a migration, a worker, a source nor an item.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { statusOf } from '#libs/domain/job-control'
import { keyOf } from '#libs/domain/keys'
import { addTally, outcomes } from '#libs/domain/report'
import { emptyTally } from '#libs/domain/rows'
import { finalOutcomes, pendingOf } from '#libs/domain/tally'
import type { FoldedRecord } from '#libs/projection/projection'
import { statuses } from '#schemas/api/parts'
import type { TallyRow } from '#schemas/rows'
import type { ApiContext } from './context.ts'
import { lagOf } from './system.ts'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [Labels, number]

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
  const shown = Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : Number.isNaN(value) ? 'NaN' : '-Inf'
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${shown}\n`
}

interface Family {
  readonly name: string
  readonly kind: 'counter' | 'gauge'
  readonly help: string
  readonly samples: readonly Sample[]
}

function familyText({ name, kind, help, samples }: Family): string {
  const head = `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`
  return samples.length === 0 ? '' : head + samples.map(([labels, value]) => line(name, labels, value)).join('')
}

const secondsBounds = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900] as const

/** Counts of durations, for one histogram without labels. */
class Histogram {
  readonly #counts: number[] = secondsBounds.map(() => 0)
  #sum = 0
  #count = 0

  add(seconds: number): void {
    this.#sum += seconds
    this.#count += 1
    const index = secondsBounds.findIndex((bound) => seconds <= bound)
    if (index >= 0) this.#counts[index] = (this.#counts[index] ?? 0) + 1
  }

  text(name: string, help: string): string {
    let below = 0
    const buckets = secondsBounds.map((bound, index) => {
      below += this.#counts[index] ?? 0
      return line(`${name}_bucket`, { le: String(bound) }, below)
    })
    return [
      `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`,
      ...buckets,
      line(`${name}_bucket`, { le: '+Inf' }, this.#count),
      line(`${name}_sum`, {}, this.#sum),
      line(`${name}_count`, {}, this.#count),
    ].join('')
  }
}

const leasesMax = 100_000

/** Times between lease and transfer of chunks, as the events say. */
export class ChunkTimes {
  readonly #leasedAt = new Map<string, number>()
  readonly histogram = new Histogram()

  observe(folded: readonly FoldedRecord[]): void {
    for (const { event, kind } of folded) {
      if (event === null || kind !== 'folded') continue
      if (event.type === 'ChunkLeased') {
        if (this.#leasedAt.size >= leasesMax) this.#leasedAt.clear()
        this.#leasedAt.set(`${event.job}/${event.chunk}`, event.at)
      } else if (event.type === 'ChunkTransferred' || (event.type === 'ChunkFailed' && event.by === 'worker')) {
        const key = `${event.job}/${event.chunk}`
        const at = this.#leasedAt.get(key)
        this.#leasedAt.delete(key)
        if (at !== undefined && event.type === 'ChunkTransferred') this.histogram.add(Math.max(0, event.at - at) / 1000)
      }
    }
  }
}

interface Sums {
  readonly tally: TallySum
  readonly codes: ReadonlyMap<string, number>
  readonly jobs: ReadonlyMap<string, number>
}

const rowsAtOnce = 500
const jobsMax = 20_000

const countedMembers = ['listed', ...finalOutcomes] as const
const summedMembers = [
  'sourceBytesRead',
  'targetBytesWritten',
  'targetBytesRead',
  'chunksPlanned',
  'chunksLeased',
  'chunksTransferred',
  'chunksVerified',
  'chunksFailed',
] as const

/** What is shown of the tallies of all migrations. */
type TallySum = Pick<TallyRow, (typeof countedMembers)[number] | (typeof summedMembers)[number]>

/** Adds to `sum` in place. */
function add(sum: { -readonly [K in keyof TallySum]: TallySum[K] }, tally: TallyRow): void {
  for (const member of summedMembers) sum[member] += tally[member]
  for (const member of countedMembers) sum[member] = addTally(sum[member], tally[member])
}

/** Sums over all migrations. */
async function sumsOf({ projection: { rows } }: ApiContext): Promise<Sums> {
  const tally = { ...emptyTally }
  const codes = new Map<string, number>()
  const jobs = new Map<string, number>(statuses.map((status) => [status, 0]))
  let after: string | undefined
  for (let count = 0; count < jobsMax; ) {
    const found = await rows.slice('job', 'job/', rowsAtOnce, after)
    const tallies = await rows.getMany(found.map(({ key }) => keyOf.tally(key.slice('job/'.length))))
    for (const [index, { row }] of found.entries()) {
      const own = tallies[index] ?? emptyTally
      add(tally, own)
      const status = statusOf(row, own)
      jobs.set(status, (jobs.get(status) ?? 0) + 1)
      for (const { code, count: times } of own.codes) codes.set(code, (codes.get(code) ?? 0) + times)
    }
    count += found.length
    after = found.at(-1)?.key
    if (found.length < rowsAtOnce) break
  }
  const requests = await rows.slice('request', 'request/', rowsAtOnce)
  jobs.set('pending', (jobs.get('pending') ?? 0) + requests.length)
  return { tally, codes, jobs }
}

const ratesMax = 1_000

async function rateFamilies({ projection: { rows } }: ApiContext): Promise<readonly Family[]> {
  const reports = await rows.slice('report', 'report/', ratesMax)
  const rates = await rows.slice('rate', 'rate/', ratesMax)
  const read = reports.reduce((sum, { row }) => sum + (row.hasWork ? row.readBytesPerSecond : 0), 0)
  const cap = rates.reduce((sum, { row }) => sum + (row.bytesPerSecond ?? Number.POSITIVE_INFINITY), 0)
  const gauge = (name: string, help: string, value: number): Family => ({
    name,
    kind: 'gauge',
    help,
    samples: [[{}, value]],
  })
  return [
    gauge('waybill_source_rate_bytes', 'Bytes a second that workers with work said they read, over all sources.', read),
    gauge('waybill_source_cap_bytes', 'Bytes a second that may be read, over all sources; +Inf without a limit.', cap),
  ]
}

function stateFamilies({ tally, codes, jobs }: Sums): readonly Family[] {
  const items = { ...tally, pending: pendingOf(tally) }
  const waiting = Math.max(0, tally.chunksPlanned - tally.chunksLeased - tally.chunksTransferred - tally.chunksFailed)
  const chunks = {
    planned: waiting,
    leased: tally.chunksLeased,
    transferred: Math.max(0, tally.chunksTransferred - tally.chunksVerified),
    verified: tally.chunksVerified,
    failed: tally.chunksFailed,
  }
  const bytes = { read: tally.sourceBytesRead, written: tally.targetBytesWritten, verified: tally.targetBytesRead }
  const labelled = (label: string, values: Readonly<Record<string, number>>): readonly Sample[] =>
    Object.entries(values).map(([name, value]) => [{ [label]: name }, value])
  return [
    { name: 'waybill_bytes_total', kind: 'counter', help: 'Bytes by phase.', samples: labelled('phase', bytes) },
    {
      name: 'waybill_items_total',
      kind: 'gauge',
      help: 'Items by outcome. A gauge: an outcome may be corrected.',
      samples: outcomes.map((outcome) => [{ outcome }, items[outcome].items]),
    },
    { name: 'waybill_chunks', kind: 'gauge', help: 'Chunks by status.', samples: labelled('status', chunks) },
    {
      name: 'waybill_retries_total',
      kind: 'counter',
      help: 'Failed attempts and notes by code.',
      samples: [...codes].map(([code, count]) => [{ code }, count]),
    },
    {
      name: 'waybill_mismatches_total',
      kind: 'gauge',
      help: 'Items that are different or missing at the target now.',
      samples: [[{}, tally.mismatched.items + tally.missing.items]],
    },
    {
      name: 'waybill_jobs',
      kind: 'gauge',
      help: 'Migrations by status.',
      samples: [...jobs].map(([status, n]) => [{ status }, n]),
    },
  ]
}

export interface Metrics {
  /** Counts an answer. `route`: as in the table, not as it was asked for. */
  answered(route: string, status: number, seconds: number): void
  text(context: ApiContext): Promise<string>
  observe(folded: readonly FoldedRecord[]): void
  stop(): void
}

/** Sums over many rows are made at most so often. */
const freshMs = 1_000

export function createMetrics(): Metrics {
  const chunkTimes = new ChunkTimes()
  const requestTimes = new Histogram()
  const requests = new Map<string, { readonly labels: Labels; count: number }>()
  const loop = monitorEventLoopDelay({ resolution: 20 })
  loop.enable()
  let made: { readonly atMs: number; readonly text: Promise<string> } | null = null

  async function make(context: ApiContext): Promise<string> {
    const lag = await lagOf(context)
    const gauge = (name: string, help: string, value: number, labels: Labels = {}): Family => ({
      name,
      kind: 'gauge',
      help,
      samples: [[labels, value]],
    })
    const own: readonly Family[] = [
      ...(context.inflightBytes === null
        ? []
        : [gauge('waybill_inflight_bytes', 'Payload bytes in memory.', context.inflightBytes())]),
      ...(lag === null
        ? []
        : [gauge('waybill_projection_lag_events', 'Events of the log that are not folded yet.', lag)]),
      gauge(
        'waybill_event_loop_lag_seconds',
        'p99 of the delay of the event loop since the last scrape.',
        loop.percentile(99) / 1e9,
      ),
      gauge('waybill_event_streams', 'Readers of event streams.', context.streams.count),
      gauge('waybill_build_info', 'What runs.', 1, { version: context.software, node: process.version }),
      gauge('process_resident_memory_bytes', 'Resident memory.', process.memoryUsage().rss),
      gauge('process_start_time_seconds', 'Start, in seconds since 1970.', context.startedAt / 1000),
      {
        name: 'waybill_http_requests_total',
        kind: 'counter',
        help: 'Answers of the API.',
        samples: [...requests.values()].map(({ labels, count }) => [labels, count]),
      },
    ]
    loop.reset()
    const families = [...stateFamilies(await sumsOf(context)), ...(await rateFamilies(context)), ...own]
    return [
      ...families.map(familyText),
      chunkTimes.histogram.text('waybill_chunk_seconds', 'From the lease of a chunk to its transfer.'),
      requestTimes.text('waybill_http_request_seconds', 'Time to answer, streams and waits left out.'),
    ].join('')
  }

  return {
    answered(route, status, seconds) {
      const key = `${route} ${status}`
      const found = requests.get(key) ?? { labels: { route, status: String(status) }, count: 0 }
      found.count += 1
      requests.set(key, found)
      requestTimes.add(seconds)
    },
    text(context) {
      const atMs = context.clock.monotonic()
      if (made === null || atMs - made.atMs >= freshMs) made = { atMs, text: make(context) }
      return made.text
    },
    observe: (folded) => chunkTimes.observe(folded),
    stop: () => {
      loop.disable()
    },
  }
}
