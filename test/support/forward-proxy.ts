// A small HTTP proxy as companies run them: plain requests by absolute URL, TLS through CONNECT, optional password.
import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface ForwardProxy {
  readonly url: string
  /** `GET http://...` or `CONNECT host:port`, in order. */
  readonly seen: string[]
  stop(): Promise<void>
}

export async function startForwardProxy(password: string | null = null): Promise<ForwardProxy> {
  const seen: string[] = []
  const sockets = new Set<Socket>()
  const expected = password === null ? null : `Basic ${Buffer.from(`user:${password}`).toString('base64')}`
  const isKnown = (header: string | undefined): boolean => expected === null || header === expected
  const server = createServer((incoming, response) => {
    seen.push(`${incoming.method} ${incoming.url}`)
    if (!isKnown(incoming.headers['proxy-authorization'])) {
      response.writeHead(407).end()
      return
    }
    const { pathname, search, hostname, port } = new URL(incoming.url ?? '')
    const { 'proxy-authorization': _, ...headers } = incoming.headers
    const out = forward({ hostname, port, path: pathname + search, method: incoming.method ?? 'GET', headers })
    out.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    out.on('error', () => response.destroy())
    incoming.pipe(out)
  })
  server.on('connect', (incoming, client: Socket) => {
    seen.push(`CONNECT ${incoming.url}`)
    if (!isKnown(incoming.headers['proxy-authorization'])) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    const [host = '', port = ''] = (incoming.url ?? '').split(':')
    const upstream = connect({ host, port: Number(port) }, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      upstream.pipe(client).pipe(upstream)
    })
    sockets.add(upstream)
    upstream.on('error', () => client.destroy())
    client.on('error', () => upstream.destroy())
  })
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${password === null ? '' : `user:${password}@`}127.0.0.1:${port}`,
    seen,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
