// Bounds: reaching them is answered, and ends nothing else.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'
import { type ApiWorld, startApiWorld } from '#test/support/api-world'

let world: ApiWorld
before(async () => {
  world = await startApiWorld({
    limits: {
      requestsPerSecond: 200,
      streamsMax: 3,
      streamsOfPrincipalMax: 3,
      waitsMax: 2,
      requestMs: 1_000,
      headersMs: 500,
      openMigrationsMax: 5,
    },
  })
  const body = { source_path: '@disk/a', target_path: '@vault/a', job_id: 'known' }
  await world.call('/migrations', { method: 'POST', body })
  await world.accept('known')
})
after(() => world.close())

/** Everything that the server says to these bytes, until it closes or the time is over. */
function raw(text: string, ms = 4_000): Promise<string> {
  const { hostname, port } = new URL(world.address)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(text))
    let answer = ''
    const end = (): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(ms, end)
    socket.on('data', (piece) => {
      answer += piece.toString()
    })
    socket.once('error', end)
    socket.once('close', end)
  })
}

const head = 'Host: 127.0.0.1\r\n'

test('a request that does not arrive in time is 408, and its connection is closed', async () => {
  const started = performance.now()
  const slowHead = await raw(`GET /migrations HTTP/1.1\r\n${head}x: `)
  assert.match(slowHead, /^HTTP\/1\.1 408 [\s\S]*"code":"REQUEST_TIMEOUT"/)
  const slowBody = await raw(
    `POST /migrations HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
  )
  assert.match(slowBody, /^HTTP\/1\.1 408 /)
  assert.ok(performance.now() - started < 8_000)
})

test('headers and addresses that are too large are 431, and what is no HTTP is 400, both as problem details', async () => {
  const large = await raw(`GET /migrations HTTP/1.1\r\n${head}x: ${'y'.repeat(70_000)}\r\n\r\n`)
  assert.match(large, /^HTTP\/1\.1 431 [\s\S]*application\/problem\+json[\s\S]*"code":"HEADERS_TOO_LARGE"/)
  const long = await raw(`GET /migrations?cursor=${'y'.repeat(70_000)} HTTP/1.1\r\n${head}\r\n`)
  assert.match(long, /^HTTP\/1\.1 431 [\s\S]*"code":"HEADERS_TOO_LARGE"/)
  const none = await raw('no http at all\r\n\r\n')
  assert.match(none, /^HTTP\/1\.1 400 [\s\S]*"code":"REQUEST_INVALID"/)
})

test('a request that could be read in two ways is refused (smuggling)', async () => {
  const both = `POST /migrations HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /system HTTP/1.1\r\n${head}\r\n`
  assert.match(await raw(both), /^HTTP\/1\.1 400 /)
  const twice = `POST /migrations HTTP/1.1\r\n${head}content-length: 4\r\ncontent-length: 5\r\n\r\n{}{}`
  assert.match(await raw(twice), /^HTTP\/1\.1 400 /)
})

test('a method that a page does not take is 405 and names those that it takes; a page that is none is 404', async () => {
  for (const method of ['DELETE', 'PUT', 'OPTIONS', 'HEAD', 'QUERY', 'PROPFIND']) {
    const answer = await raw(`${method} /migrations/known HTTP/1.1\r\n${head}Connection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 405 [\s\S]*allow: GET, PATCH/i, method)
  }
  assert.equal((await world.call('/migration')).body.code, 'NOT_FOUND')
  assert.equal((await world.call('/migrations/known/')).body.code, 'NOT_FOUND')
  assert.equal((await world.call('/migrations/unknown')).body.code, 'MIGRATION_UNKNOWN')
})

test('streams are bounded: one more is 503, and a place that is given back is free', async () => {
  const stops = Array.from({ length: 3 }, () => new AbortController())
  const open = (signal: AbortSignal): Promise<Response> =>
    fetch(`${world.address}/migrations/known/events`, { headers: { accept: 'text/event-stream' }, signal })
  const streams = await Promise.all(stops.map(({ signal }) => open(signal)))
  assert.deepEqual(
    streams.map(({ status }) => status),
    [200, 200, 200],
  )
  const extra = await world.call('/migrations/known/events', { headers: { accept: 'text/event-stream' } })
  assert.deepEqual([extra.status, extra.body.code], [503, 'TOO_MANY_STREAMS'])
  stops[0]?.abort()
  await systemClock.sleep(200)
  const last = new AbortController()
  assert.equal((await open(last.signal)).status, 200)
  for (const stop of [...stops, last]) stop.abort()
})

test('waits are bounded too', async () => {
  const wait = () => world.call('/migrations/known?wait=1s&status=complete')
  const answers = await Promise.all([wait(), wait(), wait(), wait()])
  assert.deepEqual(
    answers.map(({ status }) => status).sort((a, b) => a - b),
    [200, 200, 429, 429],
  )
})

test('a caller who asks too often gets 429 with Retry-After, and is served again a moment later', async () => {
  const small = await startApiWorld({ limits: { requestsPerSecond: 10 } })
  try {
    const answers = await Promise.all(Array.from({ length: 100 }, () => small.call('/livez')))
    const refused = answers.filter(({ status }) => status === 429)
    assert.ok(refused.length > 20, String(refused.length))
    assert.equal(refused[0]?.headers.get('retry-after'), '1')
    assert.equal(refused[0]?.body.code, 'TOO_MANY_REQUESTS')
    await systemClock.sleep(500)
    assert.equal((await small.call('/livez')).status, 200)
  } finally {
    await small.close()
  }
})

test('no answer is kept, guessed at or framed, errors neither', async () => {
  for (const path of ['/migrations', '/none', '/migrations/none', '/docs', '/metrics']) {
    const { headers } = await world.call(path)
    assert.equal(headers.get('cache-control'), 'no-store', path)
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path)
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/, path)
    assert.equal(headers.get('access-control-allow-origin'), null, path)
  }
})
