// Requests that no one would send: made from the description of the API by schemathesis, and mangled by hand. Whatever
// comes, the answer is no 5xx, the process lives, and its memory does not grow with it. schemathesis comes by pip into a
// virtual environment that is kept in the cache.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#libs/runtime/system-clock'
import { createToken, openTokenBook } from '#libs/runtime/tokens'
import { type Route, routeTable } from '#schemas/api/routes'
import { scopes } from '#schemas/api/scopes'
import { type ApiWorld, startApiWorld } from '../support/api-world.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { createMemoryWorld, KiB } from '../support/memory-migration.ts'

const version = '4.32.5'

interface Run {
  readonly code: number
  readonly output: string
}

function run(command: string, words: readonly string[], folder?: string): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

/** null: it cannot be had here. */
async function schemathesis(campaign: Campaign): Promise<string | null> {
  const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), `waybill-fuzz-${version}`)
  const program = join(home, 'bin/schemathesis')
  if (existsSync(program)) return program
  mkdirSync(home, { recursive: true })
  for (const [command, words] of [
    ['python3', ['-m', 'venv', home]],
    [join(home, 'bin/pip'), ['install', '--quiet', `schemathesis==${version}`]],
  ] as const) {
    const { code, output } = await run(command, words).catch((error: unknown) => ({ code: 1, output: String(error) }))
    if (code === 0) continue
    campaign.note(`no schemathesis: ${output.trim().split('\n').at(-1)}`)
    return null
  }
  return program
}

/** A migration that is complete, behind the API, with tokens. */
async function startWorld(campaign: Campaign): Promise<{ readonly world: ApiWorld; readonly token: string }> {
  const memory = createMemoryWorld()
  for (let n = 0; n < 30; n += 1) memory.tree.write(`folder/file-${n} ${'\u202e'}<b>`, Buffer.alloc(10 * KiB, n))
  memory.tree.write('large', Buffer.alloc(300 * KiB, 7))
  await memory.run()
  const path = join(campaign.folder, 'tokens.json')
  const { text } = await createToken(path, { name: 'fuzz', scopes: [...scopes], expiresAt: null, now: Date.now() })
  const limits = { requestsPerSecond: 100_000, positionWaitMs: 30, statusWaitMs: 30, openMigrationsMax: 100_000 }
  const tokens = await openTokenBook(path, systemClock)
  return { world: await startApiWorld({ log: memory.log, tokens, limits }), token: text }
}

const countOf = (output: string, pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0)

async function byDescription(campaign: Campaign, world: ApiWorld, token: string): Promise<void> {
  const program = await schemathesis(campaign)
  if (program === null) return
  const examples = campaign.isQuick ? 20 : 260
  // Over-long addresses and bodies are refused before a schema is asked, which schemathesis would not count as a refusal;
  // and what a schema cannot say (a cursor must be one that was given) is refused with 400 all the same.
  const config = join(campaign.folder, 'schemathesis.toml')
  const refusals = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429, 431]
  writeFileSync(
    config,
    `[checks]\nnegative_data_rejection.expected-statuses = ${JSON.stringify(refusals)}\npositive_data_acceptance.enabled = false\n`,
  )
  const words = [
    ...['--config-file', config, 'run', `${world.address}/openapi.json`],
    ...['--max-examples', String(examples), '--seed', String(campaign.seed)],
    ...['--header', `Authorization: Bearer ${token}`, '--request-timeout', '20', '--no-color', '--continue-on-failure'],
  ]
  // It keeps examples in the folder where it runs.
  const { code, output } = await run(program, words, campaign.folder)
  writeFileSync(join(campaign.folder, 'schemathesis.log'), output)
  const made = countOf(output, /(\d+) generated/)
  const failures = output.split('\n').filter((line) => /^\s+(❌|🚫) .*: \d+$/.test(line))
  campaign.promise('every answer to a request made from the description is as described, and none is 5xx', {
    holds: code === 0 && made >= (campaign.isQuick ? 300 : 5_000),
    figures: `${made} requests, ${failures.length === 0 ? 'no failure' : failures.map((line) => line.trim()).join(', ')}`,
  })
}

function pick<T>(campaign: Campaign, values: readonly T[]): T {
  return values[Math.floor(campaign.random() * values.length)] as T
}

const words = [
  '"',
  '{',
  '[',
  ':',
  ',',
  '\\u0000',
  '__proto__',
  '1e999',
  '-0',
  'null',
  '9007199254740993',
  '\ud800',
  '%00',
  '..',
  '\r\n',
  '\u202e',
  '@disk',
  'j1',
  '{}',
]

