// An HTTP proxy in front of a real S3 server that lets answers go wrong and counts what passes. Requests go on as they
// came, their Host header too, so signatures stay valid.
import { once } from 'node:events'
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface PassingRequest {
  readonly method: string
  /** Path and query as sent. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  /** 1, 2, ... over all requests. */
  readonly count: number
}

/**
 * answer    an answer of the proxy's own, the server hears nothing
 * lost      the server acts, its answer is lost with the connection
 * replaced  the server acts, another answer is given: 200 with an error body
 * cut       the answer ends after `bytes` of its body, the length it announces stays
 * shortened the same with a length that fits, as a clever cache would do
 * drip      the body comes in small pieces with pauses
 * silent    the server acts and nothing is ever answered
 * tagged    the answer carries another ETag
 * flipped   one byte of the answer's body is changed
 */
export type ProxyFault =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly code: string
      readonly headers?: Readonly<Record<string, string>>
    }
  | { readonly kind: 'lost' }
  | { readonly kind: 'replaced'; readonly status: number; readonly body: string }
  | { readonly kind: 'cut'; readonly bytes: number }
  | { readonly kind: 'shortened'; readonly bytes: number }
  | { readonly kind: 'drip'; readonly pieces: number; readonly pauseMs: number }
  | { readonly kind: 'silent' }
  | { readonly kind: 'tagged'; readonly tag: string }
  | { readonly kind: 'flipped'; readonly offset: number }

export interface FaultProxy {
  readonly endpoint: string
  /** Asked for each request; null lets it through. */
  fault: (request: PassingRequest) => ProxyFault | null
  readonly requests: PassingRequest[]
  readonly counters: { uploadBytes: number; downloadBytes: number }
  /** Connections accepted so far. */
  readonly connections: () => number
  stop(): Promise<void>
}

export function errorBody(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>made by a test</Message></Error>`
}

interface Forwarded {
  readonly answer: IncomingMessage
  readonly body: Buffer
}

async function pass(incoming: IncomingMessage, upstream: URL, count: (bytes: number) => void): Promise<Forwarded> {
  const out = forward({
    host: upstream.hostname,
    port: upstream.port,
    method: incoming.method ?? 'GET',
    path: incoming.url ?? '/',
    headers: incoming.headers,
    // versitygw takes the rest of a body that it refused early for a new request: no connection is used twice.
    agent: false,
  })
  incoming.on('data', (chunk: Buffer) => count(chunk.length))
  incoming.pipe(out)
  const [answer] = (await once(out, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return { answer, body: Buffer.concat(chunks) }
}

async function drip(response: ServerResponse, body: Buffer, pieces: number, pauseMs: number): Promise<void> {
  const size = Math.ceil(body.length / pieces)
  for (let start = 0; start < body.length && !response.destroyed; start += size) {
    response.write(body.subarray(start, start + size))
    await sleep(pauseMs)
  }
  response.end()
}

async function answerWith(
  fault: ProxyFault | null,
  { answer, body }: Forwarded,
  response: ServerResponse,
): Promise<void> {
  const headers = { ...answer.headers }
  const status = answer.statusCode ?? 500
  switch (fault?.kind) {
    case 'lost':
      response.destroy()
      return
    case 'silent':
      return
    case 'replaced':
      response.writeHead(fault.status, { 'content-type': 'application/xml' }).end(fault.body)
      return
    case 'cut':
      response.writeHead(status, headers)
      response.write(body.subarray(0, fault.bytes), () => response.destroy())
      return
    case 'shortened':
      response.writeHead(status, { ...headers, 'content-length': fault.bytes }).end(body.subarray(0, fault.bytes))
      return
    case 'drip':
      response.writeHead(status, headers)
      await drip(response, body, fault.pieces, fault.pauseMs)
      return
    case 'tagged':
      response.writeHead(status, { ...headers, etag: fault.tag }).end(body)
      return
    case 'flipped':
      body.writeUInt8(body.readUInt8(fault.offset) ^ 1, fault.offset)
      response.writeHead(status, headers).end(body)
      return
    case 'answer':
    case undefined:
      response.writeHead(status, headers).end(body)
  }
}

/** @param endpoint `http://host:port` of the server behind. */
export async function startFaultProxy(endpoint: string): Promise<FaultProxy> {
  const upstream = new URL(endpoint)
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((incoming, response) => {
    const { method = '', url = '', headers } = incoming
    const request: PassingRequest = { method, url, headers, count: proxy.requests.length + 1 }
    proxy.requests.push(request)
    const fault = proxy.fault(request)
    const serve = async (): Promise<void> => {
      if (fault?.kind === 'answer') {
        incoming.resume()
        await once(incoming, 'end')
        const body = method === 'HEAD' ? '' : errorBody(fault.code)
        response.writeHead(fault.status, { 'content-type': 'application/xml', ...fault.headers }).end(body)
        return
      }
      const forwarded = await pass(incoming, upstream, (bytes) => {
        proxy.counters.uploadBytes += bytes
      })
      proxy.counters.downloadBytes += forwarded.body.length
      await answerWith(fault, forwarded, response)
    }
    // A client that gave up, or a server that was stopped: the connection says enough.
    serve().catch(() => response.destroy())
  })
  server.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    fault: () => null,
    requests: [],
    counters: { uploadBytes: 0, downloadBytes: 0 },
    connections: () => connections,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}
