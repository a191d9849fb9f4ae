// Open streams, counted and bounded: of the process, and of each principal.
import { ApiProblem } from './problems.ts'

export class StreamBook {
  readonly #max: number
  readonly #ofPrincipalMax: number
  readonly #open = new Map<string, number>()
  #count = 0

  constructor(max: number, ofPrincipalMax: number) {
    this.#max = max
    this.#ofPrincipalMax = ofPrincipalMax
  }

  get count(): number {
    return this.#count
  }

  /** Returns the way to leave. Throws TOO_MANY_STREAMS. */
  enter(principal: string): () => void {
    const own = this.#open.get(principal) ?? 0
    if (this.#count >= this.#max || own >= this.#ofPrincipalMax) {
      throw new ApiProblem('TOO_MANY_STREAMS', { headers: { 'retry-after': '30' } })
    }
    this.#count += 1
    this.#open.set(principal, own + 1)
    return () => {
      this.#count -= 1
      const left = (this.#open.get(principal) ?? 1) - 1
      if (left === 0) this.#open.delete(principal)
      else this.#open.set(principal, left)
    }
  }
}
