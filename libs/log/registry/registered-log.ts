// A log whose records carry the numbers of a schema registry: inside the program they are those of the repository
// (schemas/wire.ts), here at the edge they are translated, for any log.
//
// * Appends ask nothing: the numbers of all our schemas are known when the log is open, or at the first append.
// * Readings ask for a number that they meet for the first time, once for a batch, and wait as long as that takes. A registry
//   that is away is noticed by nothing else.
// * What a log hands out may belong to several readers, and what it is given belongs to the caller: numbers are written into
//   copies, unless the log says that its readers own what they get.
import { strict as assert } from 'node:assert'
import type { EventLog, LogRecord, NewRecord, Positions } from '#libs/log/event-log'
import type { Topic } from '#schemas/events'
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
  async of(records: readonly LogRecord[], signal: AbortSignal): Promise<ReadonlyMap<number, Translation>> {
    const found = new Map<number, Translation>()
    const missing: number[] = []
    for (const id of idsIn(records)) {
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

function idsIn(records: readonly LogRecord[]): ReadonlySet<number> {
  const ids = new Set<number>()
  let last: number | null = null
  for (const { value } of records) {
    const id = schemaIdOf(value)
    // Neighbours are often of one kind.
    if (id === null || id === last) continue
    last = id
    ids.add(id)
  }
  return ids
}

type Change = (record: LogRecord, value: Buffer, id: number) => LogRecord

const writeInto: Change = (record, value, id) => {
  value.writeUInt32BE(id, headerBytes - 4)
  return record
}

const copyWith: Change = ({ topic, partition, position, key }, value, id) => {
  const own = Buffer.from(value)
  own.writeUInt32BE(id, headerBytes - 4)
  return { topic, partition, position, key, value: own }
}

function translated(
  records: readonly LogRecord[],
  translations: ReadonlyMap<number, Translation>,
  change: Change,
): readonly LogRecord[] {
  return records.map((record): LogRecord => {
    const { value } = record
    const id = schemaIdOf(value)
    const translation = id === null ? undefined : translations.get(id)
    if (value === null || translation === undefined) return record
    if (translation.kind === 'rewrite') return { ...record, value: translation.rewrite(value) }
    return translation.id === id ? record : change(record, value, translation.id)
  })
}

export interface RegisteredLogOptions {
  /** Every reading gets bytes of its own, as from Kafka: numbers are written into them, which costs next to nothing. */
  readonly isReaderOwner?: boolean
}

class RegisteredLog implements EventLog {
  readonly #log: EventLog
  readonly #registry: SchemaRegistry
  readonly #change: Change
  readonly #translations: Translations
  readonly #closing = new AbortController()
  /** The registry's numbers by the repository's; null: not asked for yet. */
  #ids: Promise<ReadonlyMap<number, number>> | null = null
  #knownIds: ReadonlyMap<number, number> | null = null

  constructor(log: EventLog, registry: SchemaRegistry, { isReaderOwner = false }: RegisteredLogOptions) {
    this.#log = log
    this.#change = isReaderOwner ? writeInto : copyWith
    this.#registry = registry
    this.#translations = new Translations(registry)
  }

  /** Registers our schemas, once. Throws what `register` throws. */
  async register(signal: AbortSignal): Promise<ReadonlyMap<number, number>> {
    const either = AbortSignal.any([signal, this.#closing.signal])
    this.#ids ??= registerSchemas(this.#registry, either)
    try {
      this.#knownIds = await this.#ids
      return this.#knownIds
    } catch (error) {
      this.#ids = null
      throw error
    }
  }

  partitionCounts(): Promise<Readonly<Record<Topic, number>>> {
    return this.#log.partitionCounts()
  }

  async append(records: readonly NewRecord[]): Promise<readonly number[]> {
    // The log keeps the order of calls, so there is nothing to wait for once the numbers are known.
    const ids = this.#knownIds ?? (await this.register(this.#closing.signal))
    return this.#log.append(records.map((record) => outgoing(record, ids)))
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
    const translations = await this.#translations.of([record], signal)
    return translated([record], translations, this.#change)[0] ?? null
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the log is closed'))
    await this.#log.close()
    await this.#registry.close()
  }

  /** null: the reading is to end. */
  async #incoming(records: readonly LogRecord[], signal: AbortSignal): Promise<readonly LogRecord[] | null> {
    try {
      return translated(records, await this.#translations.of(records, signal), this.#change)
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }
}

/** A copy with the registry's number; what is not in the wire format stays as it is. */
function outgoing(record: NewRecord, ids: ReadonlyMap<number, number>): NewRecord {
  const { topic, partition, key, value } = record
  const id = schemaIdOf(value)
  if (id === null || value === null) return record
  const registered = ids.get(id)
  assert(registered !== undefined, `an event of schema ${id}, which is none of ours`)
  const own = Buffer.from(value)
  own.writeUInt32BE(registered, headerBytes - 4)
  return { topic, partition, key, value: own }
}

async function registerSchemas(registry: SchemaRegistry, signal: AbortSignal): Promise<ReadonlyMap<number, number>> {
  const ids = new Map<number, number>()
  for (const event of eventTypes) {
    ids.set(schemaIds[event], await registry.register(subjectOf(event), schemaOfEvent(event), signal))
  }
  return ids
}

/**
 * The log with the registry before it; closing it closes both. Our schemas are registered when it resolves. A log is written
 * with a registry from its first record or never: numbers of the two kinds cannot be told apart.
 * @throws WaybillError REGISTRY_UNREACHABLE (waited for), REGISTRY_DENIED, CONFIG_INVALID, SCHEMA_INCOMPATIBLE (subject,
 * difference); the signal's reason
 */
export async function openRegisteredLog(
  log: EventLog,
  address: RegistryAddress,
  signal: AbortSignal,
  options: RegisteredLogOptions = {},
): Promise<EventLog> {
  const registry = openSchemaRegistry(address)
  const registered = new RegisteredLog(log, registry, options)
  try {
    await registered.register(signal)
    return registered
  } catch (error) {
    await registry.close()
    throw error
  }
}

/** The same for those who look: nothing is registered before the first append, which throws then. Throws CONFIG_INVALID. */
export function openRegisteredLook(
  log: EventLog,
  address: RegistryAddress,
  options: RegisteredLogOptions = {},
): EventLog {
  return new RegisteredLog(log, openSchemaRegistry(address), options)
}
