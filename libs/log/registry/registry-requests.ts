// The requests to a registry that its client does not offer: compatibility of a subject, versions, what exactly is unknown.
import { Agent, request } from 'undici'
import { answerMsMax, type RegistryAddress, trustedCertificates } from './registry-address.ts'
import { RegistryAnswer } from './registry-error.ts'

const connectMsMax = 3000
const mediaType = 'application/vnd.schemaregistry.v1+json'

export interface RegistryReply {
  readonly status: number
  /** null: it is no JSON. */
  readonly body: unknown
}

/** Throws what undici throws; its users classify. */
export interface RegistryRequests {
  ask(path: string): Promise<RegistryReply>
  put(path: string, body: object): Promise<RegistryReply>
  close(): Promise<void>
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A gateway's page, say: the status tells.
    return null
  }
}

/** A field of a reply's body; undefined where there is none. */
export function fieldOf({ body }: RegistryReply, name: string): unknown {
  return typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined
}

export function refusal(reply: RegistryReply): RegistryAnswer {
  const said = fieldOf(reply, 'message')
  return new RegistryAnswer(reply.status, typeof said === 'string' ? said : 'no answer of a registry')
}

/** Connects to nothing yet. Throws CONFIG_INVALID. */
export function createRequests(address: RegistryAddress): RegistryRequests {
  const { auth } = address
  const ca = trustedCertificates(address)
  const agent = new Agent({ connections: 4, connect: { timeout: connectMsMax, ...(ca === undefined ? {} : { ca }) } })
  const base = address.url.replace(/\/+$/, '')
  const named = auth && Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
  const headers = { accept: mediaType, ...(named === null ? {} : { authorization: `Basic ${named}` }) }
  const send = async (method: 'GET' | 'PUT', path: string, sent: object | null): Promise<RegistryReply> => {
    const { statusCode, body } = await request(`${base}${path}`, {
      dispatcher: agent,
      method,
      headers: { ...headers, ...(sent === null ? {} : { 'content-type': mediaType }) },
      body: sent === null ? null : JSON.stringify(sent),
      headersTimeout: answerMsMax,
      bodyTimeout: answerMsMax,
    })
    return { status: statusCode, body: parsed(await body.text()) }
  }
  return {
    ask: (path) => send('GET', path, null),
    put: (path, body) => send('PUT', path, body),
    close: () => agent.destroy(),
  }
}
