// Secrets are planted wherever one could lie, every route is asked in every way, and none of them comes out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'
import { createToken, openTokenBook } from '#libs/runtime/tokens'
import { type Route, routeTable } from '#schemas/api/routes'
import { scopes } from '#schemas/api/scopes'
import { startApiWorld } from '#test/support/api-world'

test('no planted secret is in an answer, a header, a metric, an event or a log line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-secrets-'))
  const path = join(folder, 'tokens.json')
  const { text: token } = await createToken(path, {
    name: 'reader',
    scopes: [...scopes],
    expiresAt: null,
    now: Date.now(),
  })
  const cursorKey = randomBytes(32)
  const planted = {
    token,
    'half of the token': token.slice(-43),
    'cursor key': cursorKey.toString('hex'),
    'webhook secret': 'canary-webhook-4f1d',
    'webhook address': 'canary-path-77aa',
    profile: 'canary-profile-c0de',
    endpoint: 'canary-endpoint.example',
    'password in a location': 'canary-password-1234',
    root: 'canary-root',
    header: 'canary-header-9999',
  }
  const world = await startApiWorld({
    cursorKey,
    tokens: await openTokenBook(path, systemClock),
    connections: (below) =>
      new Map([
        [
          'disk',
          {
            name: 'disk',
            place: { kind: 'files', path: join(below, 'canary-root') },
            profile: null,
            verifyProfile: null,
          },
        ],
        [
          'bucket',
          {
            name: 'bucket',
            place: {
              kind: 's3',
              bucket: 'b',
              prefix: '',
              endpoint: `https://u:${planted['password in a location']}@${planted.endpoint}`,
              region: null,
              isPathStyle: null,
            },
            profile: planted.profile,
            verifyProfile: null,
          },
        ],
      ]),
    webhook: (below) => ({
      url: `http://127.0.0.1:9/${planted['webhook address']}`,
      secret: planted['webhook secret'],
      stateFile: join(below, 'hook.json'),
    }),
  })
  const said: string[] = []
  const ask = async (method: string, asked: string, body: unknown, headers: Record<string, string>): Promise<void> => {
    const answer = await world.call(asked, {
      method,
      headers: { 'x-canary': planted.header, ...headers },
      ...(body === undefined ? {} : { body }),
    })
    said.push(answer.text, JSON.stringify([...answer.headers]))
  }
  const bearer = { authorization: `Bearer ${token}` }
  try {
    await ask('POST', '/migrations', { source_path: '@disk/a', target_path: '@bucket/a', job_id: 'known' }, bearer)
    await world.accept('known')
    for (const { method, path: template } of Object.values<Route>(routeTable)) {
      for (const headers of [{}, bearer, { authorization: `Bearer ${token}x` }, { ...bearer, accept: 'text/csv' }]) {
        for (const name of ['known', 'none']) {
          const body =
            method === 'GET'
              ? undefined
              : { reason: 'a reason', source_path: `s3://k:${planted['password in a location']}@b/x` }
          await ask(method, template.replace('{job_id}', name), body, headers)
        }
      }
    }
    for (let position = 0; ; position += 1) {
      const record = await world.log.readAt('jobs', 0, position)
      if (record === null) break
      said.push(String(record.value), String(record.key))
    }
    said.push(...world.lines)
    const all = said.join('\n')
    for (const [what, secret] of Object.entries(planted)) assert.ok(!all.includes(secret), `the ${what} came out`)
    assert.ok(said.length > 200)
  } finally {
    await world.close()
    await rm(folder, { recursive: true })
  }
})
