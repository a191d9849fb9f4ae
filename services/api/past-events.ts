// Events of one migration read again from the log, from a position on.
import { type LogRecord, type PartitionId, type Positions, partitionId } from '#libs/log/event-log'
import type { WaybillEvent } from '#schemas/events'
import { decodeEvent, WireError } from '#schemas/wire'
import type { ApiContext } from './context.ts'

export interface PastEvent {
  readonly record: LogRecord
  readonly event: WaybillEvent
}

type Reading = Pick<ApiContext, 'log' | 'projection'>

/** Every partition of jobs, listings and chunks in `from` is at least at that of `to`. */
export function hasReached(from: Positions, to: Positions): boolean {
  return [...to].every(([id, next]) => id.startsWith('rates/') || next === 0 || (from.get(id) ?? 0) >= next)
}

function decoded(record: LogRecord): WaybillEvent | null {
  if (record.value === null) return null
  try {
    return decodeEvent(record.value)
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}

export interface PastOptions {
  readonly from: Positions
  readonly job: string
  /** Reads until this is reached, looked at after each batch. */
  readonly until: () => Positions
  readonly signal: AbortSignal
  /** Called for each record of the migration; false: no more. */
  readonly take: (past: PastEvent) => boolean
  /** Called after each batch, with where the reading stands. */
  readonly onBatch?: (positions: Positions) => Promise<void>
  /** Records looked at, at most, of whatever migration. */
  readonly recordsMax: number
}

/** Returns where it ended. Throws what the log throws. */
export async function readPast({ log, projection }: Reading, options: PastOptions): Promise<Map<PartitionId, number>> {
  const { job, until, take, onBatch, recordsMax } = options
  const positions = new Map(options.from)
  if (hasReached(positions, until())) return positions
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const from = new Map(positions)
  for (const [id, next] of projection.positions()) if (id.startsWith('rates/')) from.set(id, next)
  let lookedAt = 0
  for await (const records of log.read(from, signal)) {
    for (const record of records) {
      if (record.topic === 'rates') continue
      const event = decoded(record)
      const isWanted = event !== null && event.job === job
      if (stop.signal.aborted) break
      positions.set(partitionId(record.topic, record.partition), record.position + 1)
      lookedAt += 1
      if (isWanted && !take({ record, event })) stop.abort()
      if (lookedAt >= recordsMax) stop.abort()
    }
    await onBatch?.(positions)
    if (hasReached(positions, until())) stop.abort()
  }
  return positions
}
