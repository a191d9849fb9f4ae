// The transport against small servers of the test's own: what HTTP, TLS, proxies and clocks can do to a request.
import assert from 'node:assert/strict'
import { createHash, hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net'
import test, { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '#libs/domain/errors'
import type { Clock } from '#libs/runtime/clock'
import { type Connection, type ConnectionSettings, type Exchange, openConnection } from '#libs/target/s3/connection'
import { defaultDeadlines, noProxies } from '#libs/target/s3/settings'
import { makeCertificates } from '#test/support/certificates'
import { startForwardProxy } from '#test/support/forward-proxy'
import { freePort } from '#test/support/s3-server'

const MiB = 1024 * 1024
const signal = new AbortController().signal
const speed = 50
/** A minute in a second. */
const hasty: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() * speed,
  sleep: async (ms, wakeUp) => {
    await delay(ms / speed, undefined, wakeUp === undefined ? {} : { signal: wakeUp })
  },
}

interface Running {
  readonly origin: string
  readonly connections: () => number
  stop(): Promise<void>
}

async function run(server: ReturnType<typeof createSocketServer>, scheme = 'http'): Promise<Running> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `${scheme}://127.0.0.1:${port}`,
    connections: () => connections,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function open(change: Partial<ConnectionSettings> = {}): Connection {
  const settings = { caFile: null, proxies: noProxies, connectionsMax: 4, deadlines: defaultDeadlines, clock: hasty }
  return openConnection({ ...settings, ...change })
}

function get(origin: string, change: Partial<Exchange> = {}): Exchange {
  const limits = { answerMs: defaultDeadlines.answerMs, keptBytesMax: 1024, signal }
  const taken = { reads: 'all', accept: null } as const
  return { origin, method: 'GET', path: '/', headers: [], body: null, ...limits, ...taken, ...change }
}

/** Opens a server and a connection for one test, and closes both. */
async function between(
  listener: RequestListener,
  use: (server: Running, connection: Connection) => Promise<void>,
  change: Partial<ConnectionSettings> = {},
): Promise<void> {
  const server = await run(createServer(listener))
  const connection = open(change)
  try {
    await use(server, connection)
  } finally {
    await connection.close()
    await server.stop()
  }
}

const ok: RequestListener = (incoming, response) => {
  incoming.resume().on('end', () => response.end('ok'))
}

test('a body that nobody takes is given up when no byte moved for 25 s', async () => {
  const server = await run(createSocketServer(() => undefined))
  const connection = open()
  const startedAt = hasty.monotonic()
  const put = connection.exchange(get(server.origin, { method: 'PUT', body: Buffer.alloc(32 * MiB) }))
  await assert.rejects(put, { code: 'TARGET_TIMEOUT' })
  const waitedMs = hasty.monotonic() - startedAt
  assert.ok(waitedMs > 24_000 && waitedMs < 40_000, `${waitedMs} ms`)
  await connection.close()
  await server.stop()
})

test('a body that was taken may wait 60 s for its answer, and no longer', async () => {
  const body = Buffer.alloc(2 * MiB)
  const answerAfter = (ms: number): RequestListener => {
    return (incoming, response) => {
      incoming.resume().on('end', () => setTimeout(() => response.end('late'), ms / speed))
    }
  }
  await between(answerAfter(45_000), async ({ origin }, connection) => {
    assert.equal((await connection.exchange(get(origin, { method: 'PUT', body }))).body.toString(), 'late')
  })
  await between(answerAfter(90_000), async ({ origin }, connection) => {
    await assert.rejects(connection.exchange(get(origin, { method: 'PUT', body })), { code: 'TARGET_TIMEOUT' })
  })
})

test('an answer that drips on for minutes is no lack of progress; one that stops is', async () => {
  const drips = (pieces: number): RequestListener => {
    return async (_, response) => {
      response.writeHead(200, { 'content-length': 8 })
      for (let piece = 0; piece < pieces; piece += 1) {
        response.write('x')
        await delay(15_000 / speed)
      }
    }
  }
  await between(drips(8), async ({ origin }, connection) => {
    assert.equal((await connection.exchange(get(origin))).body.length, 8)
  })
  await between(drips(3), async ({ origin }, connection) => {
    await assert.rejects(connection.exchange(get(origin)), { code: 'TARGET_TIMEOUT' })
  })
})

test('nobody there, and a name that nobody has: TARGET_UNREACHABLE', async () => {
  const connection = open()
  const port = await freePort()
  await assert.rejects(connection.exchange(get(`http://127.0.0.1:${port}`)), { code: 'TARGET_UNREACHABLE' })
  await assert.rejects(connection.exchange(get('http://nobody.invalid')), { code: 'TARGET_UNREACHABLE' })
  await connection.close()
})

test('an answer that ends too early is a short read', async () => {
  const cut: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('only this', () => response.destroy())
  }
  await between(cut, async ({ origin }, connection) => {
    await assert.rejects(connection.exchange(get(origin)), { code: 'TARGET_SHORT_READ' })
  })
})

