// The verifier of one job: reads the stored bytes back and compares them with what was read at the source (rule 6). It
// claims nothing: a result names generation, seal and round, and joins by them.

import { codeOf, errorCatalogue } from '#libs/domain/errors'
import { chunkIdOf, keyOf, parseChunkId, parseChunkKey, parseUploadKey } from '#libs/domain/keys'
import { wasTransferred } from '#libs/domain/rows'
import { isSampled } from '#libs/domain/sampling'
import { provenSince } from '#libs/domain/tally'
import type { EventLog } from '#libs/log/event-log'
import type { PlacedDraft } from '#libs/log/event-writer'
import { readEvent } from '#libs/projection/event-reader'
import type { Projection } from '#libs/projection/projection'
import { readyChunks } from '#libs/projection/ready-walk'
import type { Logger } from '#libs/runtime/logger'
import type { Role } from '#libs/runtime/role'
import { type ReadBackContext, readBack } from '#libs/transfer/read-back'
import type { ChunkRow, JobRow } from '#schemas/rows'
import { unreadProof } from './unread.ts'

export interface VerifierOptions {
  readonly job: string
  readonly projection: Projection
  readonly log: EventLog
  /** Partitions of chunks that are this verifier's share. */
  readonly partitions: () => readonly number[]
  readonly chunksMax: number
  readonly readerName: string
  readonly logger: Logger
  readonly transfer: () => Promise<Pick<ReadBackContext, 'reader' | 'clock' | 'slots' | 'onBytes' | 'onStuck'>>
}

export interface VerifyTask {
  readonly chunk: string
  readonly round: number
  readonly isRead: boolean
}

/** Chunk rows looked at in one decision of a later round. */
const scannedAtOnce = 256

export function createVerifier(options: VerifierOptions): Role<VerifyTask> {
  const finder = new ChunkFinder(options)
  return {
    name: 'verifier',
    keyOf: ({ chunk, round }) => `${chunk}/${round}`,
    decide: (busy) => finder.find(busy),
    perform: (task, signal) => verifyChunk(options, task, signal),
    recover: (task, error) => {
      const code = codeOf(error)
      // Whoever started the role tells of what ends it.
      if (errorCatalogue[code].retry !== 'again' && errorCatalogue[code].retry !== 'pause') throw error
      options.logger.warn({ code, chunk: task.chunk, error }, 'chunk was not read back')
      return null
    },
  }
}

/** A cancelled job can be verified once its pass is complete. */
function isHeld({ control, pass, passesCompleted }: JobRow): boolean {
  return control === 'paused' || (control === 'cancelled' && passesCompleted < pass)
}

class ChunkFinder {
  readonly #options: VerifierOptions
  #scan: { round: number; after: string | undefined } = { round: 1, after: undefined }

  constructor(options: VerifierOptions) {
    this.#options = options
  }

  async find(busy: ReadonlySet<string>): Promise<readonly VerifyTask[]> {
    const { projection, job, chunksMax } = this.#options
    const row = await projection.rows.get(keyOf.job(job))
    if (row === undefined || row.abilities === null || isHeld(row)) return []
    const free = chunksMax - busy.size
    if (free <= 0) return []
    const isFree = (chunk: string): boolean => !busy.has(`${chunk}/${row.round}`)
    const found: string[] = []
    for (const candidates of [this.#whole(), this.#parts(row), this.#older(row)]) {
      if (found.length >= free) break
      for await (const chunk of candidates) {
        if (isFree(chunk) && !found.includes(chunk)) found.push(chunk)
        if (found.length >= free) break
      }
    }
    const { verify, samplePercent } = row.request
    // Who asks for a reading of its own gets all of it, whatever the passes read.
    const isAsked = row.roundCause === 'verify' && row.passesCompleted === row.pass
    const isRead = (chunk: string): boolean => isAsked || isSampled(chunk, verify, samplePercent)
    return found.map((chunk) => ({ chunk, round: row.round, isRead: isRead(chunk) }))
  }

  /** Whole items of own partitions that nobody read yet. */
  async *#whole(): AsyncGenerator<string> {
    const { projection, job, partitions } = this.#options
    const own = [...partitions()].sort((a, b) => a - b)
    for await (const { chunk } of readyChunks(projection.rows, 'verifiable', job, own)) yield chunk
  }

