// HTTP with a store: pools of kept-alive connections over undici, TLS, proxies, deadlines. Redirects are never followed:
// a store that points elsewhere gets neither our signature nor our bytes.
//
// Traps of undici that are met here:
// * It closes the connection after every HEAD unless told not to (`reset: false`).
// * Handlers of its newer kind get all headers as one object, 8 us of each answer; those of the older kind get them as they
//   came. undici 8 knows the newer kind only.
// * Its own time-outs count from the start of a request, not from the last byte; they are switched off and watch.ts does it.
// * A Buffer as body is handed to the kernel in one write, of which no progress can be seen; large bodies go in slices,
//   and each slice is asked for when the one before has left.
// * A store may refuse a request before it has read its body and keep the connection: it then takes the body for the next
//   request, and its answer to that for ours. Node cannot see it, so such a connection is closed as soon as the refusal is in.
// * A request waiting for a free connection cannot be withdrawn; it is refused when its turn comes.
import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici'
import { WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import { type AnswerHeaders, readHeaders } from './answer-headers.ts'
import { transportError } from './faults.ts'
import type { S3Deadlines, S3Proxies } from './settings.ts'
import { createConnector } from './sockets.ts'
import { Watch, Watched } from './watch.ts'

export interface AnswerHead {
  readonly status: number
  readonly headers: AnswerHeaders
}

export interface Answer extends AnswerHead {
  /** What no consumer took. */
  readonly body: Buffer
}

export interface Exchange {
  readonly origin: string
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** With its query, percent-encoded. */
  readonly path: string
  /** Name, value, name, value. */
  readonly headers: string[]
  readonly body: Buffer | null
  /** Deadline for the answer, from the last byte of the body. */
  readonly answerMs: number
  /** An answer that is kept and longer is an error. */
  readonly keptBytesMax: number
  /** Which headers the answer shall have. */
  readonly reads: 'all' | 'lean'
  /** Called with the head: who takes the body's bytes, or null to keep them. What it throws ends the request. */
  readonly accept: ((head: AnswerHead) => ((bytes: Buffer) => void) | null) | null
  readonly signal: AbortSignal
}

export interface ConnectionSettings {
  readonly caFile: string | null
  readonly proxies: S3Proxies
  readonly connectionsMax: number
  readonly deadlines: S3Deadlines
  readonly clock: Clock
}

export interface Connection {
  exchange(request: Exchange, isFresh?: boolean): Promise<Answer>
  /** The store's clock minus ours in ms, as the last answer told; null before one came. */
  clockOffsetMs(): number | null
  /** What the store calls itself. */
  server(): string
  close(): Promise<void>
}

const sliceBytes = 256 * 1024
const keepAliveMs = 20_000
const nothing = Buffer.alloc(0)

/** Yields to the socket's pace: the next slice is asked for when the last one was taken. */
function* slicesOf(body: Buffer, progress: (isSent: boolean) => void): Generator<Buffer> {
  for (let start = 0; start < body.length; start += sliceBytes) {
    progress(false)
    yield body.subarray(start, start + sliceBytes)
  }
  progress(true)
}

function isSliced(body: Buffer | null): boolean {
  return body !== null && body.length > sliceBytes
}

class Request implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange
  readonly #watch: Watch
  readonly #clock: Clock
  readonly #deadlines: S3Deadlines
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: unknown) => void
  readonly #onHead: (headers: AnswerHeaders) => void
  #abort: ((reason: Error) => void) | null = null
  #watched: Watched | null = null
  #status = 0
  #headers: AnswerHeaders = {}
  #consume: ((bytes: Buffer) => void) | null = null
  #kept: Buffer[] = []
  #keptBytes = 0
  #isSettled: boolean = false
  #failure: unknown = null

  constructor(
    exchange: Exchange,
    context: { watch: Watch; clock: Clock; deadlines: S3Deadlines; onHead: (headers: AnswerHeaders) => void },
    settle: { resolve: (answer: Answer) => void; reject: (error: unknown) => void },
  ) {
    this.#exchange = exchange
    this.#watch = context.watch
    this.#clock = context.clock
    this.#deadlines = context.deadlines
    this.#onHead = context.onHead
    this.#resolve = settle.resolve
    this.#reject = settle.reject
    exchange.signal.addEventListener('abort', this.#onAbort)
  }

  body(): Buffer | Iterable<Buffer> | null {
    const { body } = this.#exchange
    if (body === null || !isSliced(body)) return body
    return slicesOf(body, (isSent) => this.#moved(isSent))
  }

  /** Of slices undici does not know the length, and would send them chunked, which S3 refuses. */
  headers(): string[] {
    const { body, headers } = this.#exchange
    const isCounted = !isSliced(body) || headers.includes('content-length')
    return isCounted ? headers : [...headers, 'content-length', String(body?.length)]
  }

  onConnect(abort: (reason: Error) => void): void {
    this.#abort = abort
    if (this.#isSettled) {
      abort(new Error('withdrawn'))
      return
    }
    const { body, answerMs } = this.#exchange
    const limitMs = isSliced(body) ? this.#deadlines.stallMs : answerMs
    this.#watched = new Watched(this.#clock.monotonic(), limitMs, () => this.#expire())
    this.#watch.add(this.#watched)
  }

  onHeaders(status: number, raw: Buffer[]): boolean {
    if (status < 200) return true
    this.#status = status
    this.#headers = readHeaders(raw, this.#exchange.reads)
    this.#onHead(this.#headers)
    if (this.#watched !== null) {
      this.#watched.movedAtMs = this.#clock.monotonic()
      this.#watched.limitMs = this.#deadlines.stallMs
    }
    this.#consume = this.#exchange.accept?.({ status, headers: this.#headers }) ?? null
    this.#endRefusal()
    return true
  }

  onData(bytes: Buffer): boolean {
    if (this.#watched !== null) this.#watched.movedAtMs = this.#clock.monotonic()
    if (this.#isSettled) return true
    if (this.#consume !== null) {
      this.#consume(bytes)
      return true
    }
    this.#keptBytes += bytes.length
    if (this.#keptBytes > this.#exchange.keptBytesMax) {
      throw new WaybillError('TARGET_UNREADABLE', { reason: 'answer too long', status: this.#status })
    }
    // The bytes may lie in a buffer that is used again once this call is over.
    this.#kept.push(Buffer.from(bytes))
    this.#endRefusal()
    return true
  }

  onComplete(): void {
    const body = this.#kept.length < 2 ? (this.#kept[0] ?? nothing) : Buffer.concat(this.#kept)
    if (!this.#settle()) return
    this.#resolve({ status: this.#status, headers: this.#headers, body })
  }

  /** Closes the connection of a refused body once the refusal is whole: its length is known, or it ends as S3's errors do. */
  #endRefusal(): void {
    if (this.#status < 300 || this.#exchange.body === null) return
    const length = this.#headers['content-length']
    const isWhole =
      length === undefined
        ? (this.#kept.at(-1)?.subarray(-16).toString('latin1').trimEnd().endsWith('</Error>') ?? false)
        : this.#keptBytes >= Number(length)
    if (!isWhole) return
    this.onComplete()
    this.#abort?.(new Error('refused'))
  }

  onError(error: Error): void {
    if (this.#settle()) this.#reject(transportError(this.#failure ?? error, this.#status !== 0))
  }

  #moved(isSent: boolean): void {
    if (this.#watched === null) return
    this.#watched.movedAtMs = this.#clock.monotonic()
    if (isSent) this.#watched.limitMs = this.#exchange.answerMs
  }

  #expire(): void {
    const hasAnswer = this.#status !== 0
    this.#fail(new WaybillError('TARGET_TIMEOUT', { hasAnswer }))
  }

  readonly #onAbort = (): void => {
    this.#fail(new WaybillError('ABORTED', {}, { cause: this.#exchange.signal.reason }))
  }

  /** Rejects at once, also while the request still waits for a connection. */
  #fail(error: WaybillError): void {
    this.#failure = error
    if (!this.#settle()) return
    this.#reject(error)
    this.#abort?.(error)
  }

  #settle(): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    if (this.#watched !== null) this.#watch.remove(this.#watched)
    this.#exchange.signal.removeEventListener('abort', this.#onAbort)
    return true
  }
}

/** @throws WaybillError CONFIG_INVALID when the file cannot be read. */
function trustedCertificates(caFile: string): string[] {
  try {
    return [...getCACertificates('default'), readFileSync(caFile, 'utf8')]
  } catch (error) {
    throw new WaybillError('CONFIG_INVALID', { caFile }, { cause: error })
  }
}

function dispatcherFor(origin: string, settings: ConnectionSettings, connections: number): Dispatcher {
  const { proxies, caFile, deadlines } = settings
  const ca = caFile === null ? undefined : trustedCertificates(caFile)
  const options = { connections, pipelining: 1, keepAliveTimeout: keepAliveMs, headersTimeout: 0, bodyTimeout: 0 }
  const connect = createConnector({ ca, timeoutMs: deadlines.connectMs })
  if (proxies.http === null && proxies.https === null) return new Pool(origin, { ...options, connect })
  const tls = { ...(ca === undefined ? {} : { ca }), timeout: deadlines.connectMs }
  return new EnvHttpProxyAgent({
    ...options,
    connect,
    // Empty, not absent: absent would make the agent read the environment by itself.
    httpProxy: proxies.http ?? '',
    httpsProxy: proxies.https ?? '',
    noProxy: proxies.none.join(','),
    requestTls: tls,
    proxyTls: tls,
    // Plain http is asked for through the proxy; only TLS needs a tunnel.
    proxyTunnel: false,
  })
}

class PooledConnection implements Connection {
  readonly #settings: ConnectionSettings
  readonly #watch: Watch
  readonly #pools = new Map<string, Dispatcher>()
  #date = ''
  #dateAtMs = 0
  #server = ''

  constructor(settings: ConnectionSettings) {
    this.#settings = settings
    this.#watch = new Watch(settings.clock)
  }

  exchange(request: Exchange, isFresh = false): Promise<Answer> {
    return isFresh ? this.#exchangeAlone(request) : this.#dispatch(() => this.#pool(request.origin), request)
  }

  async #exchangeAlone(request: Exchange): Promise<Answer> {
    const alone = dispatcherFor(request.origin, this.#settings, 1)
    try {
      return await this.#dispatch(() => alone, request)
    } finally {
      await alone.destroy()
    }
  }

  clockOffsetMs(): number | null {
    const date = Date.parse(this.#date)
    // The header tells whole seconds: half a one is lost on average.
    return Number.isNaN(date) ? null : date + 500 - this.#dateAtMs
  }

  server(): string {
    return this.#server
  }

  async close(): Promise<void> {
    this.#watch.close()
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
    this.#pools.clear()
  }

  #pool(origin: string): Dispatcher {
    let pool = this.#pools.get(origin)
    if (pool === undefined) {
      pool = dispatcherFor(origin, this.#settings, this.#settings.connectionsMax)
      this.#pools.set(origin, pool)
    }
    return pool
  }

  readonly #onHead = (headers: AnswerHeaders): void => {
    this.#date = typeof headers['date'] === 'string' ? headers['date'] : ''
    this.#dateAtMs = this.#settings.clock.now()
    this.#server = typeof headers['server'] === 'string' ? headers['server'] : this.#server
  }

  #dispatch(dispatcher: () => Dispatcher, exchange: Exchange): Promise<Answer> {
    if (exchange.signal.aborted) {
      return Promise.reject(new WaybillError('ABORTED', {}, { cause: exchange.signal.reason }))
    }
    return new Promise((resolve, reject) => {
      const { clock, deadlines } = this.#settings
      const context = { watch: this.#watch, clock, deadlines, onHead: this.#onHead }
      const request = new Request(exchange, context, { resolve, reject })
      dispatcher().dispatch(
        {
          origin: exchange.origin,
          method: exchange.method,
          path: exchange.path,
          headers: request.headers(),
          // undici takes iterables as well; its types do not say so.
          body: request.body() as Buffer | null,
          reset: false,
        },
        request,
      )
    })
  }
}

/** Opens no connection yet. @throws WaybillError CONFIG_INVALID on the first request, when the CA file cannot be read. */
export function openConnection(settings: ConnectionSettings): Connection {
  return new PooledConnection(settings)
}
