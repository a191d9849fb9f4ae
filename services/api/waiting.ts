// Waits that end: for a position to be folded, and for a migration to have a status. Their number is bounded, and a wait
// looks at the state at most four times a second however fast the log grows.
import type { Call } from './calls.ts'
import { parsePosition } from './position-text.ts'
import { ApiProblem } from './problems.ts'

const lookEveryMs = 250

/** Waits of one process. */
export class WaitRoom {
  readonly #max: number
  #count = 0

  constructor(max: number) {
    this.#max = max
  }

  async within<T>(wait: () => Promise<T>): Promise<T> {
    if (this.#count >= this.#max) throw new ApiProblem('TOO_MANY_REQUESTS', { headers: { 'retry-after': '2' } })
    this.#count += 1
    try {
      return await wait()
    } finally {
      this.#count -= 1
    }
  }
}

const rooms = new WeakMap<object, WaitRoom>()

function roomOf({ context }: Pick<Call, 'context'>): WaitRoom {
  const room = rooms.get(context) ?? new WaitRoom(context.limits.waitsMax)
  rooms.set(context, room)
  return room
}

/**
 * Looks until `isDone`; false when the time is over or the caller left.
 * @param isDone also called at once
 */
export async function waitUntil(
  call: Pick<Call, 'context' | 'signal'>,
  waitMs: number,
  isDone: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const { clock, projection } = call.context
  if (await isDone()) return true
  const end = clock.monotonic() + waitMs
  return roomOf(call).within(async () => {
    const timeUp = new AbortController()
    const signal = AbortSignal.any([call.signal, timeUp.signal])
    const timer = clock.sleep(waitMs, signal).then(
      () => timeUp.abort(),
      () => undefined,
    )
    try {
      while (!signal.aborted) {
        const version = projection.version()
        if (await isDone()) return true
        await projection.changed(version, signal)
        await clock.sleep(Math.max(0, Math.min(lookEveryMs, end - clock.monotonic())), signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      timeUp.abort()
      await timer
    }
    return isDone()
  })
}

/** Holds an answer back until it reflects `min_position`. Throws POSITION_INVALID, POSITION_NOT_REACHED. */
export async function awaitPosition(call: Call, text: string | undefined): Promise<void> {
  if (text === undefined) return
  const { context } = call
  const wanted = parsePosition(text, context.partitionCounts)
  if (wanted === null)
    throw new ApiProblem('POSITION_INVALID', {
      errors: [{ pointer: '/query/min_position', detail: 'is none of this log' }],
    })
  const isFolded = (): boolean => {
    const folded = context.projection.positions()
    return [...wanted].every(([id, next]) => (folded.get(id) ?? 0) >= next)
  }
  if (await waitUntil(call, context.limits.positionWaitMs, isFolded)) return
  if (call.context.closing.aborted) throw new ApiProblem('STOPPING')
  throw new ApiProblem('POSITION_NOT_REACHED', { headers: { 'retry-after': '5' } })
}
