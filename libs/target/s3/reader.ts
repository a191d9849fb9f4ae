// The verifier's side: ranged GETs over its own connections. The seal is asked for with If-Match and compared again in the
// answer, since some stores ignore the condition; what the store returns is counted here and hashed by the caller. A tag is
// the name of a version and never a proof of its bytes.
import { type ErrorCode, WaybillError } from '#libs/domain/errors'
import type { TargetAbilities } from '#schemas/records'
import type { ReadRequest, ReadResult, TargetReader } from '../target.ts'
import type { AnswerHead } from './connection.ts'
import { kindOfMetadata } from './dress.ts'
import { headerText } from './lean.ts'
import type { RoleContext } from './writer.ts'

/** Links longer than this do not exist on Linux (PATH_MAX). */
const linkBytesMax = 4096

/** Passes on the bytes of a range, also out of an answer that holds more: a store may not know ranges. */
class RangeCounter {
  readonly #consume: (bytes: Buffer) => void
  #skip: number
  #left: number
  bytes = 0

  constructor(consume: (bytes: Buffer) => void, skip: number, length: number) {
    this.#consume = consume
    this.#skip = skip
    this.#left = length
  }

  take(bytes: Buffer): void {
    const from = Math.min(this.#skip, bytes.length)
    this.#skip -= from
    const wanted = bytes.subarray(from, from + this.#left)
    if (wanted.length === 0) return
    this.#left -= wanted.length
    this.bytes += wanted.length
    this.#consume(wanted)
  }
}

/** Size of the whole stored object, as the answer to a range tells it; null where it does not. */
function objectBytes(head: AnswerHead): number | null {
  const range = /^bytes \d+-\d+\/(\d+)$/.exec(headerText(head, 'content-range') ?? '')
  const total = head.status === 206 ? range?.[1] : headerText(head, 'content-length')
  return total === undefined || total === null ? null : Number(total)
}

class S3Reader implements TargetReader {
  readonly #context: RoleContext
  readonly #abilities: TargetAbilities

  constructor(context: RoleContext, abilities: TargetAbilities) {
    this.#context = context
    this.#abilities = abilities
  }

  async read(request: ReadRequest, consume: (bytes: Buffer) => void, signal: AbortSignal): Promise<ReadResult> {
    const isWhole = request.kind !== 'file' || request.length === 0
    const length = request.kind === 'symlink' ? linkBytesMax : request.kind === 'directory' ? 0 : request.length
    let counter = new RangeCounter(consume, 0, length)
    let stored: number | null = null
    const accept = (head: AnswerHead): ((bytes: Buffer) => void) | null => {
      if (head.status !== 200 && head.status !== 206) return null
      checkVersion(request, head, this.#abilities.keepsMarks)
      const isRange = head.status === 206
      stored = request.kind === 'file' ? objectBytes(head) : null
      counter = new RangeCounter(consume, isRange ? 0 : request.offset, length)
      return (bytes) => counter.take(bytes)
    }
    const headers = request.seal === null ? [] : ['if-match', request.seal]
    if (!isWhole && this.#abilities.readsRanges) {
      headers.push('range', `bytes=${request.offset}-${request.offset + length - 1}`)
    }
    const { key, isFresh } = request
    try {
      await this.#context.client.send({ method: 'GET', key, headers, accept, isFresh }, signal)
    } catch (error) {
      throw readError(error)
    }
    if (request.kind === 'file' && counter.bytes !== request.length) {
      throw new WaybillError('TARGET_SHORT_READ', { bytes: counter.bytes, asked: request.length })
    }
    return { bytes: counter.bytes, bypassedCache: this.#abilities.bypassesCache, objectBytes: stored }
  }

  close(): Promise<void> {
    return this.#context.close()
  }
}

/** @throws WaybillError TARGET_REPLACED when the answer is of another version or kind than was asked for. */
function checkVersion(request: ReadRequest, head: AnswerHead, keepsMarks: boolean): void {
  const seal = headerText(head, 'etag')
  if (request.seal !== null && seal !== request.seal) throw new WaybillError('TARGET_REPLACED', {})
  const kind = kindOfMetadata(headerText(head, 'x-amz-meta-waybill-kind'))
  if (keepsMarks && kind !== request.kind) throw new WaybillError('TARGET_REPLACED', { isOtherKind: true })
  // An empty item has no range that could be asked for: its object, however long, would come whole.
  const bytes = objectBytes(head)
  if (request.kind === 'file' && request.length === 0 && request.offset === 0 && bytes !== null && bytes > 0) {
    throw new WaybillError('TARGET_SIZE_DIFFERS', { bytes })
  }
}

/** What an answer to a GET says by its status alone: 416, the object ends before the range; 500, it cannot be read. */
const codesOfReads: Readonly<Record<number, ErrorCode>> = {
  412: 'TARGET_REPLACED',
  416: 'TARGET_SHORT_READ',
  500: 'TARGET_UNREADABLE',
}

function readError(error: unknown): unknown {
  if (!(error instanceof WaybillError)) return error
  const code = codesOfReads[Number(error.facts['status'])]
  return code === undefined ? error : new WaybillError(code, error.facts, { cause: error })
}

export function openReader(context: RoleContext, abilities: TargetAbilities): TargetReader {
  return new S3Reader(context, abilities)
}
