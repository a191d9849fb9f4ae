// The records of one job out of a log of many: what a fold needs to come to the same rows of that job, and what an auditor
// wants to see of it. These are all events that name the job, late and stale ones too; the claims of every partition in which
// one of them stands, from the first on; the rate decisions for its source; and what is poison of this job.

import { strict as assert } from 'node:assert'
import { WaybillError } from '#libs/domain/errors'
import { rateSourceOf } from '#libs/domain/rate'
import { boundLog } from '#libs/log/bounded-log'
import { type EventLog, type LogRecord, type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import { idOf, partitionsOf } from '#libs/log/record-rules'
import { eventIn } from '#schemas/wire'
import { poisonedJob } from './poison.ts'

const everything = { last: new Map<PartitionId, number>(), untilMs: null, timeOf: () => null }

/** Positions from which only the topic of jobs is left to read. */
async function jobsOnly(log: EventLog): Promise<Positions> {
  const ends = await log.ends()
  const others = partitionsOf(await log.partitionCounts()).filter(({ topic }) => topic !== 'jobs')
  return new Map(
    others.map(({ topic, partition }) => {
      const id = partitionId(topic, partition)
      return [id, ends.get(id) ?? 0]
    }),
  )
}

/** Where the job reads: as it was accepted or, before, as it was asked for. Throws JOB_UNKNOWN. */
async function sourcesOf(log: EventLog, job: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const sources = new Set<string>()
  for await (const records of boundLog(log, everything).read(await jobsOnly(log), signal)) {
    for (const record of records) {
      const event = eventIn(record)
      const isAsked = event?.type === 'JobRequested' || event?.type === 'JobAccepted'
      if (isAsked && event.job === job) sources.add(rateSourceOf(event.request.source))
    }
  }
  signal.throwIfAborted()
  if (sources.size === 0) throw new WaybillError('JOB_UNKNOWN', { job })
  return sources
}

/** Buffers of a reading are views of large ones, which a record that waits would keep. */
function copied(record: LogRecord): LogRecord {
  return { ...record, key: Buffer.from(record.key), value: record.value && Buffer.from(record.value) }
}

type Use = 'claim' | 'own' | 'none'

function useOf(record: LogRecord, job: string, sources: ReadonlySet<string>): Use {
  if (record.topic === 'rates') return 'none'
  const event = eventIn(record)
  if (event?.type === 'PartitionClaimed') return 'claim'
  if (event?.type === 'RateDecided') return sources.has(event.source) ? 'own' : 'none'
  return (event === null ? poisonedJob(null, record) : event.job) === job ? 'own' : 'none'
}

/**
 * The records as the log holds them now, each with its place; in a partition in its order. Keys and values are copies.
 * @throws WaybillError JOB_UNKNOWN, and what the log throws; the signal's reason
 */
export async function* recordsOfJob(log: EventLog, job: string, signal: AbortSignal): AsyncGenerator<LogRecord> {
  assert(job !== '', 'a job has a name')
  const sources = await sourcesOf(log, job, signal)
  // Claims wait until their partition turns out to hold something of the job.
  const waiting = new Map<PartitionId, LogRecord[]>()
  const used = new Set<PartitionId>()
  for await (const records of boundLog(log, everything).read(new Map(), signal)) {
    for (const record of records) {
      const use = useOf(record, job, sources)
      if (use === 'none') continue
      const id = idOf(record)
      if (use === 'own' && !used.has(id)) {
        yield* waiting.get(id) ?? []
        waiting.delete(id)
        used.add(id)
      }
      if (used.has(id)) yield copied(record)
      else waiting.set(id, [...(waiting.get(id) ?? []), copied(record)])
    }
  }
  signal.throwIfAborted()
}
