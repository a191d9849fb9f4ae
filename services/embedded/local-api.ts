// The API of one run, on a socket in the job's folder: a second terminal shows, pauses and throttles what runs here.
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { EventLog } from '#libs/log/event-log'
import type { EventWriter } from '#libs/log/event-writer'
import type { Projection } from '#libs/projection/projection'
import { reportFacts } from '#libs/projection/report-facts'
import { reportLeaves } from '#libs/projection/report-leaves'
import type { SigningKey } from '#libs/report/keys'
import type { Sink } from '#libs/report/output'
import { writeReport } from '#libs/report/write'
import type { Clock } from '#libs/runtime/clock'
import { listenLocally } from '#libs/runtime/local-socket'
import type { Logger } from '#libs/runtime/logger'
import { createOnce } from '#libs/runtime/once'
import type { JobRow } from '#schemas/rows'
import type { RunningApi } from '../api/api.ts'

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

type Row = Pick<JobRow, 'pass' | 'isLastPassCancelled' | 'passesCompleted'>

async function writeMaster(options: LocalApiOptions, job: string, row: Row, sink: Sink): Promise<void> {
  const { projection, log, software, hasOwnCredentials, signingKey } = options
  const readers = [`${options.process}.verifier`]
  const about = { job, rows: projection.rows, log, software, readers, hasOwnCredentials }
  const facts = await reportFacts({ ...about, state: 'running', endedAt: null })
  await writeReport(sink, { facts, leaves: reportLeaves({ rows: projection.rows, log, job }, row), signingKey })
}

async function startAnswering(options: LocalApiOptions): Promise<RunningApi> {
  const { startApi } = await import('../api/api.ts')
  const { folder, projection, writer, log, clock, logger, software } = options
  return startApi({
    projection,
    writer,
    log,
    partitionCounts: await log.partitionCounts(),
    clock,
    logger: logger.child({ role: 'api' }),
    connections: new Map(),
    listen: 'handed over',
    tokens: null,
    localActor: options.actor,
    software,
    process: options.process,
    cursorKey: randomBytes(32),
    reports: {
      writeMaster: async (job, sink) => {
        const row = await projection.rows.get(keyOf.job(job))
        if (row !== undefined) await writeMaster(options, job, row, sink)
      },
    },
    scratchFolder: join(folder, 'scratch'),
    inflightBytes: null,
  })
}

/**
 * Listens on the socket in the folder; a run goes on without it. What answers is loaded when somebody first asks, since
 * few runs are asked and loading it costs half a second of processor time. Returns the way to end it.
 */
export function serveLocally(options: LocalApiOptions): () => Promise<void> {
  const { logger } = options
  const answering = createOnce(() => startAnswering(options))
  const connections = new Set<Socket>()
  const listening = listenLocally(options.folder, (connection) => {
    connections.add(connection)
    connection.once('close', () => connections.delete(connection))
    answering.get().then(
      (api) => api.accept(connection),
      (error: unknown) => {
        logger.warn({ code: codeOf(error), error }, 'no api for this run')
        connection.destroy()
      },
    )
  }).catch((error: unknown) => {
    logger.warn({ code: codeOf(error), error }, 'no api for this run')
    return null
  })
  return async () => {
    const place = await listening
    await place?.close()
    const api = await answering.made()?.catch(() => null)
    await api?.close()
    for (const connection of connections) connection.destroy()
  }
}
