// Secrets are planted wherever an operator has to put one: configuration, environment, files, addresses, arguments of
// commands; and the store, the signal and the webhook send back whatever they are sent. The real program runs jobs that end
// well and jobs that fail, every command and route tells what it can, and then everything is searched that is left.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Route, routeTable } from '#schemas/api/routes'
import { scopes } from '#schemas/api/scopes'
import { freePort } from '#test/support/s3-server'
import { runWaybill, startWaybill, type WaybillProcess } from '#test/support/waybill-process'

const planted = {
  accessKey: 'canary-access-key-0001',
  secretKey: 'canary-secret-key-0002',
  sessionToken: 'canary-session-token-0003',
  hookSecret: 'canary-hook-secret-0004',
  hookAddress: 'canary-hook-address-0005',
  signalQuery: 'canary-signal-query-0006',
  signalToken: 'canary-signal-token-0007',
  commandWord: 'canary-command-word-0008',
  endpointPath: 'canary-endpoint-path-0009',
  wrongToken: 'canary-wrong-token-0010',
  placeInBody: 'canary-place-in-body-0011',
  keyInLocation: 'canary-key-in-location-0012',
} as const

/** Where each may stand, since it was put there by hand. */
const ownFiles = new Set(['waybill.toml', 'signal-token', 'credentials'])

async function listening(context: TestContext, answer: RequestListener): Promise<number> {
  const server: Server = createServer(answer)
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  context.after(() => void server.close())
  return port
}

/** Answers with all that it was sent, as a debugging proxy would. */
const echo =
  (status: number, heard: string[] = []): RequestListener =>
  (request, response) => {
    const said = `${request.rawHeaders.join('\n')}\n${request.url}`.replace(/[<&>]/g, ' ')
    request.setEncoding('utf8').on('data', (text: string) => heard.push(text))
    request.once('end', () => {
      response.writeHead(status, { 'content-type': 'application/xml' })
      response.end(`<Error><Code>AccessDenied</Code><Message>${said}</Message><Resource>${said}</Resource></Error>`)
    })
  }

function bytesIn(folder: string): readonly (readonly [string, Buffer])[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !ownFiles.has(entry.name))
    .map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name))] as const)
}

async function writePlace(
  context: TestContext,
  home: string,
  hookHeard: string[],
): Promise<{ readonly api: number; readonly store: string }> {
  for (const folder of ['source', 'other', 'target']) mkdirSync(join(home, folder))
  for (const folder of ['source', 'other']) writeFileSync(join(home, folder, 'file'), `${folder} file\n`)
  writeFileSync(join(home, 'signal-token'), planted.signalToken)
  const [api, hook] = [await freePort(), await listening(context, echo(500, hookHeard))]
  const [signal, store] = [await listening(context, echo(500)), await listening(context, echo(403))]
  const base = (port: number): string => `http://127.0.0.1:${port}`
  const lines = [
    '[serve]',
    'roles = ["coordinator", "worker", "verifier", "api"]',
    '[api]',
    `listen = "127.0.0.1:${api}"`,
    `webhook_url = "${base(hook)}/${planted.hookAddress}"`,
    `webhook_secret = "${planted.hookSecret}"`,
    '[connections.source]',
    `location = "${join(home, 'source')}"`,
    `signal_url = "${base(signal)}/load?key=${planted.signalQuery}"`,
    'signal_token_file = "signal-token"',
    'signal_threshold = 1',
    '[connections.other]',
    `location = "${join(home, 'other')}"`,
    `signal_command = ["sh", "-c", "echo $0 $1; echo $0 $1 >&2; exit 3", "${planted.commandWord}", "x"]`,
    'signal_threshold = 1',
    '[connections.target]',
    `location = "${join(home, 'target')}"`,
    '[connections.store]',
    'location = "s3://bucket/prefix"',
    `endpoint = "${base(store)}/?${planted.endpointPath}"`,
  ]
  writeFileSync(join(home, 'waybill.toml'), `${lines.join('\n')}\n`, { mode: 0o600 })
  return { api, store: base(store) }
}

type Ask = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<string>

async function untilSaid(ask: Ask, path: string, wanted: RegExp): Promise<void> {
  for (let tries = 0; tries < 60; tries += 1) {
    if (wanted.test(await ask('GET', path))) return
    await sleep(500)
  }
  throw new Error(`${path} did not come to ${wanted}: ${await ask('GET', path)}`)
}

