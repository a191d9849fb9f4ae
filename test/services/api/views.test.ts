// What the API shows of a migration that really ran: items, chunks, findings, reports, metrics.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { reportFacts } from '#libs/projection/report-facts'
import { reportLeaves } from '#libs/projection/report-leaves'
import { writeReport } from '#libs/report/write'
import { runProgram } from '#test/services/cli/program'
import { type ApiWorld, startApiWorld } from '#test/support/api-world'
import { createMemoryWorld, KiB } from '#test/support/memory-migration'

const hostile = '<img src=x onerror=alert(1)>\u202e\u001b[31m\n"=cmd()'
let world: ApiWorld
let folder: string

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'waybill-views-'))
  const memory = createMemoryWorld()
  for (let n = 0; n < 25; n += 1)
    memory.tree.write(`folder/file-${String(n).padStart(2, '0')}`, Buffer.alloc(10 * KiB, n))
  memory.tree.write('large', Buffer.alloc(200 * KiB, 7))
  memory.tree.write(hostile, Buffer.from('hostile'))
  await memory.run()
  memory.target.store.corrupt(Buffer.from('large'), 70 * KiB)
  memory.target.store.corrupt(Buffer.from('folder/file-03'), 3)
  await memory.run({ aim: 'verify' })
  world = await startApiWorld({
    log: memory.log,
    reports: {
      writeMaster: async (job, sink) => {
        const { rows } = world.projection
        const about = { job, rows, log: memory.log, software: 'test', readers: ['reader'], hasOwnCredentials: false }
        const facts = await reportFacts({ ...about, state: 'completed', endedAt: 0 })
        const leaves = reportLeaves(about, { pass: 1, passesCompleted: 1, isLastPassCancelled: false })
        await writeReport(sink, { facts, leaves, signingKey: null })
      },
    },
  })
})
after(async () => {
  await world.close()
  rmSync(folder, { recursive: true })
})

async function everyEntry(path: string): Promise<readonly Record<string, unknown>[]> {
  const entries: Record<string, unknown>[] = []
  for (let cursor = '', pages = 0; pages < 100; pages += 1) {
    const { body, status, text } = await world.call(`${path}${path.includes('?') ? '&' : '?'}limit=4${cursor}`)
    assert.equal(status, 200, text)
    entries.push(...body.entries)
    if (body.next === null) return entries
    cursor = `&cursor=${body.next}`
  }
  throw new Error('the pages do not end')
}

test('a migration that was read again and is not equal is failed, and says what is wrong', async () => {
  const { body } = await world.call('/migrations/job')
  assert.equal(body.status, 'failed')
  assert.match(body.last_failure_reason, /2 items .* different at the target/)
  assert.equal(body.items.mismatched.items, 2)
  const listed = await world.call('/migrations?status=failed')
  assert.deepEqual(
    listed.body.entries.map((entry: { job_id: string }) => entry.job_id),
    ['job'],
  )
  assert.deepEqual((await world.call('/migrations?status=complete')).body, { entries: [], next: null })
})

test('the report names every failed chunk with both digests, page by page', async () => {
  const { body } = await world.call('/migrations/job/report')
  assert.deepEqual([body.job_id, body.overall_status, body.chunks_failed], ['job', 'fail', 2])
  assert.equal(body.failed_chunks.length, 2)
  for (const chunk of body.failed_chunks) {
    assert.match(chunk.source_checksum, /^[0-9a-f]{64}$/)
    assert.match(chunk.target_checksum, /^[0-9a-f]{64}$/)
    assert.notEqual(chunk.source_checksum, chunk.target_checksum)
  }
  const names = body.failed_chunks.flatMap((chunk: { items: { name: string }[] }) =>
    chunk.items.map(({ name }) => name),
  )
  assert.deepEqual(new Set(names), new Set(['large', 'folder/file-03']))
  const first = await world.call('/migrations/job/report?limit=1')
  const second = await world.call(`/migrations/job/report?limit=1&cursor=${first.body.next}`)
  assert.deepEqual([...first.body.failed_chunks, ...second.body.failed_chunks], body.failed_chunks)
})

test('the whole report is had in other forms, and the master passes `waybill report verify`', async () => {
  const accept = (form: string) => world.call('/migrations/job/report', { headers: { accept: form } })
  const master = await accept('application/x-ndjson')
  assert.equal(master.status, 200)
  assert.equal(master.headers.get('content-disposition'), 'attachment; filename="job.ndjson"')
  const path = join(folder, 'job.ndjson')
  writeFileSync(path, master.text)
  const end = await runProgram(['report', 'verify', path, '--json'], { folder })
  assert.equal(JSON.parse(end.output).verdict, 'valid', end.notices)
  assert.match((await accept('text/csv')).text, /^name,name_base64,/)
  const page = await accept('text/html')
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
  assert.ok(!page.text.includes('<img src=x'))
  assert.equal((await accept('application/pdf')).status, 406)
  assert.match((await accept('text/csv;q=0.5, application/json;q=0.1')).text, /^name,/)
})

