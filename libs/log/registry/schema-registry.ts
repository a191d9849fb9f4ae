// The schema registry as the log needs it: each event's schema has a number there, and each number its schema.
//
// * A subject is called as its record (`waybill.ChunkPlanned`), whatever the topic: RecordNameStrategy.
// * Compatibility is FULL_TRANSITIVE where the subject has none (Apicurio's default is NONE, and a first registration under
//   another one is refused by the client); what an operator set stays.
// * "Unknown" is believed only when the registry itself says so, twice: a gateway that lost its way says 404 as well, and
//   replicas of a registry lag behind each other.
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { SchemaRegistry as Client, COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry'
import { WaybillError } from '#libs/domain/errors'
import { askPatiently } from './patience.ts'
import { answerMsMax, assertUrl, type RegistryAddress, trustedCertificates } from './registry-address.ts'
import { isOnTheWay, saidBy, statusOf } from './registry-error.ts'
import { createRequests, fieldOf, type RegistryReply, type RegistryRequests, refusal } from './registry-requests.ts'

/** Schemas are Avro as JSON values. */
export type FoundSchema =
  | { readonly kind: 'found'; readonly schema: unknown }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unusable'; readonly reason: string }

/** What all of its methods throw: REGISTRY_UNREACHABLE (waited for), REGISTRY_DENIED, CONFIG_INVALID; the signal's reason. */
export interface SchemaRegistry {
  /** The number of a schema, registered where it is not yet. Throws SCHEMA_INCOMPATIBLE. */
  register(subject: string, schema: unknown, signal: AbortSignal): Promise<number>
  find(id: number, signal: AbortSignal): Promise<FoundSchema>
  /** All versions of a subject, oldest first; none when there is no such subject. */
  versions(subject: string, signal: AbortSignal): Promise<readonly unknown[]>
  close(): Promise<void>
}

const unknownSchema = 40403
/** Replicas of a registry learn of a new schema within this time. */
const lagMs = 500
const conflict = 409

function createClient(address: RegistryAddress): { readonly client: Client; readonly agent: HttpAgent } {
  const ca = trustedCertificates(address)
  const settings = { keepAlive: true, maxSockets: 4 }
  const isSecure = address.url.startsWith('https:')
  const agent = isSecure
    ? new HttpsAgent({ ...settings, ...(ca === undefined ? {} : { ca }) })
    : new HttpAgent(settings)
  const client = new Client({
    host: address.url.replace(/\/+$/, ''),
    clientId: 'waybill',
    ...(address.auth === null ? {} : { auth: { ...address.auth } }),
    agent,
    // askPatiently tries again.
    retry: { retries: 0 },
    middlewares: [() => ({ request: (request) => Promise.resolve(request.enhance({ timeout: answerMsMax })) })],
  })
  return { client, agent }
}

/** How compatible the registry demands versions of a subject to be; null: it says nothing. */
async function levelOf(requests: RegistryRequests, subject: string): Promise<COMPATIBILITY | null> {
  const reply = await requests.ask(`/config/${encodeURIComponent(subject)}`)
  if (reply.status === 404) return null
  if (reply.status !== 200) throw refusal(reply)
  const level = String(fieldOf(reply, 'compatibilityLevel')).toUpperCase()
  return Object.values(COMPATIBILITY).find((known) => known === level) ?? null
}

class RegistryOfUrl implements SchemaRegistry {
  readonly #address: RegistryAddress
  readonly #requests: RegistryRequests
  readonly #client: Client
  readonly #agent: HttpAgent

  constructor(address: RegistryAddress) {
    this.#address = address
    this.#requests = createRequests(address)
    const { client, agent } = createClient(address)
    this.#client = client
    this.#agent = agent
  }

  register(subject: string, schema: unknown, signal: AbortSignal): Promise<number> {
    return this.#ask(async () => {
      const text = JSON.stringify(schema)
      return (await this.#registered(subject, text)) ?? (await this.#registerNew(subject, text))
    }, signal)
  }

  async find(id: number, signal: AbortSignal): Promise<FoundSchema> {
    const first = await this.#ask(() => this.#find(id), signal)
    if (first.kind !== 'unknown') return first
    await this.#address.clock.sleep(lagMs, signal)
    return this.#ask(async () => {
      const reply = await this.#requests.ask(`/schemas/ids/${id}`)
      if (reply.status === 200) return this.#find(id)
      if (reply.status !== 404) throw refusal(reply)
      if (fieldOf(reply, 'error_code') === unknownSchema) return { kind: 'unknown' }
      throw new WaybillError('REGISTRY_UNREACHABLE', { url: this.#address.url, reason: 'a 404 that is not its own' })
    }, signal)
  }

  versions(subject: string, signal: AbortSignal): Promise<readonly unknown[]> {
    return this.#ask(async () => {
      const path = `/subjects/${encodeURIComponent(subject)}/versions`
      const reply = await this.#requests.ask(path)
      if (reply.status === 404) return []
      const numbers = Array.isArray(reply.body) ? reply.body : null
      if (reply.status !== 200 || numbers === null) throw refusal(reply)
      const schemas: unknown[] = []
      for (const number of numbers) schemas.push(schemaOf(await this.#requests.ask(`${path}/${number}`)))
      return schemas
    }, signal)
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.#requests.close()
  }

  #ask<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return askPatiently(this.#address, () => this.#tellingWhy(question), signal)
  }

  /** The client loses the reason of an error on the way: a request that shows it follows. */
  async #tellingWhy<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (error) {
      if (isOnTheWay(error)) await this.#requests.ask('/config')
      throw error
    }
  }

  /** null: the subject has no such version. */
  async #registered(subject: string, schema: string): Promise<number | null> {
    try {
      return await this.#client.getRegistryIdBySchema(subject, { type: SchemaType.AVRO, schema })
    } catch (error) {
      // The client tells a 404 by this name alone.
      if (error instanceof Error && error.name === 'ConfluentSchemaRegistryError') return null
      throw error
    }
  }

  async #registerNew(subject: string, schema: string): Promise<number> {
    const level = (await levelOf(this.#requests, subject)) ?? COMPATIBILITY.NONE
    const compatibility = level === COMPATIBILITY.NONE ? await this.#setLevel(subject) : level
    try {
      const options = { subject, compatibility, updateConfig: false }
      const { id } = await this.#client.register({ type: SchemaType.AVRO, schema }, options)
      return id
    } catch (error) {
      if (isOtherLevel(error)) throw new WaybillError('REGISTRY_UNREACHABLE', { subject, reason: saidBy(error) })
      if (statusOf(error) !== conflict) throw error
      throw new WaybillError('SCHEMA_INCOMPATIBLE', { subject, difference: saidBy(error) }, { cause: error })
    }
  }

  /** Returns what holds then. */
  async #setLevel(subject: string): Promise<COMPATIBILITY> {
    const wanted = COMPATIBILITY.FULL_TRANSITIVE
    const reply = await this.#requests.put(`/config/${encodeURIComponent(subject)}`, { compatibility: wanted })
    if (reply.status === 200) return wanted
    if (reply.status >= 500) throw refusal(reply)
    // Another process may have been faster.
    const level = await levelOf(this.#requests, subject)
    if (level !== null && level !== COMPATIBILITY.NONE) return level
    const { status } = reply
    this.#address.logger.warn({ subject, status }, 'the schema registry does not let compatibility be set')
    return COMPATIBILITY.NONE
  }

  async #find(id: number): Promise<FoundSchema> {
    try {
      const type = await this.#client.getSchema(id)
      if ('schema' in type && typeof type.schema === 'function') return { kind: 'found', schema: type.schema() }
      return { kind: 'unusable', reason: 'it is no Avro schema' }
    } catch (error) {
      if (statusOf(error) === 404) return { kind: 'unknown' }
      if (statusOf(error) !== null || isOfTransport(error)) throw error
      return { kind: 'unusable', reason: saidBy(error) }
    }
  }
}

/** The client compares once more: another process has set it in between, so everything is asked again. */
const isOtherLevel = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ConfluentSchemaRegistryCompatibilityError'

const isOfTransport = (error: unknown): boolean => error instanceof Error && 'code' in error

function schemaOf(reply: RegistryReply): unknown {
  const text = fieldOf(reply, 'schema')
  if (reply.status !== 200 || typeof text !== 'string') throw refusal(reply)
  return JSON.parse(text)
}

/** Connects to nothing yet. Throws CONFIG_INVALID. */
export function openSchemaRegistry(address: RegistryAddress): SchemaRegistry {
  assertUrl(address.url)
  return new RegistryOfUrl(address)
}
