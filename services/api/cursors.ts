// Cursors of lists: where the page before ended, signed, and bound to the list and its filters. A cursor of another list,
// of another job or made up is refused; nothing is kept for it.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { ApiProblem } from './problems.ts'

const macBytes = 16

export interface Cursors {
  /** `list`: route, job and filters; the same text opens it again. */
  seal(list: string, place: string): string
  /** Throws CURSOR_INVALID. */
  open(list: string, cursor: string): string
}

/** `key`: at least 32 random bytes; with another key, cursors that were given before are refused. */
export function createCursors(key: Buffer): Cursors {
  const macOf = (list: string, place: string): Buffer =>
    createHmac('sha256', key).update(`${list.length} ${list}${place}`).digest().subarray(0, macBytes)
  return {
    seal: (list, place) => Buffer.concat([macOf(list, place), Buffer.from(place)]).toString('base64url'),
    open(list, cursor) {
      const bytes = Buffer.from(cursor, 'base64url')
      const place = bytes.subarray(macBytes).toString()
      // Decoding is lenient: only the one spelling that was given counts.
      const isOwn =
        bytes.length > macBytes &&
        bytes.toString('base64url') === cursor &&
        timingSafeEqual(bytes.subarray(0, macBytes), macOf(list, place))
      if (!isOwn)
        throw new ApiProblem('CURSOR_INVALID', {
          errors: [{ pointer: '/query/cursor', detail: 'is none of this list' }],
        })
      return place
    },
  }
}
