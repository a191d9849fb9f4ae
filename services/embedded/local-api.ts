// The API of one run, on a socket in the job's folder: a second terminal shows, pauses and throttles what runs here.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import type { EventLog } from '#libs/log/event-log'
import type { EventWriter } from '#libs/log/event-writer'
import type { Projection } from '#libs/projection/projection'
import { reportFacts } from '#libs/projection/report-facts'
import { reportLeaves } from '#libs/projection/report-leaves'
import type { SigningKey } from '#libs/report/keys'
import type { Sink } from '#libs/report/output'
import { writeReport } from '#libs/report/write'
import type { Clock } from '#libs/runtime/clock'
import { openSocketPlace } from '#libs/runtime/local-socket'
import type { Logger } from '#libs/runtime/logger'
import type { JobRow } from '#schemas/rows'

export interface LocalApiOptions {
  /** The job's folder. */
  readonly folder: string
  readonly job: string
  readonly process: string
  readonly software: string
  readonly actor: string
  readonly projection: Projection
  readonly writer: EventWriter
  readonly log: EventLog
  readonly clock: Clock
  readonly logger: Logger
  readonly signingKey: SigningKey | null
  readonly hasOwnCredentials: boolean
}

/** Runs that are over sooner need none, and are not slowed down by loading it. */
const startAfterMs = 500

type Row = Pick<JobRow, 'pass' | 'isLastPassCancelled' | 'passesCompleted'>

async function writeMaster(options: LocalApiOptions, job: string, row: Row, sink: Sink): Promise<void> {
  const { projection, log, software, hasOwnCredentials, signingKey } = options
  const readers = [`${options.process}.verifier`]
  const about = { job, rows: projection.rows, log, software, readers, hasOwnCredentials }
  const facts = await reportFacts({ ...about, state: 'running', endedAt: null })
  await writeReport(sink, { facts, leaves: reportLeaves({ rows: projection.rows, log, job }, row), signingKey })
}

async function start(options: LocalApiOptions): Promise<() => Promise<void>> {
  const { startApi } = await import('../api/api.ts')
  const { folder, projection, writer, log, clock, logger, software } = options
  const place = await openSocketPlace(folder)
  const api = await startApi({
    projection,
    writer,
    log,
    partitionCounts: await log.partitionCounts(),
    clock,
    logger: logger.child({ role: 'api' }),
    connections: new Map(),
    listen: { socketPath: place.path },
    tokens: null,
    localActor: options.actor,
    software,
    process: options.process,
    cursorKey: randomBytes(32),
    reports: {
      writeMaster: async (job, sink) => {
        const row = await projection.rows.get(`job/${job}`)
        if (row !== undefined) await writeMaster(options, job, row as Row, sink)
      },
    },
    scratchFolder: join(folder, 'scratch'),
    inflightBytes: null,
  }).catch(async (error: unknown) => {
    await place.close()
    throw error
  })
  return async () => {
    await api.close()
    await place.close()
  }
}

/** Starts it in the background; a run goes on without it. Returns the way to end it. */
export function serveLocally(options: LocalApiOptions): () => Promise<void> {
  const { clock, logger } = options
  const stop = new AbortController()
  const started = clock
    .sleep(startAfterMs, stop.signal)
    .then(() => start(options))
    .catch((error: unknown) => {
      if (!stop.signal.aborted) logger.warn({ code: codeOf(error), error }, 'no api for this run')
      return null
    })
  return async () => {
    stop.abort()
    await (await started)?.()
  }
}
