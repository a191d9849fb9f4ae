// A log whose records carry the numbers of a schema registry: inside the program they are those of the repository
// (schemas/wire.ts), here at the edge they are translated, for any log.
//
// * Appends ask nothing: the numbers of all our schemas are known when the log is open.
// * Readings ask for a number that they meet for the first time, once for a batch, and wait as long as that takes. A registry
//   that is away is noticed by nothing else.
// * What a log hands out may belong to several readers, and what it is given to the caller: both are copied, not written to.
import { strict as assert } from 'node:assert'
import type { EventLog, LogRecord, NewRecord, Positions } from '#libs/log/event-log'
import type { EventType, Topic } from '#schemas/events'
import { eventTypes, schemaIds } from '#schemas/wire'
import type { RegistryAddress } from './registry-address.ts'
import { openSchemaRegistry, type SchemaRegistry } from './schema-registry.ts'
import { headerBytes, schemaIdOf, schemaOfEvent, subjectOf, type Translation, translationOf } from './translation.ts'

/** Anyone who may append can make numbers up: those met longest ago are forgotten. */
const translationsMax = 10_000
const askedAtOnce = 1000

/** What the registry's numbers mean, asked for once each. */
class Translations {
  readonly #registry: SchemaRegistry
  readonly #known = new Map<number, Translation>()

  constructor(registry: SchemaRegistry) {
    this.#registry = registry
  }

  /** The translations of all the numbers in the records. Throws what the registry throws. */
  async of(records: readonly (Buffer | null)[], signal: AbortSignal): Promise<ReadonlyMap<number, Translation>> {
    const wanted = new Set(records.map(schemaIdOf))
    const found = new Map<number, Translation>()
    const missing: number[] = []
    for (const id of wanted) {
      if (id === null) continue
      const translation = this.#known.get(id)
      if (translation === undefined) missing.push(id)
      else found.set(id, translation)
    }
    for (let at = 0; at < missing.length; at += askedAtOnce) {
      const asked = missing.slice(at, at + askedAtOnce)
      const answers = await Promise.all(asked.map((id) => this.#registry.find(id, signal)))
      for (const [index, id] of asked.entries()) {
        const answer = answers[index]
        assert(answer !== undefined)
        const translation = translationOf(id, answer)
        found.set(id, translation)
        this.#keep(id, translation)
      }
    }
    return found
  }

  #keep(id: number, translation: Translation): void {
    this.#known.set(id, translation)
    const [oldest] = this.#known.keys()
    if (this.#known.size > translationsMax && oldest !== undefined) this.#known.delete(oldest)
  }
}

/** Bytes of all values that only get another number, in one piece. */
function copyBytes(records: readonly LogRecord[], translations: ReadonlyMap<number, Translation>): number {
  let bytes = 0
  for (const { value } of records) {
    const id = schemaIdOf(value)
    if (id === null || value === null) continue
    const translation = translations.get(id)
    if (translation?.kind === 'renumber' && translation.id !== id) bytes += value.length
  }
  return bytes
}

function translated(
  records: readonly LogRecord[],
  translations: ReadonlyMap<number, Translation>,
): readonly LogRecord[] {
  const copy = Buffer.allocUnsafeSlow(copyBytes(records, translations))
  let at = 0
  return records.map((record): LogRecord => {
    const { topic, partition, position, key, value } = record
    const id = schemaIdOf(value)
    const translation = id === null ? undefined : translations.get(id)
    if (value === null || translation === undefined) return record
    if (translation.kind === 'rewrite') {
      return { topic, partition, position, key, value: translation.rewrite(value) }
    }
    if (translation.id === id) return record
    const end = at + value.length
    copy.set(value, at)
    copy.writeUInt32BE(translation.id, at + 1)
    const own = copy.subarray(at, end)
    at = end
    return { topic, partition, position, key, value: own }
  })
}

interface Registered {
  readonly log: EventLog
  readonly registry: SchemaRegistry
  /** The registry's numbers by the repository's. */
  readonly ids: ReadonlyMap<number, number>
}

class RegisteredLog implements EventLog {
  readonly #log: EventLog
  readonly #registry: SchemaRegistry
  readonly #ids: ReadonlyMap<number, number>
  readonly #translations: Translations
  readonly #closing = new AbortController()

  constructor({ log, registry, ids }: Registered) {
    this.#log = log
    this.#registry = registry
    this.#ids = ids
    this.#translations = new Translations(registry)
  }

  partitionCounts(): Promise<Readonly<Record<Topic, number>>> {
    return this.#log.partitionCounts()
  }

  append(records: readonly NewRecord[]): Promise<readonly number[]> {
    return this.#log.append(records.map((record) => this.#outgoing(record)))
  }

  async *read(from: Positions, signal: AbortSignal): AsyncGenerator<readonly LogRecord[], void, undefined> {
    const stop = AbortSignal.any([signal, this.#closing.signal])
    for await (const records of this.#log.read(from, stop)) {
      const batch = await this.#incoming(records, stop)
      if (batch === null) return
      yield batch
    }
  }

  ends(): Promise<Positions> {
    return this.#log.ends()
  }

  async readAt(topic: Topic, partition: number, position: number): Promise<LogRecord | null> {
    const record = await this.#log.readAt(topic, partition, position)
    if (record === null) return null
    const { signal } = this.#closing
    const translations = await this.#translations.of([record.value], signal)
    return translated([record], translations)[0] ?? null
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the log is closed'))
    await this.#log.close()
    await this.#registry.close()
  }

  #outgoing(record: NewRecord): NewRecord {
    const { topic, partition, key, value } = record
    const id = schemaIdOf(value)
    if (id === null || value === null) return record
    const registered = this.#ids.get(id)
    assert(registered !== undefined, `an event of schema ${id}, which is none of ours`)
    const own = Buffer.from(value)
    own.writeUInt32BE(registered, headerBytes - 4)
    return { topic, partition, key, value: own }
  }

  /** null: the reading is to end. */
  async #incoming(records: readonly LogRecord[], signal: AbortSignal): Promise<readonly LogRecord[] | null> {
    try {
      const translations = await this.#translations.of(
        records.map(({ value }) => value),
        signal,
      )
      return translated(records, translations)
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }
}

/** Registers all our schemas; the registry's numbers by event. Throws what `register` throws. */
export async function registerSchemas(
  registry: SchemaRegistry,
  signal: AbortSignal,
): Promise<ReadonlyMap<EventType, number>> {
  const ids = new Map<EventType, number>()
  for (const event of eventTypes) {
    ids.set(event, await registry.register(subjectOf(event), schemaOfEvent(event), signal))
  }
  return ids
}

/**
 * The log with the registry before it; closing it closes both. A log is written with a registry from its first record, or
 * never: numbers of the two kinds cannot be told apart.
 * @throws WaybillError REGISTRY_UNREACHABLE (waited for), REGISTRY_DENIED, CONFIG_INVALID, SCHEMA_INCOMPATIBLE (subject,
 * difference); the signal's reason
 */
export async function openRegisteredLog(
  log: EventLog,
  address: RegistryAddress,
  signal: AbortSignal,
): Promise<EventLog> {
  const registry = openSchemaRegistry(address)
  try {
    const registered = await registerSchemas(registry, signal)
    const ids = new Map([...registered].map(([event, id]) => [schemaIds[event], id]))
    return new RegisteredLog({ log, registry, ids })
  } catch (error) {
    await registry.close()
    throw error
  }
}