/** The process listens once this has ended. */
function untilListens({ child }: WaybillProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let lines = ''
    child.stderr?.on('data', (text: string) => {
      lines += text
      if (lines.includes('api listens')) resolve()
    })
    child.once('close', (code) => reject(new Error(`serve ended with ${code}: ${lines}`)))
  })
}

async function askEverything(ask: Ask): Promise<void> {
  for (const { method, path } of Object.values<Route>(routeTable)) {
    for (const job of ['well', 'denied', 'none']) {
      const place = path.replace('{job_id}', job).replace('/explain', '/explain?path=file')
      if (method === 'GET') await ask('GET', place)
      else await ask(method, place, { reason: 'x', source_path: `s3://k:${planted.placeInBody}@b/x` })
    }
  }
  for (const accept of ['application/x-ndjson', 'text/csv', 'text/html'])
    await ask('GET', '/migrations/well/report', undefined, { accept })
  await ask('GET', '/migrations', undefined, { authorization: `Bearer ${planted.wrongToken}` })
  await ask('GET', `/migrations?min_position=${planted.wrongToken}`)
}

test('planted secrets are in no event, log, store, report, answer, metric or process title', async (context) => {
  const home = mkdtempSync(join(tmpdir(), 'waybill-secrets-'))
  context.after(() => rmSync(home, { recursive: true, force: true }))
  const hookHeard: string[] = []
  const { api, store } = await writePlace(context, home, hookHeard)
  const environment = {
    AWS_ACCESS_KEY_ID: planted.accessKey,
    AWS_SECRET_ACCESS_KEY: planted.secretKey,
    AWS_SESSION_TOKEN: planted.sessionToken,
    AWS_REGION: 'us-east-1',
  }
  const place = { home, environment }
  const config = ['--config', join(home, 'waybill.toml'), '--state-dir', join(home, 'state')]
  const made = JSON.parse(
    (await runWaybill(['tokens', 'create', 'all', '--scope', scopes.join(), '--json', ...config], place)).output,
  )
  const token = String(made.token)
  const serving = startWaybill(['serve', '-v', ...config], place)
  const said: string[] = []
  const ask: Ask = async (method, path, body, headers = {}) => {
    const answer = await fetch(`http://127.0.0.1:${api}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    said.push(text, JSON.stringify([...answer.headers]))
    return text
  }
  try {
    await untilListens(serving)
    await untilSaid(ask, '/readyz', /"ok"/)
    await ask('POST', '/migrations', { source_path: '@source', target_path: '@target/a', job_id: 'well' })
    await ask('POST', '/migrations', { source_path: '@other', target_path: '@target/b', job_id: 'signalled' })
    await ask('POST', '/migrations', { source_path: '@other', target_path: '@store/c', job_id: 'denied' })
    await untilSaid(ask, '/migrations/well', /"complete"/)
    await untilSaid(ask, '/migrations/denied', /"paused"|"failed"/)
    await askEverything(ask)
    said.push(readFileSync(`/proc/${serving.child.pid}/cmdline`, 'utf8'))
    for (const words of [
      ['config', 'check', ...config],
      ['doctor', ...config],
      ['tokens', 'list', ...config],
      [
        'migrate',
        'source',
        `s3://key:${planted.keyInLocation}@bucket/x`,
        '--target-endpoint',
        store,
        '-v',
        '--json',
        '--job',
        'uri',
      ],
      ['jobs', 'show', 'uri', '--json'],
      ['jobs', 'list', '--api', `http://127.0.0.1:${api}`],
    ]) {
      const { output, notices } = await runWaybill(words, place)
      said.push(output, notices)
    }
    const shown = (await runWaybill(['config', 'show', '--origin', ...config], place)).output
    for (const secret of [planted.hookSecret, planted.signalQuery, planted.signalToken])
      assert.ok(!shown.includes(secret), `config show tells ${secret}`)
  } finally {
    serving.child.kill('SIGTERM')
  }
  const { output, notices } = await serving.ended
  said.push(output, notices, ...hookHeard)
  const searched = [...bytesIn(home), ['what was said', Buffer.from(said.join('\n'))] as const]
  for (const [what, secret] of Object.entries({ ...planted, token, digest: token.slice(-20) }))
    for (const [where, bytes] of searched) assert.ok(!bytes.includes(secret), `${what} is in ${where}`)
  // The search can find what is there: the name of a job is in the log, the lines, the webhook and the answers.
  assert.ok(searched.filter(([, bytes]) => bytes.includes('denied')).length >= 3, 'nothing was searched')
  assert.match(notices, /signal/)
  assert.ok(hookHeard.join().includes('migration.ended'))
})
