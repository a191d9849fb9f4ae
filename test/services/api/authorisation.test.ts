// The matrix route x scope, every cell; tokens; and what is served without any.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { listenLocally, socketName } from '#libs/runtime/local-socket'
import { systemClock } from '#libs/runtime/system-clock'
import { createToken, openTokenBook, readTokens, revokeToken } from '#libs/runtime/tokens'
import { type Route, type RouteName, routeTable } from '#schemas/api/routes'
import { type Scope, scopes } from '#schemas/api/scopes'
import { type ApiWorld, startApiWorld } from '#test/support/api-world'

let folder: string
let world: ApiWorld
const tokens = new Map<string, string>()
const path = (): string => join(folder, 'tokens.json')

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waybill-tokens-'))
  for (const scope of scopes) {
    const { text } = await createToken(path(), {
      name: `only-${scope}`,
      scopes: [scope],
      expiresAt: null,
      now: Date.now(),
    })
    tokens.set(scope, text)
  }
  world = await startApiWorld({ tokens: await openTokenBook(path(), systemClock) })
  const headers = bearer('write')
  const body = { source_path: '@disk/a', target_path: '@vault/a', job_id: 'known' }
  assert.equal((await world.call('/migrations', { method: 'POST', body, headers })).status, 202)
  await world.accept('known')
})
after(async () => {
  await world.close()
  await rm(folder, { recursive: true })
})

const bearer = (scope: string): Record<string, string> => ({ authorization: `Bearer ${tokens.get(scope)}` })

/** What each scope may do; null: open to all. A new route does not compile without its line. */
const expected: Readonly<Record<RouteName, Scope | null>> = {
  createMigration: 'write',
  listMigrations: 'read',
  showMigration: 'read',
  changeMigration: 'write',
  pauseMigration: 'write',
  resumeMigration: 'write',
  cancelMigration: 'write',
  retryMigration: 'write',
  showReport: 'report',
  listEvents: 'read',
  listChunks: 'read',
  sumChunks: 'read',
  listItems: 'read',
  explainItem: 'read',
  listFindings: 'read',
  listWorkers: 'read',
  showSystem: 'admin',
  showMetrics: 'read',
  showLiveness: null,
  showReadiness: null,
  showDescription: null,
  showPages: null,
}

const callers = ['nobody', 'stranger', ...scopes] as const

function isAllowed(caller: (typeof callers)[number], scope: Scope | null): boolean {
  return scope === null || caller === scope || caller === 'admin'
}

for (const [name, scope] of Object.entries(expected) as [RouteName, Scope | null][]) {
  const route: Route = routeTable[name]
  test(`${route.method} ${route.path}: ${scope ?? 'everyone'} may, all others may not`, async () => {
    for (const caller of callers) {
      const headers: Record<string, string> =
        caller === 'nobody'
          ? {}
          : caller === 'stranger'
            ? { authorization: `Bearer wbt_000000000000_${'A'.repeat(43)}` }
            : bearer(caller)
      const options = { method: route.method, headers, ...(route.method === 'GET' ? {} : { body: {} }) }
      const { status, body } = await world.call(route.path.replace('{job_id}', 'known'), options)
      const wanted = isAllowed(caller, scope) ? 'let in' : caller === 'nobody' || caller === 'stranger' ? 401 : 403
      if (wanted === 'let in') assert.ok(status !== 401 && status !== 403, `${caller}: ${status}`)
      else assert.equal(status, wanted, `${caller}: ${JSON.stringify(body)}`)
    }
  })
}

