// Tells an address of the operator that a pass ended: once for each pass, tried again until it is taken, signed as Standard
// Webhooks has it (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`. Redirects are not followed, and
// what is answered is not read. Passes that had ended before the first start are not told.
import { createHmac } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { request } from 'undici'
import { hasEnded, verdictOf } from '#libs/domain/job-control'
import { keyOf } from '#libs/domain/keys'
import { emptyTally } from '#libs/domain/rows'
import type { Projection } from '#libs/projection/projection'
import type { WebhookSettings } from '#libs/runtime/api-settings'
import type { Clock } from '#libs/runtime/clock'
import type { Logger } from '#libs/runtime/logger'
import type { JobRow } from '#schemas/rows'

export interface WebhookOptions extends WebhookSettings {
  /** Remembers what was told; in the state folder of the process. */
  readonly stateFile: string
}

interface WebhookParts {
  readonly projection: Projection
  readonly clock: Clock
  readonly logger: Logger
  readonly software: string
}

const lookEveryMs = 1_000
const answerMs = 10_000
/** 1 s, 2 s, 4 s, ... 5 min: in all about a day. */
const delayMs = { first: 1_000, most: 300_000 } as const
const triesMax = 300
const rowsAtOnce = 500
const atOnceMax = 16

/** Pass that was told last, by job. */
type Told = Map<string, number>

async function readTold(path: string): Promise<Told | null> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    return new Map(Object.entries(value as Record<string, number>))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

async function writeTold(path: string, told: Told): Promise<void> {
  const partial = `${path}.partial`
  const file = await open(partial, 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify(Object.fromEntries(told)))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(partial, path)
}

interface Ended {
  readonly job: string
  readonly row: JobRow
}

async function endedJobs({ rows }: Projection): Promise<readonly Ended[]> {
  const ended: Ended[] = []
  let after: string | undefined
  for (;;) {
    const found = await rows.slice('job', 'job/', rowsAtOnce, after)
    for (const { key, row } of found) if (hasEnded(row)) ended.push({ job: key.slice('job/'.length), row })
    after = found.at(-1)?.key
    if (found.length < rowsAtOnce) return ended
  }
}

/** A secret as the senders and receivers of Standard Webhooks write it holds its bytes in base64; any other is what it is. */
function keyOfSecret(secret: string): Buffer {
  const mark = 'whsec_'
  return secret.startsWith(mark) ? Buffer.from(secret.slice(mark.length), 'base64') : Buffer.from(secret)
}

export function signatureOf(secret: string, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac('sha256', keyOfSecret(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

async function messageOf({ projection, software }: WebhookParts, { job, row }: Ended): Promise<string> {
  const tally = (await projection.rows.get(keyOf.tally(job))) ?? emptyTally
  const { status, sentence } = verdictOf(row, tally)
  const { source, target } = row.request
  return JSON.stringify({
    type: 'migration.ended',
    job_id: job,
    pass: row.pass,
    status: status === 'pass' ? 'complete' : 'failed',
    overall_status: status,
    is_cancelled: row.isLastPassCancelled,
    sentence,
    source_path: source,
    target_path: target,
    software,
  })
}

/** True when it was taken. */
async function send(
  options: WebhookOptions,
  clock: Clock,
  id: string,
  body: string,
  signal: AbortSignal,
): Promise<boolean> {
  const timestamp = Math.floor(clock.now() / 1000)
  const answer = await request(options.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatureOf(options.secret, id, timestamp, body),
    },
    body,
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
    signal,
  })
  await answer.body.dump({ limit: 16 * 1024 })
  return answer.statusCode >= 200 && answer.statusCode < 300
}

/** Tries until it is taken, given up, or the signal aborts. */
async function deliver(parts: WebhookParts, options: WebhookOptions, ended: Ended, signal: AbortSignal): Promise<void> {
  const { clock, logger } = parts
  const { job, row } = ended
  // The same for every try and every process: who gets it twice can tell.
  const id = `${job}.${row.pass}`
  const body = await messageOf(parts, ended)
  for (let tries = 1; tries <= triesMax && !signal.aborted; tries += 1) {
    const isTaken = await send(options, clock, id, body, signal).catch((error: unknown) => {
      // The address may hold a secret, and an error its address: only the code is told.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      logger.debug({ job, code, tries }, 'webhook was not reached')
      return false
    })
    if (isTaken) {
      logger.info({ job, pass: row.pass, tries }, 'webhook was told of the end')
      return
    }
    await clock.sleep(Math.min(delayMs.first * 2 ** (tries - 1), delayMs.most), signal)
  }
  logger.error({ job, pass: row.pass }, 'webhook was not told: given up')
}

/** What is being told now, at most so many at once: one that is never taken holds up no other. */
class Deliveries {
  readonly #running = new Map<string, Promise<void>>()
  #woken = new AbortController()
  #failure: { readonly error: unknown } | null = null

  isRunning(job: string): boolean {
    return this.#running.has(job)
  }

  get isFull(): boolean {
    return this.#running.size >= atOnceMax
  }

  start(job: string, work: Promise<void>): void {
    const own = work
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#running.delete(job)
        this.#woken.abort()
      })
    this.#running.set(job, own)
  }

  /** Aborts once another of them has ended. Throws what one of them threw. */
  nextEnd(): AbortSignal {
    if (this.#failure !== null) throw this.#failure.error
    this.#woken = new AbortController()
    return this.#woken.signal
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running.values())
  }
}

/** Runs until the signal aborts. Throws what store and file throw. */
export async function runWebhook(parts: WebhookParts, options: WebhookOptions, signal: AbortSignal): Promise<void> {
  const { projection, clock } = parts
  await projection.caughtUp(signal)
  const known = await readTold(options.stateFile)
  const told: Told = known ?? new Map((await endedJobs(projection)).map(({ job, row }) => [job, row.pass]))
  let written = Promise.resolve()
  const write = (): Promise<void> => {
    written = written.then(() => writeTold(options.stateFile, told))
    return written
  }
  if (known === null) await write()
  const tell = async (ended: Ended): Promise<void> => {
    await deliver(parts, options, ended, stop)
    if (stop.aborted) return
    told.set(ended.job, ended.row.pass)
    await write()
  }
  const deliveries = new Deliveries()
  // When one of them fails for good, the others must not go on for a day.
  const failing = new AbortController()
  const stop = AbortSignal.any([signal, failing.signal])
  try {
    while (!signal.aborted) {
      const either = AbortSignal.any([signal, deliveries.nextEnd()])
      const version = projection.version()
      for (const ended of await endedJobs(projection)) {
        const isDue = (told.get(ended.job) ?? 0) < ended.row.pass && !deliveries.isRunning(ended.job)
        if (isDue && !deliveries.isFull) deliveries.start(ended.job, tell(ended))
      }
      await projection.changed(version, either).catch((error: unknown) => {
        if (!either.aborted || signal.aborted) throw error
      })
      await clock.sleep(lookEveryMs, signal)
    }
  } finally {
    failing.abort()
    await deliveries.settled()
  }
}
