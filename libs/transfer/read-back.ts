// The proof: reads what the target holds and compares it with what was read at the source (rule 6, I1). Nothing that a
// writer remembers is used; the reader is one of its own.
//
// A target is accused only after a second look over a fresh connection. Two equal wrong answers accuse the target; a
// right second one says that the way was at fault; two different wrong ones prove nothing.
import { createHash, type Hash, hash } from 'node:crypto'
import { type ErrorCode, errorCatalogue, WaybillError } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import type { ReadRequest, ReadResult, TargetReader } from '#libs/target/target'
import type { Draft, EventOf } from '#schemas/events'
import type { Extent, Proof, TransferredEntry, VerifiedEntry } from '#schemas/records'
import type { RequestSlots } from './request-slots.ts'
import { createWatchdog, silenceMsMax, type Watchdog } from './watchdog.ts'

export interface ReadBackContext {
  readonly reader: TargetReader
  /** Seal of the upload for a part; whole items carry their own in the transferred entries. */
  readonly seal: string | null
  readonly round: number
  /** Name of the verifier, for the proof. */
  readonly readerName: string
  readonly clock: Clock
  readonly slots: RequestSlots
  readonly onBytes?: (bytes: number) => void
  readonly onStuck?: (code: ErrorCode) => void
  readonly signal: AbortSignal
}

/** What one reading gave: a digest of all bytes that came, and the code if it did not end well. */
interface Reading {
  readonly digest: Buffer
  readonly bytes: number
  readonly bypassedCache: boolean
  readonly code: ErrorCode | null
}

const nothing = Buffer.alloc(0)

/**
 * Reads every extent of the chunk back and says what was found. null when the signal aborted: nothing is claimed.
 * Throws WaybillError with a code that pauses the job (expired credentials): nothing is claimed either. What else is
 * thrown is a mistake in waybill.
 */
export async function readBack(
  planned: EventOf<'ChunkPlanned'>,
  transferred: EventOf<'ChunkTransferred'>,
  context: ReadBackContext,
): Promise<Draft<'ChunkVerified'> | Draft<'ChunkFailed'> | null> {
  const { clock, signal, onStuck } = context
  if (signal.aborted) return null
  const inner = new AbortController()
  const abort = (): void => inner.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const watchdog = createWatchdog({ clock, signal: inner.signal, onStuck })
  const reading = new ChunkReading({ planned, transferred, context, watchdog, inner })
  try {
    const entries = await reading.readExtents()
    return entries === null ? null : resultOf(transferred, reading.proofOf(entries))
  } finally {
    signal.removeEventListener('abort', abort)
    await watchdog.close()
  }
}

interface ChunkReadingOptions {
  readonly planned: EventOf<'ChunkPlanned'>
  readonly transferred: EventOf<'ChunkTransferred'>
  readonly context: ReadBackContext
  readonly watchdog: Watchdog
  readonly inner: AbortController
}

class ChunkReading {
  readonly #options: ChunkReadingOptions
  #targetBytesRead = 0
  #readings = 0
  #bypassedCache = true
  #next = 0
  #failure: { readonly error: unknown } | null = null

  constructor(options: ChunkReadingOptions) {
    this.#options = options
  }

  /** Entries in the order of the extents; null when the signal aborted. */
  async readExtents(): Promise<readonly VerifiedEntry[] | null> {
    const { planned, transferred, context } = this.#options
    if (planned.extents.length !== transferred.entries.length) {
      throw new TypeError(`chunk ${planned.chunk}: entries of the transfer do not match its extents`)
    }
    const entries: VerifiedEntry[] = []
    const workers = Math.min(context.slots.slotsMax, planned.extents.length)
    await Promise.all(Array.from({ length: workers }, () => this.#work(entries)))
    if (context.signal.aborted) return null
    if (this.#failure !== null) throw this.#failure.error
    return entries
  }

  proofOf(entries: readonly VerifiedEntry[]): Proof {
    const { planned, context } = this.#options
    const { round, readerName, seal } = context
    return {
      generation: planned.generation,
      seal: planned.part === null ? null : seal,
      round,
      reader: readerName,
      bypassedCache: this.#readings > 0 && this.#bypassedCache,
      targetBytesRead: this.#targetBytesRead,
      entries,
    }
  }

  async #work(entries: VerifiedEntry[]): Promise<void> {
    const { planned, transferred, inner } = this.#options
    while (!inner.signal.aborted) {
      const index = this.#next
      const extent = planned.extents[index]
      const moved = transferred.entries[index]
      if (extent === undefined || moved === undefined) return
      this.#next += 1
      try {
        entries[index] = await this.#verify(extent, moved)
      } catch (error) {
        // The others come to rest first: their calls still use the reader.
        this.#failure ??= { error }
        inner.abort(error)
      }
    }
  }

  async #verify(extent: Extent, moved: TransferredEntry): Promise<VerifiedEntry> {
    const { item, generation, length } = extent
    const share = { item, generation, bytes: length, expected: moved.digest }
    if (moved.outcome !== 'written' && moved.outcome !== 'given') {
      return { ...share, digest: nothing, outcome: 'not_written', code: moved.code }
    }
    const first = await this.#read(extent, moved, false)
    if (isRight(first, moved)) return { ...share, digest: first.digest, outcome: 'verified', code: null }
    const second = await this.#read(extent, moved, true)
    if (isRight(second, moved)) {
      const code = first.code === null ? 'READ_PATH_ERROR' : null
      return { ...share, digest: second.digest, outcome: 'verified', code }
    }
    return { ...share, ...accuse(first, second, moved) }
  }

  #read(extent: Extent, moved: TransferredEntry, isFresh: boolean): Promise<Reading> {
    const { context, planned, inner } = this.#options
    const request: ReadRequest = {
      key: extent.key,
      kind: extent.kind,
      seal: planned.part === null ? moved.seal : context.seal,
      offset: extent.offset,
      length: extent.kind === 'symlink' ? (extent.link?.length ?? 0) : extent.length,
      isFresh,
    }
    const itemBytes = planned.part === null ? request.length : extent.identity.size
    return context.slots.run(() => this.#readOnce(request, itemBytes), inner.signal)
  }

  async #readOnce(request: ReadRequest, itemBytes: number): Promise<Reading> {
    const { context, watchdog, inner } = this.#options
    const hasher = new ReadingHash(request.kind === 'file' ? request.length : null)
    let bytes = 0
    const end = (result: ReadResult | null, code: ErrorCode | null): Reading => {
      this.#readings += 1
      this.#bypassedCache &&= result?.bypassedCache ?? true
      return { digest: hasher.digest(), bytes, bypassedCache: result?.bypassedCache ?? false, code }
    }
    try {
      const result = await watchdog.watch(readLimits, (signal, progress) => {
        const consume = (slice: Buffer): void => {
          progress.moved()
          hasher.update(slice)
          bytes += slice.length
          this.#targetBytesRead += slice.length
          context.onBytes?.(slice.length)
        }
        return context.reader.read(request, consume, signal)
      })
      if (request.kind !== 'file') return end(result, null)
      if (bytes !== request.length) return end(result, 'TARGET_SHORT_READ')
      // The range may be right and the object longer: what follows it no range would show.
      const isWhole = result.objectBytes === null || result.objectBytes === itemBytes
      return end(result, isWhole ? null : 'TARGET_SIZE_DIFFERS')
    } catch (error) {
      if (inner.signal.aborted || !(error instanceof WaybillError)) throw error
      if (error.code === 'INTERNAL' || errorCatalogue[error.code].retry === 'pause') throw error
      return end(null, error.code)
    }
  }
}

