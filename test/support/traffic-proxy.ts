// An HTTP proxy in front of a real S3 server that counts body bytes by what they were sent for. Bodies stream through in
// both directions, so gigabytes pass at little cost; requests go on as they came, so signatures stay valid.
import { once } from 'node:events'
import { Agent, createServer, request as forward, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What a request is, as far as its bytes matter; `probe` is all that waybill tries on keys below `%probe/`. */
export const trafficKinds = ['probe', 'put', 'part', 'copy', 'get', 'list', 'other'] as const
export type TrafficKind = (typeof trafficKinds)[number]

export interface Traffic {
  requests: number
  /** Body bytes that arrived from the client, also those of requests that were cut off. */
  bodyBytesIn: number
  /** Body bytes of answers that went to the client. */
  bodyBytesOut: number
}

export interface TrafficProxy {
  readonly endpoint: string
  readonly traffic: Readonly<Record<TrafficKind, Traffic>>
  /** All bytes of items that a client sent so far: PUT and UploadPart bodies. */
  uploadedBytes(): number
  reset(): void
  stop(): Promise<void>
}

function kindOf({ method, url = '', headers }: IncomingMessage): TrafficKind {
  const query = new URL(url, 'http://host').searchParams
  if (url.includes('%25probe')) return 'probe'
  if (method === 'PUT' && headers['x-amz-copy-source'] !== undefined) return 'copy'
  if (method === 'PUT') return query.has('partNumber') ? 'part' : 'put'
  if (method !== 'GET') return 'other'
  return query.has('list-type') || query.has('uploads') || query.has('uploadId') ? 'list' : 'get'
}

const noTraffic = (): Record<TrafficKind, Traffic> =>
  Object.fromEntries(trafficKinds.map((kind) => [kind, { requests: 0, bodyBytesIn: 0, bodyBytesOut: 0 }])) as Record<
    TrafficKind,
    Traffic
  >

/** @param endpoint `http://host:port` of the server behind. */
export async function startTrafficProxy(endpoint: string): Promise<TrafficProxy> {
  const upstream = new URL(endpoint)
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()
  const traffic = noTraffic()
  const server = createServer((incoming, response) => {
    const counted = traffic[kindOf(incoming)]
    counted.requests += 1
    const out = forward({
      agent,
      host: upstream.hostname,
      port: upstream.port,
      method: incoming.method ?? 'GET',
      path: incoming.url ?? '/',
      headers: incoming.headers,
    })
    const giveUp = (): void => {
      out.destroy()
      response.destroy()
    }
    incoming.on('data', (chunk: Buffer) => {
      counted.bodyBytesIn += chunk.length
    })
    incoming.on('error', giveUp)
    out.on('error', giveUp)
    response.on('close', () => {
      if (!response.writableFinished) out.destroy()
    })
    out.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.on('data', (chunk: Buffer) => {
        counted.bodyBytesOut += chunk.length
      })
      answer.on('error', giveUp)
      answer.pipe(response)
    })
    incoming.pipe(out)
  })
  server.requestTimeout = 0
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    traffic,
    uploadedBytes: () => traffic.put.bodyBytesIn + traffic.part.bodyBytesIn,
    reset: () => {
      for (const kind of trafficKinds) Object.assign(traffic[kind], noTraffic()[kind])
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
