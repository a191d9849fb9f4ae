// A schema registry in this process, over real HTTP: the part of Confluent's interface that is used, and faults on demand.
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import avsc from 'avsc'

/** refuse: an answer 503; break: the connection ends; hang: no answer; lost: a 404 of a gateway, not of the registry. */
export type RegistryFault = 'refuse' | 'break' | 'hang' | 'lost' | null

export interface MemoryRegistry {
  readonly url: string
  fault: RegistryFault
  /** `METHOD /path` of all requests. */
  readonly requests: readonly string[]
  /** Registers without looking at compatibility; returns the number. */
  put(subject: string, schema: unknown): number
  compatibilityOf(subject: string): string | undefined
  versionsOf(subject: string): number
  close(): Promise<void>
}

export interface MemoryRegistryOptions {
  /** The first number; default 1001, so that no number is by chance that of the repository. */
  readonly firstId?: number
  readonly auth?: { readonly username: string; readonly password: string }
  /** PEM files; with them it speaks https. */
  readonly certificate?: { readonly certFile: string; readonly keyFile: string }
  /** Whether compatibility may be set and schemas be registered. */
  readonly isReadOnly?: boolean
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

const bodyOf = async (request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> => {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return pieces.length === 0 ? {} : JSON.parse(Buffer.concat(pieces).toString())
}

const unknownSubject = { status: 404, body: { error_code: 40401, message: 'Subject not found.' } }
const unknownSchema = { status: 404, body: { error_code: 40403, message: 'Schema not found.' } }

function difference(one: string, other: string): string | null {
  const [a, b] = [avsc.Type.forSchema(JSON.parse(one)), avsc.Type.forSchema(JSON.parse(other))]
  try {
    a.createResolver(b)
    b.createResolver(a)
    return null
  } catch (error) {
    return String(error)
  }
}

class Schemas {
  readonly #texts = new Map<number, string>()
  readonly #subjects = new Map<string, number[]>()
  readonly #levels = new Map<string, string>()
  readonly #isReadOnly: boolean
  #next: number

  constructor({ firstId = 1001, isReadOnly = false }: MemoryRegistryOptions) {
    this.#next = firstId
    this.#isReadOnly = isReadOnly
  }

  put(subject: string, text: string): number {
    const known = [...this.#texts].find(([, other]) => other === text)?.[0]
    const id = known ?? this.#next
    if (known === undefined) this.#next += 1
    this.#texts.set(id, text)
    const versions = this.versionsOf(subject)
    if (!versions.includes(id)) this.#subjects.set(subject, [...versions, id])
    return id
  }

  versionsOf(subject: string): readonly number[] {
    return this.#subjects.get(subject) ?? []
  }

  levelOf(subject: string): string | undefined {
    return this.#levels.get(subject)
  }

  /** What the registry says to `METHOD /first/second/...`. */
  answer(method: string, path: readonly string[], body: Readonly<Record<string, unknown>>): Answer {
    const [kind, name = '', , version] = path
    const text = String(body['schema'])
    if (kind === 'schemas') return this.#schema(Number(path[2]))
    if (method === 'PUT') return this.#setLevel(name, String(body['compatibility']))
    if (kind === 'config') {
      const level = this.#levels.get(name)
      return level === undefined ? unknownSubject : { status: 200, body: { compatibilityLevel: level } }
    }
    const versions = this.versionsOf(name)
    if (method === 'POST') return path.length === 2 ? this.#lookUp(versions, text) : this.#register(name, text)
    if (versions.length === 0) return unknownSubject
    if (version === undefined) return { status: 200, body: versions.map((_, index) => index + 1) }
    return this.#schema(versions[Number(version) - 1] ?? 0)
  }

  #schema(id: number): Answer {
    const schema = this.#texts.get(id)
    return schema === undefined ? unknownSchema : { status: 200, body: { schema } }
  }

  #setLevel(subject: string, level: string): Answer {
    if (this.#isReadOnly) return { status: 403, body: { error_code: 40301, message: 'Read only.' } }
    this.#levels.set(subject, level)
    return { status: 200, body: { compatibility: level } }
  }

  #lookUp(versions: readonly number[], text: string): Answer {
    const id = versions.find((known) => this.#texts.get(known) === text)
    return id === undefined ? unknownSchema : { status: 200, body: { id } }
  }

  #register(subject: string, text: string): Answer {
    if (this.#isReadOnly) return { status: 403, body: { error_code: 40301, message: 'Read only.' } }
    const isChecked = (this.#levels.get(subject) ?? 'NONE') !== 'NONE'
    for (const id of isChecked ? this.versionsOf(subject) : []) {
      const found = difference(this.#texts.get(id) ?? '', text)
      if (found !== null) return { status: 409, body: { error_code: 409, message: `Incompatible: ${found}` } }
    }
    return { status: 200, body: { id: this.put(subject, text) } }
  }
}

function say(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
  response.end(JSON.stringify(body))
}

/** Closes itself with the process; tests close it when they end. */
export async function startMemoryRegistry(options: MemoryRegistryOptions = {}): Promise<MemoryRegistry> {
  const schemas = new Schemas(options)
  const requests: string[] = []
  const { auth } = options
  const expected = auth && `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/' } = request
    requests.push(`${method} ${url}`)
    if (registry.fault === 'hang') return
    if (registry.fault === 'break') request.destroy()
    else if (registry.fault === 'refuse') say(response, { status: 503, body: { message: 'busy' } })
    else if (registry.fault === 'lost') response.writeHead(404).end('<html>no such page</html>')
    else if (expected !== undefined && request.headers.authorization !== expected)
      say(response, { status: 401, body: { message: 'Unauthorized' } })
    else say(response, schemas.answer(method, url.split('/').slice(1).map(decodeURIComponent), await bodyOf(request)))
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void => void serve(request, response)
  const { certificate } = options
  const server =
    certificate === undefined
      ? createServer(listener)
      : createTlsServer({ cert: readFileSync(certificate.certFile), key: readFileSync(certificate.keyFile) }, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const registry: MemoryRegistry = {
    url: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: null,
    requests,
    put: (subject, schema) => schemas.put(subject, JSON.stringify(schema)),
    compatibilityOf: (subject) => schemas.levelOf(subject),
    versionsOf: (subject) => schemas.versionsOf(subject).length,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return registry
}