/** SHA-256 of what comes. A small object comes in one piece, and hashing that at once needs no state: half the cost. */
class ReadingHash {
  /** Bytes of a file's range, of which a reader gives no more; null where the length is not known beforehand. */
  readonly #length: number | null
  #whole: Buffer | null = null
  #hash: Hash | null = null

  constructor(length: number | null) {
    this.#length = length
  }

  update(piece: Buffer): void {
    if (this.#whole !== null) throw new TypeError('a reader gave more than was asked for')
    if (this.#hash === null && piece.length === this.#length) {
      this.#whole = hash('sha256', piece, 'buffer')
      return
    }
    this.#hash ??= createHash('sha256')
    this.#hash.update(piece)
  }

  digest(): Buffer {
    return this.#whole ?? (this.#hash ?? createHash('sha256')).digest()
  }
}

const readLimits = { msMax: silenceMsMax, code: 'TARGET_TIMEOUT' } as const

function isRight(reading: Reading, moved: TransferredEntry): boolean {
  return reading.code === null && reading.digest.equals(moved.digest)
}

const storedCodes: readonly ErrorCode[] = ['TARGET_SHORT_READ', 'TARGET_SIZE_DIFFERS', 'TARGET_REPLACED']

type Accusation = Pick<VerifiedEntry, 'digest' | 'outcome' | 'code'>

/** Two readings, neither of them right. */
function accuse(first: Reading, second: Reading, moved: TransferredEntry): Accusation {
  const code = second.code ?? first.code
  const isSame = first.code === second.code && first.bytes === second.bytes && first.digest.equals(second.digest)
  if (!isSame) return { digest: nothing, outcome: 'unverifiable', code: code ?? 'TARGET_UNREADABLE' }
  if (code === null) return { digest: second.digest, outcome: 'mismatch', code: 'DIGEST_MISMATCH' }
  if (code === 'TARGET_MISSING') return { digest: nothing, outcome: 'missing', code }
  // The same bytes both times and too few or too many, or another version both times: that is what is stored.
  if (!storedCodes.includes(code)) return { digest: nothing, outcome: 'unverifiable', code }
  // Of an object that is only longer the range itself may be right; then its digest accuses nobody.
  return { digest: second.digest.equals(moved.digest) ? nothing : second.digest, outcome: 'mismatch', code }
}

const gravity = { mismatch: 3, missing: 2, unverifiable: 1, verified: 0, not_written: 0 } as const

function resultOf(
  transferred: EventOf<'ChunkTransferred'>,
  proof: Proof,
): Draft<'ChunkVerified'> | Draft<'ChunkFailed'> {
  const { job, chunk, attempt } = transferred
  const accused = proof.entries.filter((entry) => gravity[entry.outcome] > 0)
  const [first] = accused
  if (first === undefined) return { type: 'ChunkVerified', job, chunk, proof }
  const worst = accused.reduce((held, entry) => (gravity[entry.outcome] > gravity[held.outcome] ? entry : held), first)
  return {
    type: 'ChunkFailed',
    job,
    // A verifier claims nothing (rule 1).
    claim: '',
    epoch: 0,
    chunk,
    by: 'verifier',
    attempt,
    code: worst.code ?? 'TARGET_UNREADABLE',
    detail: `${accused.length} of ${proof.entries.length} extents, the worst: ${worst.outcome} (item ${worst.item})`,
    isCounted: false,
    isFinal: false,
    sourceBytesRead: 0,
    targetBytesWritten: 0,
    proof,
  }
}
