// The binding says what happened in words only: `code` is EIO for nearly everything, a read batch rejects with an
// AggregateError, a write batch with the reason as its cause.
import { type ErrorCode, WaybillError } from '#libs/domain/errors'

const depthMax = 4

function wordsOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > depthMax) return ''
  const inner = error instanceof AggregateError ? error.errors : []
  return [error.message, ...[error.cause, ...inner].map((cause) => wordsOf(cause, depth + 1))]
    .filter(Boolean)
    .join('; ')
}

/** In order: the first that fits counts. */
const causes: readonly { readonly words: RegExp; readonly code: ErrorCode }[] = [
  { words: /No space left on device|Disk quota exceeded|kSpaceLimit/i, code: 'STORE_FULL' },
  { words: /lock hold by current process|While lock file/i, code: 'JOB_HELD' },
  {
    words: /Too many open files|Permission denied|Read-only file system|Cannot allocate memory/i,
    code: 'STORE_REFUSED',
  },
]

/**
 * What RocksDB rejected with, classified. All that is neither lack of space nor the surroundings' fault is damage: the
 * store can be rebuilt, so distrust costs time only.
 */
export function storeError(error: unknown, facts: { readonly doing: string; readonly folder: string }): WaybillError {
  if (error instanceof WaybillError) return error
  const words = wordsOf(error)
  const code = causes.find((cause) => cause.words.test(words))?.code ?? 'STORE_DAMAGED'
  return new WaybillError(code, { ...facts, reason: words.slice(0, 500) }, { cause: error })
}
