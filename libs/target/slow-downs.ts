// How often the target asked to slow down in the last minute, for the line that says what limits a run.
import type { Facts } from '#libs/domain/errors'

const secondsKept = 60

export class SlowDowns {
  /** One counter for each second of the last minute, by the second modulo 60. */
  readonly #counts = Array.from({ length: secondsKept }, () => ({ second: -1, count: 0 }))
  #last: Facts = {}

  /** @param facts of the error that the request was answered with; others than "slow down" are left out. */
  note(facts: Facts, atMs: number): void {
    if (facts['isSlowDown'] !== true) return
    this.#last = facts
    const second = Math.floor(atMs / 1000)
    const held = this.#counts[second % secondsKept]
    if (held === undefined) return
    held.count = held.second === second ? held.count + 1 : 1
    held.second = second
  }

  /** `target (503 SlowDown, 41/min)`; null when it did not ask within the last minute. */
  text(atMs: number): string | null {
    const oldest = Math.floor(atMs / 1000) - secondsKept
    const count = this.#counts.reduce((sum, held) => sum + (held.second > oldest ? held.count : 0), 0)
    if (count === 0) return null
    const words = [this.#last['status'], this.#last['reason']].filter((word) => word !== undefined && word !== '')
    return `target (${words.length === 0 ? 'slow down' : words.join(' ')}, ${count}/min)`
  }
}
