// Tries again what may work soon, around each port of a target. Which codes that is says the catalogue (`retry: 'again'`).
// Delays are drawn evenly from 0 to a bound that doubles ("full jitter",
// https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter), and all wrappers of one endpoint
// share a pace.
//
// A reader that was interrupted goes on behind the bytes that its caller has hashed already, and only under a seal: without
// one the rest could be of another version.
import { type ErrorCode, type Facts, WaybillError } from '#libs/domain/errors'
import type { Clock, Random } from '#libs/runtime/clock'
import { type Pace, sleepUnlessAborted } from './pace.ts'
import type {
  ReadRequest,
  ReadResult,
  Target,
  TargetReader,
  TargetSurvey,
  TargetUploads,
  TargetWriter,
} from './target.ts'

export interface RetryRules {
  /** Tries of what waiting may mend: busy, unreachable, slow. */
  readonly attemptsMax: number
  /** Tries of what waiting seldom mends: short reads, refused digests; and of the probe, after which a person waits. */
  readonly attemptsFew: number
  readonly delayMsFirst: number
  readonly delayMsMax: number
  /** Nothing is tried again this long after the first try. */
  readonly elapsedMsMax: number
}

export const defaultRetryRules: RetryRules = {
  attemptsMax: 12,
  attemptsFew: 4,
  delayMsFirst: 200,
  delayMsMax: 30_000,
  elapsedMsMax: 300_000,
}

export interface RetryNotice {
  readonly operation: string
  readonly code: ErrorCode
  readonly facts: Facts
  /** The try that failed: 1, 2, ... */
  readonly attempt: number
  readonly delayMs: number
}

export interface RetrySettings {
  readonly rules: RetryRules
  /** One for each endpoint. */
  readonly pace: Pace
  readonly clock: Clock
  readonly random: Random
  /** Told before each wait: "limited by: target (503 SlowDown, 41/min)". */
  readonly onRetry: (notice: RetryNotice) => void
}

const patientCodes: readonly ErrorCode[] = ['TARGET_BUSY', 'TARGET_UNREACHABLE', 'TARGET_TIMEOUT']
/** The caller has work of its own before these may be tried again: other parts to send, a reason for which it was stopped. */
const callersCodes: readonly ErrorCode[] = ['PART_REFUSED', 'ABORTED']

interface Limits {
  readonly attemptsMax?: number
  /** False once a try had an effect that another one would repeat. */
  readonly mayRepeat?: () => boolean
}

class Retrier {
  readonly #settings: RetrySettings

  constructor(settings: RetrySettings) {
    this.#settings = settings
  }

