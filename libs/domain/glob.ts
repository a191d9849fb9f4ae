// Globs over names, which are bytes. A glob becomes a list of tokens and is matched as a nondeterministic automaton, all
// states at once (K. Thompson, "Regular expression search algorithm", 1968): time is at most tokens x length of the name,
// whatever the glob is. docs/options.md tells people what globs mean.
import { parseGlob, type Token } from './glob-tokens.ts'
import type { Parsed } from './quantity.ts'
import { parsed } from './quantity.ts'

/** Name or glob as code points, see `unitsOf`. */
export type Units = ArrayLike<number>

/** What a glob can still do with names that begin with some prefix. */
export interface Reach {
  /** Some longer name may match. */
  readonly isAlive: boolean
  /** Every longer name matches. */
  readonly matchesAll: boolean
}

export interface Glob {
  matches(name: Units): boolean
  reach(prefix: Units): Reach
}

const slash = 0x2f

/** The states that are active after some units; reused from name to name. */
interface StateSet {
  readonly states: Uint16Array
  count: number
  /** Generation in which a state was added last, so that nothing has to be cleared. */
  readonly marks: Uint32Array
}

function createStateSet(tokenCount: number): StateSet {
  return { states: new Uint16Array(tokenCount + 1), count: 0, marks: new Uint32Array(tokenCount + 1) }
}

/** The plain units at the end of a glob: most names fail there, and that costs next to nothing to see. */
function endingOf(tokens: readonly Token[]): readonly number[] {
  const ending: number[] = []
  for (const token of tokens.toReversed()) {
    if (token.kind !== 'unit') break
    ending.push(token.unit)
  }
  return ending.reverse()
}

function endsWith(units: Units, ending: readonly number[]): boolean {
  const start = units.length - ending.length
  return start >= 0 && ending.every((unit, index) => units[start + index] === unit)
}

class Automaton {
  readonly #tokens: readonly Token[]
  readonly #ending: readonly number[]
  #current: StateSet
  #next: StateSet
  #mark = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
    this.#ending = endingOf(tokens)
    this.#current = createStateSet(tokens.length)
    this.#next = createStateSet(tokens.length)
  }

  /** Adds a state and those that are reached from it without a unit. */
  #add(set: StateSet, first: number): void {
    for (let state = first; set.marks[state] !== this.#mark; ) {
      set.marks[state] = this.#mark
      set.states[set.count] = state
      set.count += 1
      const kind = this.#tokens[state]?.kind
      if (kind === 'star' || kind === 'anything') state += 1
      else if (kind === 'segments') state += 2
      else return
    }
  }

  #step(token: Token, state: number, unit: number): void {
    switch (token.kind) {
      case 'unit':
        if (token.unit === unit) this.#add(this.#next, state + 1)
        return
      case 'one':
        if (unit !== slash) this.#add(this.#next, state + 1)
        return
      case 'class':
        if (unit !== slash && token.ranges.some(([low, high]) => unit >= low && unit <= high) !== token.isNegated) {
          this.#add(this.#next, state + 1)
        }
        return
      case 'star':
        if (unit !== slash) this.#add(this.#next, state)
        return
      case 'anything':
        this.#add(this.#next, state)
        return
      case 'segments':
        this.#add(this.#next, state + 1)
        if (unit === slash) this.#add(this.#next, state + 2)
        return
      case 'segments_inner':
        this.#add(this.#next, state)
        if (unit === slash) this.#add(this.#next, state + 1)
        return
    }
  }

  /** States after all units. */
  run(units: Units): StateSet {
    this.#begin(this.#current)
    this.#add(this.#current, 0)
    for (let index = 0; index < units.length && this.#current.count > 0; index += 1) {
      this.#begin(this.#next)
      const unit = units[index] ?? 0
      for (let each = 0; each < this.#current.count; each += 1) {
        const state = this.#current.states[each] ?? 0
        const token = this.#tokens[state]
        if (token !== undefined) this.#step(token, state, unit)
      }
      const spent = this.#current
      this.#current = this.#next
      this.#next = spent
    }
    return this.#current
  }

  #begin(set: StateSet): void {
    set.count = 0
    // Marks are 32 bits wide: before they would repeat, both sets start afresh.
    if (this.#mark === 0xffff_ffff) {
      this.#current.marks.fill(0)
      this.#next.marks.fill(0)
      this.#mark = 0
    }
    this.#mark += 1
  }

  matches(units: Units): boolean {
    if (!endsWith(units, this.#ending)) return false
    const set = this.run(units)
    return set.states.subarray(0, set.count).includes(this.#tokens.length)
  }

  reach(prefix: Units): Reach {
    const set = this.run(prefix)
    const states = set.states.subarray(0, set.count)
    const isAlive = states.some((state) => state < this.#tokens.length)
    const lastToken = this.#tokens.length - 1
    const matchesAll = this.#tokens[lastToken]?.kind === 'anything' && states.includes(lastToken)
    return { isAlive, matchesAll }
  }
}

/** Refused with a sentence when the text is no glob; never slow, whatever the text is. */
export function compileGlob(text: string): Parsed<Glob> {
  const result = parseGlob(text)
  if (!result.ok) return result
  const automata = result.value.map((tokens) => new Automaton(tokens))
  return parsed({
    matches: (name) => automata.some((automaton) => automaton.matches(name)),
    reach: (prefix) => {
      const reaches = automata.map((automaton) => automaton.reach(prefix))
      return {
        isAlive: reaches.some((each) => each.isAlive),
        matchesAll: reaches.some((each) => each.matchesAll),
      }
    },
  })
}
