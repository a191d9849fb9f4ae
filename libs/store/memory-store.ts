// A state store in memory, for tests and simulation. It is stricter than a real one: what breaks a rule of the port
// (a key that is not ASCII, an empty value) is refused, and values are copied.
import { strict as assert } from 'node:assert'
import type { StateStore, StoreChange, StoreRange, StoreRow } from '#libs/store/state-store'

const printableAscii = /^[\x20-\x7e]+$/

class MemoryStore implements StateStore {
  readonly #values = new Map<string, Buffer>()
  /** Sorted. Of ASCII strings the order of the language is the order of the bytes. */
  readonly #keys: string[] = []
  #isClosed = false

  async getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    this.#assertOpen()
    return keys.map((key) => this.#values.get(key))
  }

  async range({ from, to, limit }: StoreRange): Promise<readonly StoreRow[]> {
    this.#assertOpen()
    const start = this.#indexOf(from)
    const end = Math.min(this.#indexOf(to), start + limit)
    return this.#keys.slice(start, end).flatMap((key) => {
      const value = this.#values.get(key)
      return value === undefined ? [] : [{ key, value }]
    })
  }

  async commit(changes: readonly StoreChange[]): Promise<void> {
    this.#assertOpen()
    for (const { key, value } of changes) {
      assert(printableAscii.test(key), `a key that is not printable ASCII: ${JSON.stringify(key)}`)
      assert(value === null || value.length > 0, `an empty value under ${key}`)
    }
    for (const change of changes) this.#apply(change)
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #assertOpen(): void {
    assert(!this.#isClosed, 'the store is closed')
  }

  #apply({ key, value }: StoreChange): void {
    const isKnown = this.#values.has(key)
    if (value !== null) {
      if (!isKnown) this.#keys.splice(this.#indexOf(key), 0, key)
      this.#values.set(key, Buffer.from(value))
    } else if (isKnown) {
      this.#keys.splice(this.#indexOf(key), 1)
      this.#values.delete(key)
    }
  }

  /** Index of the first key that is not below the given one. */
  #indexOf(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] ?? '') < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** An empty store in memory. */
export function openMemoryStore(): StateStore {
  return new MemoryStore()
}
