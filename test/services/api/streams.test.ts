// Event streams, long polls and positions: also across a restart.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { systemClock } from '#libs/runtime/system-clock'
import { type ApiWorld, startApiWorld } from '#test/support/api-world'

const cursorKey = randomBytes(32)
let world: ApiWorld
before(async () => {
  world = await startApiWorld({ cursorKey })
  for (const job_id of ['told', 'other']) {
    const body = { source_path: `@disk/${job_id}`, target_path: '@vault/there', job_id }
    await world.call('/migrations', { method: 'POST', body })
    await world.accept(job_id)
  }
})
after(() => world.close())

interface StreamedEvent {
  readonly type: string
  readonly id: string
  readonly reason: string
}

/** Reads a stream until `count` events came, or `ms` are over. */
async function readStream(
  address: string,
  options: {
    readonly lastId?: string
    readonly query?: string
    readonly count: number
    readonly ms?: number
    readonly onOpen?: () => unknown
  },
): Promise<{ readonly events: readonly StreamedEvent[]; readonly lastId: string }> {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), options.ms ?? 3000)
  const headers = {
    accept: 'text/event-stream',
    ...(options.lastId === undefined ? {} : { 'last-event-id': options.lastId }),
  }
  const answer = await fetch(`${address}/migrations/told/events${options.query ?? ''}`, {
    headers,
    signal: stop.signal,
  })
  assert.equal(answer.status, 200)
  await options.onOpen?.()
  const events: StreamedEvent[] = []
  let lastId = options.lastId ?? ''
  let text = ''
  try {
    for await (const piece of answer.body ?? []) {
      text += Buffer.from(piece).toString()
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
        lastId = field('id') ?? lastId
        const told = field('data')
        if (told === undefined) continue
        events.push({ type: field('event') ?? '', id: lastId, reason: JSON.parse(told).event.reason ?? '' })
      }
      if (events.length >= options.count) break
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
  return { events, lastId }
}

const say = (job: string, reason: string): Promise<void> =>
  world.say({ type: 'JobPaused', job, actor: 'test', reason, code: null })

test('a stream tells the past of its own migration, then what happens', async () => {
  const { events } = await readStream(world.address, {
    count: 3,
    onOpen: async () => {
      await say('other', 'not for this stream')
      await say('told', 'first')
      await say('told', 'second')
    },
  })
  assert.deepEqual(
    events.map(({ type, reason }) => `${type} ${reason}`.trim()),
    ['JobAccepted', 'JobPaused first', 'JobPaused second'],
  )
})

test('Last-Event-ID takes a stream up again where it ended, in another process too', async () => {
  const seen: string[] = []
  let { events, lastId } = await readStream(world.address, { count: 1 })
  seen.push(...events.map(({ reason }) => reason))
  for (let n = 0; n < 20; n += 1) await say('told', `while away ${n}`)
  const heir = await startApiWorld({ log: world.log, cursorKey })
  try {
    for (const address of [heir.address, world.address, heir.address]) {
      await say('told', `between ${address}`)
      ;({ events, lastId } = await readStream(address, { lastId, count: 1, ms: 2000 }))
      assert.ok(events.length > 0)
      seen.push(...events.map(({ reason }) => reason))
    }
    ;({ events } = await readStream(heir.address, { lastId, count: 1000, ms: 300 }))
    seen.push(...events.map(({ reason }) => reason))
  } finally {
    await heir.close()
  }
  const away = seen.filter((reason) => reason.startsWith('while away'))
  // A client that left within a batch gets the batch again, and loses nothing.
  assert.deepEqual(
    [...new Set(away)],
    Array.from({ length: 20 }, (_, n) => `while away ${n}`),
  )
  assert.equal(new Set(seen.filter((reason) => reason.startsWith('between'))).size, 2)
})