  /** @param call is made once for each try. @throws what the last try threw. */
  async run<T>(operation: string, signal: AbortSignal, call: () => Promise<T>, limits: Limits = {}): Promise<T> {
    const { pace, clock, onRetry } = this.#settings
    const { attemptsMax = this.#settings.rules.attemptsMax, mayRepeat = () => true } = limits
    const startedAtMs = clock.monotonic()
    for (let attempt = 1; ; attempt += 1) {
      if (pace.gapMs > 0) await pace.enter(signal)
      try {
        const result = await call()
        pace.succeed()
        return result
      } catch (error) {
        if (!(error instanceof WaybillError) || !this.#mayAgain(error, attempt, attemptsMax) || !mayRepeat())
          throw error
        if (error.facts['isSlowDown'] === true) pace.slowDown()
        const delayMs = this.#delayMs(attempt)
        if (clock.monotonic() + delayMs - startedAtMs > this.#settings.rules.elapsedMsMax) throw error
        onRetry({ operation, code: error.code, facts: error.facts, attempt, delayMs })
        await sleepUnlessAborted(clock, delayMs, signal)
      }
    }
  }

  get attemptsFew(): number {
    return this.#settings.rules.attemptsFew
  }

  #mayAgain(error: WaybillError, attempt: number, attemptsMax: number): boolean {
    if (error.retry !== 'again' || callersCodes.includes(error.code)) return false
    return attempt < (patientCodes.includes(error.code) ? attemptsMax : Math.min(attemptsMax, this.attemptsFew))
  }

  #delayMs(attempt: number): number {
    const { rules, pace, random } = this.#settings
    const bound = Math.min(rules.delayMsMax, rules.delayMsFirst * 2 ** (attempt - 1))
    return random() * (pace.takeRetry() ? bound : rules.delayMsMax)
  }
}

function retryingWriter(inner: TargetWriter, retrier: Retrier): TargetWriter {
  return {
    takeOver: (claim, signal) => retrier.run('takeOver', signal, () => inner.takeOver(claim, signal)),
    find: (key, signal) => retrier.run('find', signal, () => inner.find(key, signal)),
    put: (request, signal) => retrier.run('put', signal, () => inner.put(request, signal)),
    settle: (keys, signal) => retrier.run('settle', signal, () => inner.settle(keys, signal)),
    writePart: (request, signal) => retrier.run('writePart', signal, () => inner.writePart(request, signal)),
    copyPart: (request, signal) => retrier.run('copyPart', signal, () => inner.copyPart(request, signal)),
    close: () => inner.close(),
  }
}

function retryingUploads(inner: TargetUploads, retrier: Retrier): TargetUploads {
  return {
    find: (key, signal) => retrier.run('find', signal, () => inner.find(key, signal)),
    open: (request, signal) => retrier.run('open', signal, () => inner.open(request, signal)),
    seal: (request, signal) => retrier.run('seal', signal, () => inner.seal(request, signal)),
    abort: (key, upload, signal) => retrier.run('abort', signal, () => inner.abort(key, upload, signal)),
    sweep: (mayAbort, signal) => retrier.run('sweep', signal, () => inner.sweep(mayAbort, signal)),
    finishDirectories: (entries, signal) =>
      retrier.run('finishDirectories', signal, () => inner.finishDirectories(entries, signal)),
    close: () => inner.close(),
  }
}

/** Bytes that were consumed are not asked for again; throws at once when the rest could be of another version. */
async function retryingRead(
  inner: TargetReader,
  retrier: Retrier,
  read: { readonly request: ReadRequest; readonly consume: (bytes: Buffer) => void },
  signal: AbortSignal,
): Promise<ReadResult> {
  const { request } = read
  let consumed = 0
  const consume = (bytes: Buffer): void => {
    consumed += bytes.length
    read.consume(bytes)
  }
  const mayRepeat = (): boolean => consumed === 0 || (request.seal !== null && request.kind === 'file')
  const readRest = (): Promise<ReadResult> => {
    if (consumed === 0) return inner.read(request, consume, signal)
    const length = request.length - consumed
    // All bytes came and only the end of the answer was lost.
    if (length === 0) return Promise.resolve({ bytes: 0, bypassedCache: false, objectBytes: null })
    return inner.read({ ...request, offset: request.offset + consumed, length }, consume, signal)
  }
  const result = await retrier.run('read', signal, readRest, { mayRepeat })
  return { ...result, bytes: consumed }
}

function retryingReader(inner: TargetReader, retrier: Retrier): TargetReader {
  return {
    read: (request, consume, signal) => retryingRead(inner, retrier, { request, consume }, signal),
    close: () => inner.close(),
  }
}

function retryingSurvey(inner: TargetSurvey, retrier: Retrier): TargetSurvey {
  return {
    probe: (signal) => retrier.run('probe', signal, () => inner.probe(signal), { attemptsMax: retrier.attemptsFew }),
    list: (cursor, limit, signal) => retrier.run('list', signal, () => inner.list(cursor, limit, signal)),
    clear: (signal) => retrier.run('clear', signal, () => inner.clear(signal)),
    close: () => inner.close(),
  }
}

/** The same target, every port of which tries again. Throws what the last try threw, and ABORTED during a wait. */
export function retryingTarget(target: Target, settings: RetrySettings): Target {
  const retrier = new Retrier(settings)
  return {
    keys: target.keys,
    survey: () => retryingSurvey(target.survey(), retrier),
    writer: (abilities) => retryingWriter(target.writer(abilities), retrier),
    uploads: (abilities) => retryingUploads(target.uploads(abilities), retrier),
    reader: (abilities) => retryingReader(target.reader(abilities), retrier),
  }
}