  /** Parts of sealed uploads that nobody read yet. */
  async *#parts(job: JobRow): AsyncGenerator<string> {
    const { projection, chunksMax } = this.#options
    const ready = await projection.rows.slice('verifiable', `verifiable/upload/${this.#options.job}/`, chunksMax * 2)
    for (const { key } of ready) {
      const { item, generation } = parseUploadKey(key)
      const upload = await projection.rows.get(keyOf.upload(this.#options.job, item, generation))
      if (upload === undefined) continue
      const first = parseChunkId(upload.firstChunk)
      for (let start = 0; start < upload.chunks; start += scannedAtOnce) {
        const ids = Array.from({ length: Math.min(scannedAtOnce, upload.chunks - start) }, (_, n) =>
          chunkIdOf({ ...first, n: first.n + start + n }),
        )
        const rows = await projection.rows.getMany(ids.map((id) => keyOf.chunk(this.#options.job, id)))
        for (const [index, row] of rows.entries()) if (this.#isDue(row, job.round, true)) yield ids[index] as string
      }
    }
  }

  #isDue(row: ChunkRow | undefined, round: number, isFirst: boolean): boolean {
    if (row === undefined || !wasTransferred(row)) return false
    if (!this.#options.partitions().includes(row.partition)) return false
    return isFirst ? row.round === 0 : row.round < round && row.superseded.length < row.entries
  }

  /** Chunks whose last reading is of an earlier round, streamed in order (rule 6). */
  async *#older(job: JobRow): AsyncGenerator<string> {
    const { projection } = this.#options
    const tally = await projection.rows.get(keyOf.tally(this.#options.job))
    if (job.round === 1 || tally === undefined || provenSince(tally, job.round) >= tally.readable) return
    if (this.#scan.round !== job.round) this.#scan = { round: job.round, after: undefined }
    const slice = await projection.rows.slice('chunk', `chunk/${this.#options.job}/`, scannedAtOnce, this.#scan.after)
    let isWholeSliceDone = true
    for (const { key, row } of slice) {
      if (!this.#isDue(row, job.round, false) || !(await this.#isLivePart(row))) continue
      isWholeSliceDone = false
      yield parseChunkKey(key).chunk
    }
    // The scan moves on once all of a slice is read; at the end it starts again, for what came meanwhile.
    if (isWholeSliceDone) this.#scan = { round: job.round, after: slice.at(-1)?.key }
  }

  async #isLivePart(row: ChunkRow): Promise<boolean> {
    if (row.item === '') return true
    const upload = await this.#options.projection.rows.get(keyOf.upload(this.#options.job, row.item, row.generation))
    return upload !== undefined && !upload.isSuperseded && upload.sealed?.seal != null
  }
}

async function verifyChunk(
  options: VerifierOptions,
  task: VerifyTask,
  signal: AbortSignal,
): Promise<readonly PlacedDraft[]> {
  const { projection, log, job, readerName } = options
  const row = await projection.rows.get(keyOf.chunk(job, task.chunk))
  if (row === undefined || row.transferredAt < 0) return []
  const at = { topic: 'chunks', partition: row.partition } as const
  const planned = await readEvent(log, 'ChunkPlanned', { ...at, position: row.plannedAt })
  const transferred = await readEvent(log, 'ChunkTransferred', { ...at, position: row.transferredAt })
  const upload = row.item === '' ? undefined : await projection.rows.get(keyOf.upload(job, row.item, row.generation))
  const seal = upload?.sealed?.seal ?? null
  const event = task.isRead
    ? await readBack(planned, transferred, {
        ...(await options.transfer()),
        seal,
        round: task.round,
        readerName,
        signal,
      })
    : unreadProof(planned, transferred, { seal, round: task.round, reader: readerName })
  return event === null ? [] : [{ ...at, event }]
}