test('items are listed in order, once, with names that cannot act, and can be narrowed to an outcome', async () => {
  const items = await everyEntry('/migrations/job/items')
  assert.equal(items.length, 27 + 1)
  assert.equal(new Set(items.map(({ name_base64: name }) => name)).size, items.length)
  const odd = items.find(({ name_base64: name }) => name === Buffer.from(hostile).toString('base64'))
  assert.doesNotMatch(String(odd?.['name']), /[\u0000-\u001f\u202e]/)
  const wrong = await everyEntry('/migrations/job/items?outcome=mismatched')
  assert.deepEqual(
    wrong.map(({ name }) => name),
    ['folder/file-03', 'large'],
  )
})

test('an item is found in the list by its name', async () => {
  const found = async (query: string) => (await world.call(`/migrations/job/items?${query}`)).body
  const { entries } = await found('path=folder/file-03')
  assert.deepEqual([entries.length, entries[0].name, entries[0].outcome], [1, 'folder/file-03', 'mismatched'])
  assert.deepEqual(await found('path=folder/file-03&outcome=verified'), { entries: [], next: null })
  assert.deepEqual(await found('path=none'), { entries: [], next: null })
  assert.equal((await found('path=%25zz')).code, 'REQUEST_INVALID')
})

test('one item is explained by name, an unknown one is 404, and a broken escape is 400', async () => {
  const told = await world.call('/migrations/job/items/explain?path=folder/file-03')
  assert.equal(told.body.item.outcome, 'mismatched')
  const types = told.body.generations[0].events.map((event: { type: string }) => event.type)
  assert.deepEqual(types.slice(0, 4), ['ChunkPlanned', 'ChunkLeased', 'ChunkTransferred', 'ChunkVerified'])
  assert.equal(types.at(-1), 'ChunkFailed')
  assert.equal((await world.call('/migrations/job/items/explain?path=none')).body.code, 'ITEM_UNKNOWN')
  assert.equal((await world.call('/migrations/job/items/explain?path=%25zz')).body.code, 'REQUEST_INVALID')
})

test('chunks are listed with the status they have, and counted in buckets that hold all of them', async () => {
  const chunks = await everyEntry('/migrations/job/chunks')
  const failed = await everyEntry('/migrations/job/chunks?status=failed')
  assert.equal(failed.length, 2)
  const { body } = await world.call('/migrations/job/chunks/summary?bucket_chunks=3')
  const sum = (name: string): number =>
    body.buckets.reduce(
      (total: number, bucket: { by_status: Record<string, number> }) => total + (bucket.by_status[name] ?? 0),
      0,
    )
  assert.equal(sum('verified') + sum('failed'), chunks.length)
  assert.equal(sum('failed'), 2)
  assert.equal(body.next, null)
})

test('findings say what a code means', async () => {
  const { body } = await world.call('/migrations/job/findings')
  for (const finding of body.entries) assert.ok(finding.count > 0)
  const codes = body.entries.map((finding: { code: string }) => finding.code)
  assert.ok(codes.includes('DIGEST_MISMATCH'), codes.join())
})

test('metrics count what the rows say, in the text format, with no name of anything as a label', async () => {
  const { text, headers } = await world.call('/metrics')
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const value = (line: string): number =>
    Number(new RegExp(`^${line.replace(/[{}]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1])
  assert.equal(value('waybill_items_total{outcome="mismatched"}'), 2)
  assert.equal(value('waybill_mismatches_total'), 2)
  assert.equal(value('waybill_jobs{status="failed"}'), 1)
  assert.ok(value('waybill_bytes_total{phase="read"}') > 450 * KiB)
  assert.equal(value('waybill_projection_lag_events'), 0)
  for (const name of [
    'waybill_chunk_seconds_count',
    'waybill_source_rate_bytes',
    'waybill_inflight_bytes',
    'waybill_event_loop_lag_seconds',
  ])
    assert.ok(value(name) >= 0, name)
  assert.match(text, /^waybill_build_info\{version="test",node="v/m)
  for (const line of text.split('\n'))
    assert.match(line, /^(# (HELP|TYPE) \w+ .*|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \S+|)$/, line)
  for (const secret of ['job"', 'folder', 'memory:', 'process-']) assert.ok(!text.includes(secret), secret)
})

test('workers, the system and health are told', async () => {
  const workers = (await world.call('/workers')).body.entries
  assert.ok(workers.some((worker: { source: string }) => worker.source === 'memory:source'))
  const system = (await world.call('/system')).body
  assert.equal(system.log.lag, 0)
  assert.deepEqual(
    system.connections.map((one: { name: string }) => one.name),
    ['disk', 'vault', 'bucket'],
  )
  assert.ok(!JSON.stringify(system).includes(world.folder), 'where a connection leads is told to no client')
  assert.deepEqual((await world.call('/readyz')).body, { status: 'ok', lag: null, reason: null })
})