test('other ways to send a token, and other tokens, are none', async () => {
  const text = tokens.get('read') ?? ''
  const headers: readonly Record<string, string>[] = [
    { authorization: text },
    { authorization: `Basic ${Buffer.from(`x:${text}`).toString('base64')}` },
    { authorization: `Bearer ${text}x` },
    { authorization: `Bearer ${text.slice(0, -1)}` },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${text} ${text}` },
    { cookie: `token=${text}` },
  ]
  for (const each of headers) assert.equal((await world.call('/migrations', { headers: each })).status, 401)
  assert.equal((await world.call(`/migrations?access_token=${text}`)).status, 401)
})

test('the file holds digests only, is readable by its owner alone, and a file that others can read is refused', async () => {
  const { mode } = await stat(path())
  assert.equal(mode & 0o777, 0o600)
  const text = await readFile(path(), 'utf8')
  for (const token of tokens.values()) assert.ok(!text.includes(token) && !text.includes(token.slice(-43)))
  const loose = join(folder, 'loose.json')
  await writeFile(loose, text)
  await chmod(loose, 0o644)
  await assert.rejects(readTokens(loose), /CONFIG_INVALID/)
})

test('a token that was revoked or has expired is refused within two seconds, the others go on', async () => {
  const made = await createToken(path(), { name: 'brief', scopes: ['read'], expiresAt: null, now: Date.now() })
  const soon = new Date(Date.now() + 1500).toISOString()
  const expiring = await createToken(path(), { name: 'soon', scopes: ['read'], expiresAt: soon, now: Date.now() })
  const statusOf = async (text: string): Promise<number> =>
    (await world.call('/migrations', { headers: { authorization: `Bearer ${text}` } })).status
  await systemClock.sleep(1100)
  assert.deepEqual([await statusOf(made.text), await statusOf(expiring.text)], [200, 200])
  assert.equal(await revokeToken(path(), made.id), true)
  assert.equal(await revokeToken(path(), made.id), false)
  await systemClock.sleep(1100)
  assert.deepEqual([await statusOf(made.text), await statusOf(expiring.text)], [401, 401])
  assert.equal(await statusOf(tokens.get('read') ?? ''), 200)
})

test('the actor of an event is the name of the token', async () => {
  const body = { reason: 'lunch' }
  const { body: shown } = await world.call('/migrations/known/pause', {
    method: 'POST',
    body,
    headers: bearer('write'),
  })
  assert.deepEqual(shown.control, { by: 'only-write', reason: 'lunch', code: null })
})

test('without tokens only the loopback address is listened on, whatever was asked for, and the log says so', async () => {
  const open = await startApiWorld({ listen: () => ({ host: '0.0.0.0', port: 0 }) })
  try {
    assert.match(open.address, /^http:\/\/127\.0\.0\.1:/)
    assert.ok(open.lines.some((line) => line.includes('api has no tokens, so it listens on the loopback address only')))
    assert.equal((await open.call('/migrations')).status, 200)
  } finally {
    await open.close()
  }
})

function statusWithHost(address: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(`${address}/migrations`, { headers: { host } }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asked.once('error', reject)
    asked.end()
  })
}

test('without tokens a page of elsewhere that resolves to the loopback address is refused (DNS rebinding)', async () => {
  const open = await startApiWorld()
  try {
    const { host, port } = new URL(open.address)
    for (const good of [host, `localhost:${port}`, `[::1]:${port}`])
      assert.equal(await statusWithHost(open.address, good), 200)
    for (const bad of [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '0.0.0.0',
    ]) {
      assert.equal(await statusWithHost(open.address, bad), 403, bad)
    }
  } finally {
    await open.close()
  }
})

test('over a socket no token is needed, and only its owner can open it', async () => {
  const open = await startApiWorld({ listen: () => 'handed over' })
  const connections: Socket[] = []
  const place = await listenLocally(open.folder, (connection) => {
    connections.push(connection)
    open.handOver(connection)
  })
  const path = join(open.folder, socketName)
  try {
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const status = await new Promise<number>((resolve, reject) => {
      const asked = request({ socketPath: path, path: '/migrations' }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      asked.once('error', reject)
      asked.end()
    })
    assert.equal(status, 200)
  } finally {
    await place.close()
    for (const connection of connections) connection.destroy()
    await open.close()
  }
  await assert.rejects(stat(path), /ENOENT/)
})