test('an answer that is kept has a limit', async () => {
  const endless: RequestListener = (_, response) => {
    response.end(Buffer.alloc(2000))
  }
  await between(endless, async ({ origin }, connection) => {
    await assert.rejects(connection.exchange(get(origin)), { code: 'TARGET_UNREADABLE' })
  })
})

test('a redirect is an answer like any other and is not followed', async () => {
  let redirected = 0
  const other = await run(createServer(() => (redirected += 1)))
  const redirect: RequestListener = (_, response) => {
    response.writeHead(307, { location: other.origin }).end()
  }
  await between(redirect, async ({ origin }, connection) => {
    assert.equal((await connection.exchange(get(origin))).status, 307)
  })
  await other.stop()
  assert.equal(redirected, 0)
})

test('requests of all kinds share a kept connection; a fresh one is new', async () => {
  await between(
    ok,
    async ({ origin, connections }, connection) => {
      await connection.exchange(get(origin, { method: 'HEAD' }))
      await connection.exchange(get(origin, { method: 'PUT', body: Buffer.alloc(MiB) }))
      await connection.exchange(get(origin))
      assert.equal(connections(), 1)
      await connection.exchange(get(origin), true)
      assert.equal(connections(), 2)
    },
    { connectionsMax: 1 },
  )
})

test('a connection over which a body was refused is not used again', async () => {
  const refusal = '<Error><Code>NoSuchUpload</Code></Error>'
  const refuse = (isChunked: boolean): RequestListener => {
    return (incoming, response) => {
      if (incoming.method === 'GET') response.end('ok')
      else response.writeHead(404, isChunked ? {} : { 'content-length': refusal.length }).end(refusal)
    }
  }
  for (const isChunked of [true, false]) {
    await between(
      refuse(isChunked),
      async ({ origin, connections }, connection) => {
        const { status, body } = await connection.exchange(get(origin, { method: 'PUT', body: Buffer.alloc(1000) }))
        assert.deepEqual([status, body.toString()], [404, refusal])
        assert.equal((await connection.exchange(get(origin))).body.toString(), 'ok')
        assert.equal(connections(), 2)
      },
      { connectionsMax: 1 },
    )
  }
})

test('an abort ends a request at once, also one that waits for a connection, and leaves the others alone', async () => {
  const slow: RequestListener = (_, response) => {
    setTimeout(() => response.end('slow'), 200)
  }
  await between(
    slow,
    async ({ origin }, connection) => {
      const first = connection.exchange(get(origin))
      const controller = new AbortController()
      const second = connection.exchange(get(origin, { signal: controller.signal }))
      const third = connection.exchange(get(origin))
      controller.abort(new Error('given up'))
      await assert.rejects(second, { code: 'ABORTED' })
      assert.equal((await first).body.toString() + (await third).body.toString(), 'slowslow')
    },
    { connectionsMax: 1 },
  )
})

test('what a consumer throws ends the request with that error', async () => {
  await between(ok, async ({ origin }, connection) => {
    const accept = (): never => {
      throw new TypeError('not wanted')
    }
    await assert.rejects(connection.exchange(get(origin, { accept })), TypeError)
    assert.equal((await connection.exchange(get(origin))).body.toString(), 'ok')
  })
})

/** Bodies of many sizes over few connections: a buffer used again too early would show in the digests. */
async function readMany(origin: string, connection: Connection, bodies: readonly Buffer[]): Promise<void> {
  const read = async (index: number): Promise<void> => {
    const digest = createHash('sha256')
    let bytes = 0
    const accept = () => (chunk: Buffer) => {
      bytes += chunk.length
      digest.update(chunk)
    }
    await connection.exchange(get(origin, { path: `/${index}`, accept }))
    const body = bodies[index] ?? Buffer.alloc(0)
    assert.equal(bytes, body.length)
    assert.equal(digest.digest('hex'), hash('sha256', body), `body ${index} of ${body.length} bytes`)
  }
  for (let round = 0; round < 3; round += 1) await Promise.all(bodies.map((_, index) => read(index)))
}

