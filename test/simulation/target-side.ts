// The target of a simulated world: a store that fails, decays and is touched by strangers, and every object it ever held.
import type { ErrorCode } from '#libs/domain/errors'
import type { MemoryFault, MemoryOperation, StoredObject } from '#libs/target/memory-store'
import { openMemoryTarget } from '#libs/target/memory-target'
import { seededBytes } from '#test/support/seeded-bytes'
import type { Chance } from './chance.ts'
import type { Scenario } from './scenario.ts'
import type { Violation } from './violation.ts'

/** An object while it stood, in ticks of the world; `to` is null while it stands. */
export interface ObjectVersion {
  readonly object: StoredObject
  readonly from: number
  to: number | null
}

const codesOfCalls: Readonly<Record<'busy' | 'timeout' | 'gone' | 'write' | 'refused', ErrorCode>> = {
  busy: 'TARGET_BUSY',
  timeout: 'TARGET_TIMEOUT',
  gone: 'TARGET_UNREACHABLE',
  write: 'TARGET_WRITE_ERROR',
  refused: 'TARGET_REFUSED',
}

/** Operations that a store may refuse for one item alone. */
const refusable: ReadonlySet<MemoryOperation> = new Set(['put', 'writePart', 'open'])

export class TargetSide {
  readonly target: ReturnType<typeof openMemoryTarget>
  readonly #history = new Map<string, ObjectVersion[]>()
  readonly #chance: Chance
  readonly #scenario: Scenario
  readonly #say: (violation: Violation) => void
  #contents = 0

  constructor(
    scenario: Scenario,
    chance: Chance,
    { tick, say }: { readonly tick: () => number; readonly say: (violation: Violation) => void },
  ) {
    this.#say = say
    this.#scenario = scenario
    this.#chance = chance
    this.target = openMemoryTarget({ abilities: scenario.abilities, sliceBytes: 4096 })
    this.#recordChanges(tick)
  }

  get #store(): ReturnType<typeof openMemoryTarget>['store'] {
    return this.target.store
  }

  versionsOf(key: Buffer): readonly ObjectVersion[] {
    return this.#history.get(key.toString('latin1')) ?? []
  }

  objectOf(name: string): StoredObject | undefined {
    return this.#store.objects.get(name)
  }

  get openUploads(): number {
    return this.#store.uploads.size
  }

  #recordChanges(tick: () => number): void {
    const { objects } = this.#store
    const set = objects.set.bind(objects)
    const remove = objects.delete.bind(objects)
    const end = (name: string): void => {
      const last = this.#history.get(name)?.at(-1)
      if (last !== undefined) last.to ??= tick()
    }
    objects.set = (name, object) => {
      const wrong = this.#whyUnsafe(objects.get(name), object)
      if (wrong !== null) this.#say({ invariant: 'I6', text: `${name}: ${wrong}` })
      end(name)
      const versions = this.#history.get(name) ?? []
      versions.push({ object, from: tick(), to: null })
      this.#history.set(name, versions)
      return set(name, object)
    }
    objects.delete = (name) => {
      end(name)
      return remove(name)
    }
  }

  /** I6 and I3 at the target, where the store keeps its conditions. Objects of strangers carry no attributes. */
  #whyUnsafe(before: StoredObject | undefined, after: StoredObject): string | null {
    const { createsOnlyIfAbsent = true, replacesOnlyIfMatch = true, keepsMarks = true } = this.#scenario.abilities
    if (before === undefined || after.attributes === null || !createsOnlyIfAbsent || !replacesOnlyIfMatch) return null
    const isStrangers = before.attributes === null
    if (isStrangers && this.#scenario.request.overwrite === 'never') return 'an object of a stranger is overwritten'
    if (isStrangers || !keepsMarks || before.mark === null || after.mark === null) return null
    return after.mark.generation < before.mark.generation ? 'an older generation replaces a newer one' : null
  }

  /** The fault of one call, or null. */
  drawFault(operation: MemoryOperation): MemoryFault | null {
    const chance = this.#chance
    const kind = chance.weighted({ busy: 4, timeout: 4, gone: 2, write: 2, refused: 0.5, full: 0.3, flips: 4 })
    // A byte is flipped on the way in or on the way out, in one world never both: the second would mend the first.
    const isFlipped = (this.#scenario.seed % 2 === 0) === (operation === 'read')
    if (kind === 'flips') return isFlipped ? { kind: 'flips' } : null
    if (kind === 'full')
      return { kind: 'fails', code: operation === 'put' ? 'TARGET_FULL' : 'TARGET_BUSY', acts: false }
    if (kind === 'refused' && !refusable.has(operation)) return { kind: 'fails', code: 'TARGET_BUSY', acts: false }
    const mayAct = kind === 'timeout' || kind === 'gone' || kind === 'write'
    return { kind: 'fails', code: codesOfCalls[kind], acts: mayAct && chance.happens(0.6) }
  }

  /** Something that nobody of us did; says what it was. */
  disturb(names: readonly string[]): string {
    const chance = this.#chance
    const stored = [...this.#store.objects].filter(([, { body, kind }]) => kind === 'file' && body.length > 0)
    const kind = chance.weighted({ flip: 4, remove: 2, replace: 2, expire: 3, stranger: 1 })
    if (kind === 'expire') {
      const uploads = [...this.#store.uploads.values()]
      if (uploads.length === 0) return 'nothing'
      const { key } = chance.pick(uploads)
      this.#store.expireUploads(key)
      return `expire upload of ${key.toString('latin1')}`
    }
    if (kind === 'stranger') return this.addStranger(chance.pick([...names, `stranger-${this.#contents}`]), null)
    if (stored.length === 0) return 'nothing'
    const [name, { key, body }] = chance.pick(stored)
    switch (kind) {
      case 'flip':
        this.#store.corrupt(key, chance.between(0, body.length - 1))
        return `flip a byte of ${name}`
      case 'remove':
        this.#store.remove(key)
        return `remove ${name}`
      case 'replace':
        return this.addStranger(name, chance.happens(0.5) ? body.length : null)
    }
  }

  /** Bytes that rot between passes, in large objects where there are some; says where. */
  rot(): readonly string[] {
    const stored = [...this.#store.objects.values()].filter(({ kind, body }) => kind === 'file' && body.length > 0)
    const large = stored.filter(({ body }) => body.length > this.#scenario.chunkBytes)
    const from = large.length > 0 ? large : stored
    const rotten =
      from.length === 0 ? [] : [this.#chance.pick(from), this.#chance.pick(from), this.#chance.pick(stored)]
    for (const { key, body } of rotten) this.#store.corrupt(key, this.#chance.between(0, body.length - 1))
    return rotten.map(({ key }) => key.toString('latin1'))
  }

  /** A stranger's object under the name; with a length that of ours, its bytes differ all the same. */
  addStranger(name: string, length: number | null, body?: Buffer): string {
    this.#contents += 1
    const seed = `stranger ${this.#scenario.seed}.${this.#contents}`
    const bytes = body ?? seededBytes(seed, length ?? this.#chance.between(0, 2 * this.#scenario.chunkBytes))
    this.#store.replace(Buffer.from(name, 'latin1'), bytes)
    return `a stranger writes ${bytes.length} bytes to ${name}`
  }
}