test('a stream can be narrowed to types, and begin now', async () => {
  const { events } = await readStream(world.address, {
    query: '?types=JobResumed&from=now',
    count: 1,
    onOpen: async () => {
      await say('told', 'not asked for')
      await world.say({ type: 'JobResumed', job: 'told', actor: 'test', reason: 'asked for' })
    },
  })
  assert.deepEqual(
    events.map(({ reason }) => reason),
    ['asked for'],
  )
})

test('a made-up id, and one behind the end of the log, are refused', async () => {
  for (const id of ['x', 'jzzzzzzzzzzzz', 'j1.1.1', '__proto__', 'jzz']) {
    const headers = { accept: 'text/event-stream', 'last-event-id': id }
    const answer = await world.call('/migrations/told/events', { headers })
    assert.equal(answer.status, 400, `${id}: ${answer.text.slice(0, 200)}`)
    assert.equal(answer.body.code, 'POSITION_INVALID')
  }
})

test('pages of events hold all of them once, in any page size, with no cursor at the end', async () => {
  const whole = (await world.call('/migrations/told/events?limit=1000')).body
  assert.equal(whole.next, null)
  const reasons: string[] = []
  let cursor = ''
  for (let pages = 0; pages < 100; pages += 1) {
    const { body } = await world.call(`/migrations/told/events?limit=7${cursor}`)
    assert.ok(body.entries.length <= 7)
    reasons.push(...body.entries.map((entry: { event: { reason?: string } }) => entry.event.reason))
    if (body.next === null) break
    cursor = `&cursor=${encodeURIComponent(body.next)}`
  }
  assert.deepEqual(
    reasons,
    whole.entries.map((entry: { event: { reason?: string } }) => entry.event.reason),
  )
})

test('a cursor of another list, of another job or made up is refused', async () => {
  const { next } = (await world.call('/migrations/told/events?limit=1')).body
  for (const path of [
    `/migrations/other/events?cursor=${next}`,
    `/migrations/told/events?types=JobPaused&cursor=${next}`,
    `/migrations/told/chunks?cursor=${next}`,
    `/migrations?cursor=${next}`,
    `/migrations/told/events?cursor=${next}A`,
    `/migrations/told/events?cursor=${next.slice(0, -1)}`,
    '/migrations/told/events?cursor=AAAA',
  ]) {
    const answer = await world.call(path)
    assert.equal(answer.status, 400, path)
    assert.equal(answer.body.code, 'CURSOR_INVALID')
  }
})

test('min_position holds an answer back until it shows what was written', async () => {
  const reader = await startApiWorld({ log: world.log, limits: { positionWaitMs: 300 } })
  try {
    const written = await world.call('/migrations/told', { method: 'PATCH', body: { max_parallel_workers: 77 } })
    const position = written.headers.get('waybill-position')
    const read = await reader.call(`/migrations/told?min_position=${position}`)
    assert.equal(read.body.max_parallel_workers, 77)
    assert.equal((await reader.call('/migrations/told?min_position=jzzz')).body.code, 'POSITION_NOT_REACHED')
    assert.equal((await reader.call('/migrations/told?min_position=j1.1.1.1')).status, 400)
  } finally {
    await reader.close()
  }
})

test('a long poll ends when the status is there, when the migration has ended, or when its time is over', async () => {
  await world.say({ type: 'JobResumed', job: 'told', actor: 'test', reason: '' })
  const started = performance.now()
  const waiting = world.call('/migrations/told?wait=20s&status=paused')
  await systemClock.sleep(100)
  await say('told', 'now')
  assert.equal((await waiting).body.status, 'paused')
  assert.ok(performance.now() - started < 5000)
  const idle = await world.call('/migrations/told?wait=1s&status=complete')
  assert.equal(idle.body.status, 'paused')
})

test('closing ends streams and waits at once', async () => {
  const brief = await startApiWorld({ log: world.log })
  const stream = readStream(brief.address, { count: 1000, ms: 20_000 })
  const wait = brief.call('/migrations/told?wait=60s&status=complete').catch(() => null)
  await systemClock.sleep(200)
  const started = performance.now()
  await brief.close()
  await Promise.allSettled([stream, wait])
  assert.ok(performance.now() - started < 3000)
})
