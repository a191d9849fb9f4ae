// The API as a role: answers from the rows of the projection, reads events from the log, appends commands. It decides
// nothing and owns nothing: any number of processes can serve it, and each can be lost at any time.
import { rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { codeOf, WaybillError } from '#libs/domain/errors'
import type { Listening } from './authorisation.ts'
import type { Handlers } from './calls.ts'
import { told } from './calls.ts'
import { listChunks, sumChunks } from './chunks.ts'
import {
  cancelMigration,
  changeMigration,
  createMigration,
  pauseMigration,
  resumeMigration,
  retryMigration,
} from './commands.ts'
import { type ApiContext, type ApiOptions, defaultLimits } from './context.ts'
import { createCursors } from './cursors.ts'
import { docsPage } from './docs-page.ts'
import { createEventFeed } from './event-feed.ts'
import { listEvents } from './events.ts'
import { explainItem, listFindings, listItems } from './items.ts'
import { createMetrics } from './metrics.ts'
import { listMigrations, showMigration } from './migrations.ts'
import { descriptionText } from './openapi.ts'
import { createPaceBook } from './pace-book.ts'
import { showReport } from './report.ts'
import { createServer } from './server.ts'
import { StreamBook } from './stream-book.ts'
import { lagOf, listWorkers, showLiveness, showReadiness, showSystem } from './system.ts'
import { runWebhook } from './webhook.ts'

export type { ApiLimits, ApiOptions, ReportSource } from './context.ts'

const description = descriptionText()
const page = docsPage()

const handlers: Handlers = {
  createMigration,
  listMigrations,
  showMigration,
  changeMigration,
  pauseMigration,
  resumeMigration,
  cancelMigration,
  retryMigration,
  showReport,
  listEvents,
  listChunks,
  sumChunks,
  listItems,
  explainItem,
  listFindings,
  listWorkers,
  showSystem,
  showLiveness,
  showReadiness,
  showMetrics: async (_asked, { context }) =>
    told(200, await context.metrics.text(context), { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  showDescription: () => Promise.resolve(told(200, description, { 'content-type': 'application/json; charset=utf-8' })),
  showPages: () => Promise.resolve(told(200, page, { 'content-type': 'text/html; charset=utf-8' })),
}

/** More than this, and answers are too old for those who ask a balancer for a process. */
const lagMax = 10_000

function contextOf(options: ApiOptions, closing: AbortSignal): ApiContext {
  const { projection, partitionCounts, clock, cursorKey } = options
  const limits = { ...defaultLimits, ...options.limits }
  const metrics = createMetrics()
  const context: ApiContext = {
    ...options,
    limits,
    cursors: createCursors(cursorKey),
    feed: createEventFeed(projection, partitionCounts),
    pace: createPaceBook(projection, clock),
    streams: new StreamBook(limits.streamsMax, limits.streamsOfPrincipalMax),
    metrics,
    startedAt: clock.now(),
    closing,
    unreadyReason: async () => {
      const lag = await lagOf(context)
      if (closing.aborted) return 'it is stopping'
      if (lag === null) return 'the log does not answer'
      return lag > lagMax ? `${lag} events are not folded yet` : null
    },
  }
  return context
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(host)

interface Listen {
  readonly kind: Listening
  /** null: nowhere. */
  readonly at: { readonly host: string; readonly port: number } | null
}

/** Without tokens only the machine itself is served, whatever address was asked for; and that is said. */
function listenOf({ listen, tokens, logger }: ApiOptions): Listen {
  if (listen === 'handed over') return { kind: 'socket', at: null }
  if (isLoopback(listen.host)) {
    if (tokens === null) logger.warn({}, 'api has no tokens: everyone on this machine may use it, and no one else')
    return { kind: 'loopback', at: listen }
  }
  if (tokens !== null) return { kind: 'network', at: listen }
  logger.warn({ asked: listen.host }, 'api has no tokens, so it listens on the loopback address only')
  return { kind: 'loopback', at: { host: '127.0.0.1', port: listen.port } }
}

export interface RunningApi {
  /** `http://host:port`; empty where it does not listen itself. */
  readonly address: string
  /** Answers on a connection that someone else accepted, paused. */
  accept(connection: Socket): void
  /** Answers what is under way, ends streams and waits, closes all connections. */
  close(): Promise<void>
}

/** Resolves once it listens. Throws API_NOT_STARTED. */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const closing = new AbortController()
  const context = contextOf(options, closing.signal)
  const stopObserving = options.projection.observe((folded) => context.metrics.observe(folded))
  const { kind, at } = listenOf(options)
  const app = createServer(context, handlers, kind)
  const pace = context.pace.run(closing.signal).catch((error: unknown) => {
    if (!closing.signal.aborted) options.logger.error({ code: codeOf(error) }, 'api cannot measure')
  })
  const hook = options.webhook ?? null
  const telling = (hook === null ? Promise.resolve() : runWebhook(options, hook, closing.signal)).catch(
    (error: unknown) => {
      if (!closing.signal.aborted) options.logger.error({ code: codeOf(error), error }, 'webhook ended')
    },
  )
  const close = async (): Promise<void> => {
    closing.abort(new WaybillError('ABORTED'))
    await app.close()
    stopObserving()
    context.feed.stop()
    context.metrics.stop()
    await Promise.all([pace, telling])
    await rm(options.scratchFolder, { recursive: true, force: true })
  }
  try {
    await app.ready()
    const address = at === null ? '' : await app.listen({ ...at })
    if (at !== null) options.logger.info({ address }, 'api listens')
    const accept = (connection: Socket): void => {
      app.server.emit('connection', connection)
      connection.resume()
    }
    return { address, accept, close }
  } catch (cause) {
    await close()
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    throw new WaybillError('API_NOT_STARTED', { reason, ...at }, { cause })
  }
}
