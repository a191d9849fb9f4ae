import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { runWebhook, signatureOf } from '#services/api/webhook'
import { type ApiWorld, startApiWorld } from '#test/support/api-world'

interface Sent {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A receiver whose first answers are given; what `refuses` names is never taken. */
async function startReceiver(statuses: readonly number[], refuses: string | null = null) {
  const sent: Sent[] = []
  const server = createServer((request, answer) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      const isRefused = refuses !== null && String(request.headers['webhook-id']).startsWith(refuses)
      const status = isRefused ? 400 : (statuses[sent.length] ?? 204)
      sent.push({ headers: request.headers, body })
      answer.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/hook`, sent, close: () => server.close() }
}

async function endJob(world: ApiWorld, job: string): Promise<void> {
  const body = { source_path: `@disk/${job}`, target_path: '@vault/x', job_id: job }
  await world.call('/migrations', { method: 'POST', body })
  const { claim, epoch } = await world.accept(job)
  const pass = { job, claim, epoch, pass: 1 }
  await world.say({ type: 'PassOpened', ...pass, actor: 'test', reason: '', sourceRoot: 'root', readView: 'live' })
  await world.say({ type: 'PassCompleted', ...pass, positions: [], isCancelled: false, codes: [] })
}

async function until(isDone: () => boolean): Promise<void> {
  for (let tries = 0; !isDone(); tries += 1) {
    assert.ok(tries < 400, 'it did not come')
    await systemClock.sleep(25)
  }
}

test('the end of a pass is told once, signed, tried again after a refusal, and no redirect is followed', async () => {
  const receiver = await startReceiver([302, 500])
  const webhook = (folder: string) => ({
    url: receiver.url,
    secret: 'planted-webhook-secret',
    stateFile: join(folder, 'webhook.json'),
  })
  const world = await startApiWorld({ webhook })
  try {
    await systemClock.sleep(100)
    await endJob(world, 'ends')
    await until(() => receiver.sent.length >= 3)
    await systemClock.sleep(300)
    assert.equal(receiver.sent.length, 3, 'taken once')
    const [first, , last] = receiver.sent
    assert.equal(last?.body, first?.body)
    assert.deepEqual(JSON.parse(last?.body ?? ''), {
      type: 'migration.ended',
      job_id: 'ends',
      pass: 1,
      status: 'complete',
      overall_status: 'pass',
      is_cancelled: false,
      sentence: 'The source is empty; nothing was moved.',
      source_path: '@disk/ends',
      target_path: '@vault/x',
      software: 'test',
    })
    const { headers, body } = last as Sent
    const at = Number(headers['webhook-timestamp'])
    assert.equal(headers['webhook-id'], 'ends.1')
    assert.equal(headers['webhook-signature'], signatureOf('planted-webhook-secret', 'ends.1', at, body))
    assert.ok(!world.lines.join('\n').includes('planted-webhook-secret'))
  } finally {
    await world.close()
    receiver.close()
  }
})

test('what had ended before the first start is not told, and after a restart nothing is told twice', async () => {
  const receiver = await startReceiver([])
  const before = await startApiWorld()
  try {
    await endJob(before, 'old')
    const webhook = (folder: string) => ({
      url: receiver.url,
      secret: 's',
      stateFile: join(folder, '..', `hook-${process.pid}.json`),
    })
    const one = await startApiWorld({ log: before.log, webhook })
    await systemClock.sleep(200)
    await endJob(before, 'new')
    await until(() => receiver.sent.length === 1)
    await systemClock.sleep(100)
    await one.close()
    const two = await startApiWorld({ log: before.log, webhook })
    await systemClock.sleep(500)
    await two.close()
    assert.deepEqual(
      receiver.sent.map(({ headers }) => headers['webhook-id']),
      ['new.1'],
    )
  } finally {
    await before.close()
    receiver.close()
  }
})

test('a message that is never taken holds up no other, and is told again after a restart', async (context) => {
  const receiver = await startReceiver([], 'stuck')
  context.after(() => receiver.close())
  const before = await startApiWorld()
  context.after(() => before.close())
  const webhook = () => ({ url: receiver.url, secret: 's', stateFile: join(before.folder, 'hook.json') })
  const told = (): readonly string[] => receiver.sent.map(({ headers }) => String(headers['webhook-id']))
  const start = async (): Promise<() => Promise<void>> => {
    const world = await startApiWorld({ log: before.log, webhook })
    let closed: Promise<void> | null = null
    const close = (): Promise<void> => {
      closed ??= world.close()
      return closed
    }
    context.after(close)
    return close
  }
  const close = await start()
  await systemClock.sleep(100)
  await endJob(before, 'stuck')
  await until(() => told().includes('stuck.1'))
  for (const job of ['other', 'third']) {
    await endJob(before, job)
    await until(() => told().includes(`${job}.1`))
  }
  await close()
  receiver.sent.splice(0)
  await start()
  await until(() => told().includes('stuck.1'))
  assert.ok(!told().includes('other.1'), 'told once')
})

test('when what was told cannot be kept the telling ends, though another message is still being tried', async (context) => {
  const receiver = await startReceiver([], 'stuck')
  context.after(() => receiver.close())
  const world = await startApiWorld()
  context.after(() => world.close())
  const folder = join(world.folder, 'hook')
  mkdirSync(folder)
  const parts = { projection: world.projection, clock: systemClock, logger: silentLogger, software: 'test' }
  const options = { url: receiver.url, secret: 's', stateFile: join(folder, 'told.json') }
  const ended = runWebhook(parts, options, context.signal).then(
    () => null,
    (error: unknown) => error,
  )
  await until(() => existsSync(options.stateFile))
  await endJob(world, 'stuck')
  await until(() => receiver.sent.length > 0)
  rmSync(folder, { recursive: true })
  await endJob(world, 'other')
  const late = systemClock.sleep(10_000).then(() => 'it goes on')
  assert.match(String(await Promise.race([ended, late])), /ENOENT/)
})

test('a message is signed as the examples of Standard Webhooks are', () => {
  // https://github.com/standard-webhooks/standard-webhooks, libraries: the example that their tests share.
  const [secret, id] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'msg_p5jXN8AQM9LWM0D4loKWxJek']
  const signature = signatureOf(secret, id, 1_614_265_330, '{"test": 2432232314}')
  assert.equal(signature, 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  const own = createHmac('sha256', 'plain').update('a.1.b').digest('base64')
  assert.equal(signatureOf('plain', 'a', 1, 'b'), `v1,${own}`)
})