/** A body that was once right. */
function mangled(campaign: Campaign): string {
  const text = JSON.stringify({
    source_path: '@disk/a',
    target_path: '@vault/b',
    priority: 'low',
    rules: [{ action: 'include', glob: '**' }],
  })
  let result = text
  for (let changes = 1 + Math.floor(campaign.random() * 4); changes > 0; changes -= 1) {
    const at = Math.floor(campaign.random() * result.length)
    const cut = at + Math.floor(campaign.random() * 8)
    result = result.slice(0, at) + pick(campaign, words) + result.slice(pick(campaign, [at, cut]))
  }
  return result
}

function rawRequest(campaign: Campaign, token: string): string {
  const { method, path } = pick(campaign, Object.values<Route>(routeTable))
  const address = path.replace('{job_id}', pick(campaign, ['job', 'none', '%2e%2e', 'a%00b', '..', 'job%2f..', '%ff']))
  const query = pick(campaign, [
    '',
    '?',
    '?cursor=AAAA',
    '?limit=0',
    '?limit=1&limit=2',
    '?min_position=j',
    '?__proto__[x]=1',
    '?path=%',
    `?path=${'x'.repeat(200)}`,
    '?wait=1s',
  ])
  const verb = pick(campaign, [method, method, method, 'QUERY', 'TRACE', 'OPTIONS', 'DELETE', 'get'])
  const body = mangled(campaign)
  const headers = [
    'host: 127.0.0.1',
    `authorization: ${pick(campaign, [`Bearer ${token}`, `Bearer ${token}`, 'Bearer x', ''])}`,
    `content-type: ${pick(campaign, ['application/json', 'application/json', 'application/json; charset=utf-16', 'text/plain', 'application/xml', ''])}`,
    pick(campaign, [
      'x-a: b',
      'accept: text/csv',
      'accept: application/x-ndjson',
      'accept: */*;q=x',
      'transfer-encoding: chunked',
      'expect: 100-continue',
      'idempotency-key: \u0001',
      'if-match: "',
      `x-long: ${'y'.repeat(70_000)}`,
      'content-encoding: gzip',
    ]),
  ]
  const length = pick(campaign, [Buffer.byteLength(body), Buffer.byteLength(body), Buffer.byteLength(body) - 1, -1])
  return `${verb} ${address}${query} HTTP/1.1\r\n${headers.join('\r\n')}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`
}

/** The status of the answer; 0: the connection was closed without one, or nothing came in time. */
function send(address: string, text: string): Promise<number> {
  const { hostname, port } = new URL(address)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(text))
    let answer = ''
    const end = (): void => {
      socket.destroy()
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0))
    }
    socket.setTimeout(2_000, end)
    socket.on('data', (piece) => {
      if (answer.length < 100) answer += piece.toString('latin1')
      if (answer.includes('text/event-stream')) end()
    })
    socket.once('error', end)
    socket.once('close', end)
  })
}

async function byHand(campaign: Campaign, world: ApiWorld, token: string): Promise<void> {
  const requests = campaign.isQuick ? 1_000 : 6_000
  const statuses = new Map<number, number>()
  const bad: string[] = []
  for (let sent = 0; sent < requests; sent += 20) {
    const texts = Array.from({ length: 20 }, () => rawRequest(campaign, token))
    for (const [index, status] of (await Promise.all(texts.map((text) => send(world.address, text)))).entries()) {
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (status >= 500) bad.push(texts[index]?.slice(0, 200) ?? '')
    }
  }
  const told = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  campaign.promise('no mangled request gets a 5xx', {
    holds: bad.length === 0,
    figures: `${requests} requests, ${told.join(', ')}${bad.length === 0 ? '' : `; first: ${JSON.stringify(bad[0])}`}`,
  })
}

const residentMiB = (): number => process.memoryUsage().rss / 1024 ** 2

await runCampaign('fuzz', async (campaign) => {
  const { world, token } = await startWorld(campaign)
  try {
    await byHand(campaign, world, token)
    const before = residentMiB()
    await byHand(campaign, world, token)
    await byDescription(campaign, world, token)
    const after = residentMiB()
    const isAlive = (await world.call('/livez')).status === 200
    campaign.promise('the process lives, and its memory is bounded', {
      holds: isAlive && after - before < 200,
      figures: `${before.toFixed(0)} MiB before the second half, ${after.toFixed(0)} MiB after it`,
    })
    const mistakes = world.lines.filter((line) => line.startsWith('request failed'))
    campaign.promise('nothing was logged as a mistake of waybill', {
      holds: mistakes.length === 0,
      figures: mistakes.length === 0 ? 'no line' : `${mistakes.length} lines, first: ${mistakes[0]?.slice(0, 400)}`,
    })
  } finally {
    await world.close()
  }
})