const bodies = [3 * MiB + 17, 1, 70_000, 5 * MiB, 512 * 1024, 512 * 1024 + 1, 0, 2 * MiB].map((size) =>
  randomBytes(size),
)
const serveBodies: RequestListener = async (incoming, response) => {
  const body = bodies[Number(incoming.url?.slice(1))] ?? Buffer.alloc(0)
  response.writeHead(200, { 'content-length': body.length })
  // Pieces that fit no buffer, some of them together.
  for (let start = 0; start < body.length; start += 300_007) {
    response.write(body.subarray(start, start + 300_007))
    if (start % 2 === 0) await new Promise(setImmediate)
  }
  response.end()
}

test('bodies arrive whole over connections that use their buffers again', async () => {
  await between(serveBodies, async ({ origin }, connection) => readMany(origin, connection, bodies))
})

const certificates = makeCertificates()
after(() => certificates?.remove())
const withTls = { skip: certificates === null ? 'there is no openssl to make certificates' : false }

async function runTls(listener: RequestListener): Promise<{ server: Running; caFile: string }> {
  assert.ok(certificates)
  const { certFile, keyFile, caFile } = certificates
  const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  return { server: await run(createTlsServer(pair, listener), 'https'), caFile }
}

test('TLS: bodies arrive whole, both ways', withTls, async () => {
  const { server, caFile } = await runTls(serveBodies)
  const connection = open({ caFile })
  await readMany(server.origin, connection, bodies)
  await connection.close()
  await server.stop()
})

test('TLS: a CA file makes a store trusted; without it the refusal says so', withTls, async () => {
  const { server, caFile } = await runTls(ok)
  const [trusting, strange] = [open({ caFile }), open()]
  const put = get(server.origin, { method: 'PUT', body: Buffer.alloc(3 * MiB) })
  assert.equal((await trusting.exchange(put)).body.toString(), 'ok')
  await assert.rejects(strange.exchange(get(server.origin)), { code: 'TARGET_CERTIFICATE' })
  assert.equal(await open({ caFile: '/no/such/file' }).exchange(get(server.origin)).catch(codeOf), 'CONFIG_INVALID')
  await Promise.all([trusting.close(), strange.close()])
  await server.stop()
})

test('plain http goes through a proxy by URL, with its password', async () => {
  const proxy = await startForwardProxy('secret')
  const proxies = { http: proxy.url, https: null, none: [] }
  await between(
    ok,
    async ({ origin }, connection) => {
      const put = await connection.exchange(get(origin, { method: 'PUT', body: Buffer.alloc(MiB) }))
      assert.equal(put.body.toString(), 'ok')
      assert.deepEqual(proxy.seen, [`PUT ${origin}/`])
      assert.equal((await connection.exchange(get(origin), true)).body.toString(), 'ok')
    },
    { proxies },
  )
  await proxy.stop()
})

test('TLS goes through a tunnel of the proxy and is proven by the store itself', withTls, async () => {
  const proxy = await startForwardProxy()
  const { server, caFile } = await runTls(serveBodies)
  const connection = open({ caFile, proxies: { http: null, https: proxy.url, none: [] } })
  await readMany(server.origin, connection, bodies)
  assert.equal(proxy.seen[0], `CONNECT ${new URL(server.origin).host}`)
  await connection.close()
  await server.stop()
  await proxy.stop()
})

test('hosts that need no proxy are reached without it', async () => {
  const proxy = await startForwardProxy()
  const proxies = { http: proxy.url, https: null, none: ['example.org', '127.0.0.1'] }
  await between(ok, async ({ origin }, connection) => void (await connection.exchange(get(origin))), { proxies })
  assert.deepEqual(proxy.seen, [])
  await proxy.stop()
})

test('the clock of the store is known from its answers', async () => {
  const late: RequestListener = (_, response) => {
    response
      .setHeader('date', new Date(Date.now() + 3_600_000).toUTCString())
      .setHeader('server', 'late')
      .end()
  }
  await between(late, async ({ origin }, connection) => {
    assert.equal(connection.clockOffsetMs(), null)
    await connection.exchange(get(origin))
    assert.ok(Math.abs((connection.clockOffsetMs() ?? 0) - 3_600_000) < 1500)
    assert.equal(connection.server(), 'late')
  })
})
