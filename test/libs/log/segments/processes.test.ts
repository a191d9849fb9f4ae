import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { LogRecord } from '#libs/log/event-log'
import { readCount, readToEnd } from '#test/contracts/log-fixture'
import { integerBetween, seededRandom } from '#test/support/seeded-random'
import { freshFolder, openReader, openWriter, segmentsOf } from './segment-fixture.ts'

const program = join(import.meta.dirname, 'appending-process.ts')
const segmentBytesMax = 64 * 1024

interface Appending {
  readonly child: ChildProcess
  readonly lines: string[]
  /** Made at the start: a process that ends before it is waited for says so once only. */
  readonly closed: Promise<unknown>
  /** Resolves when so many lines were printed. */
  reaches(count: number): Promise<void>
}

function startAppending(t: TestContext, folder: string, first: number, before: readonly string[] = []): Appending {
  const command = [
    ...before,
    process.execPath,
    '--conditions=source',
    program,
    folder,
    `${first}`,
    `${segmentBytesMax}`,
  ]
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  })
  t.after(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  const lines: string[] = []
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  const reaches = async (count: number): Promise<void> => {
    while (lines.length < count && child.exitCode === null) await delay(2)
  }
  return { child, lines, closed, reaches }
}

const numberOf = (record: LogRecord): number => Number(record.key.toString().replace('key ', ''))

test('ten times kill -9 while it appends: what was answered is there, once each, and the log goes on', async (t) => {
  const seed = 1
  const random = seededRandom(seed)
  const folder = join(freshFolder(t), 'log')
  const answered = new Set<number>()
  let tails = 0
  for (let life = 0; life < 10; life += 1) {
    const first = Math.max(-1, ...answered) + 100
    const { child, lines, closed, reaches } = startAppending(t, folder, first)
    await reaches(20)
    await delay(integerBetween(random, 0, 30))
    child.kill('SIGKILL')
    await closed
    for (const line of lines) answered.add(Number(line))
    const log = await openWriter(t, folder, segmentBytesMax)
    if (log.cutShort !== null) tails += 1
    const found = (await readToEnd(log)).map(numberOf)
    await log.close()
    assert.equal(new Set(found).size, found.length, `seed ${seed}, life ${life}: no record twice`)
    const lost = [...answered].filter((number) => !found.includes(number))
    assert.deepEqual(lost, [], `seed ${seed}, life ${life}`)
  }
  t.diagnostic(
    `${answered.size} answered appends, ${tails} writes found cut short, ${segmentsOf(folder).length} segments`,
  )
})

test('another process reads a log from its making on while it is written, across segments and past a kill', async (t) => {
  const folder = join(freshFolder(t), 'log')
  const reader = await openReader(t, folder)
  const stop = new AbortController()
  const read: LogRecord[] = []
  const reading = (async () => {
    for await (const batch of reader.read(new Map(), stop.signal)) read.push(...batch)
  })()
  let first = 0
  for (let life = 0; life < 2; life += 1) {
    const { child, closed, reaches } = startAppending(t, folder, first)
    await reaches(300)
    child.kill('SIGKILL')
    await closed
    await (await openWriter(t, folder, segmentBytesMax)).close()
    first = 100_000
  }
  const all = await readToEnd(await openReader(t, folder))
  while (read.length < all.length) await delay(10)
  stop.abort()
  await reading
  assert.deepEqual(read.map(numberOf), all.map(numberOf))
  assert.ok(segmentsOf(folder).length > 2)
  const late = await readCount(reader, all.length)
  assert.deepEqual(late.map(numberOf), all.map(numberOf), 'a second reading of the same reader gets all of it as well')
})

const strace = spawnSync('strace', ['-V']).status === 0

test('a failed sync is final: no further record is taken, and what was answered before is there', {
  skip: !strace && 'no strace',
}, async (t) => {
  const folder = join(freshFolder(t), 'log')
  const inject = [
    'strace',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    'trace=fdatasync',
    '-e',
    'inject=fdatasync:error=EIO:when=12',
  ]
  const { lines, closed } = startAppending(t, folder, 0, inject)
  await closed
  const answered = lines.filter((line) => /^\d+$/.test(line)).map(Number)
  const [failure = '', then = ''] = lines.filter((line) => !/^\d+$/.test(line))
  assert.ok(answered.length > 0)
  assert.match(failure, /^LOG_WRITE_ERROR/)
  assert.match(then, /^then LOG_WRITE_ERROR/)
  const found = (await readToEnd(await openWriter(t, folder))).map(numberOf)
  assert.deepEqual(
    found.sort((a, b) => a - b),
    answered.sort((a, b) => a - b),
    'nothing unsynced is taken for durable',
  )
})
