// What POST /migrations refuses (faults 3.3), and what it makes of repeated requests.
import assert from 'node:assert/strict'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { problemTable } from '#schemas/api/problems'
import { type ApiAnswer, type ApiWorld, plainConnections, startApiWorld } from '#test/support/api-world'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
  await mkdir(join(world.folder, 'disk/inside'), { recursive: true })
  await symlink('/etc', join(world.folder, 'disk/way-out'))
  await symlink('inside', join(world.folder, 'disk/way-in'))
})
after(() => world.close())

const good = { source_path: '@disk/inside', target_path: '@vault/there' }
const post = (body: unknown, headers: Record<string, string> = {}): Promise<ApiAnswer> =>
  world.call('/migrations', { method: 'POST', body, headers })
const postText = (text: string, headers: Record<string, string> = {}): Promise<ApiAnswer> =>
  world.call('/migrations', { method: 'POST', text, headers })
const withText = (member: string): string => JSON.stringify(good).replace(/\}$/, `,${member}}`)

const refused: readonly (readonly [string, string, string, string])[] = [
  ['a field that is not known', withText('"throughput_limt":1'), 'REQUEST_INVALID', '/throughput_limt'],
  [
    'null for a number',
    withText('"throughput_limit_gb_per_hour":null'),
    'REQUEST_INVALID',
    '/throughput_limit_gb_per_hour',
  ],
  [
    'text for a number',
    withText('"throughput_limit_gb_per_hour":"400"'),
    'REQUEST_INVALID',
    '/throughput_limit_gb_per_hour',
  ],
  ['true for a whole number', withText('"max_parallel_workers":true'), 'REQUEST_INVALID', '/max_parallel_workers'],
  [
    'a number beyond all',
    withText('"throughput_limit_gb_per_hour":1e999'),
    'REQUEST_INVALID',
    '/throughput_limit_gb_per_hour',
  ],
  [
    'a huge number',
    withText('"throughput_limit_gb_per_hour":1e308'),
    'REQUEST_INVALID',
    '/throughput_limit_gb_per_hour',
  ],
  ['0 as a limit', withText('"throughput_limit_gb_per_hour":0'), 'REQUEST_INVALID', '/throughput_limit_gb_per_hour'],
  [
    'a negative limit',
    withText('"throughput_limit_gb_per_hour":-1'),
    'REQUEST_INVALID',
    '/throughput_limit_gb_per_hour',
  ],
  ['half a worker', withText('"max_parallel_workers":0.5'), 'REQUEST_INVALID', '/max_parallel_workers'],
  [
    'a number that JSON does not carry',
    withText('"expected_bytes":9007199254740993'),
    'REQUEST_INVALID',
    '/expected_bytes',
  ],
  ['another priority', withText('"priority":"urgent"'), 'REQUEST_INVALID', '/priority'],
  ['a long text', withText(`"storage_class":"${'x'.repeat(100)}"`), 'REQUEST_INVALID', '/storage_class'],
  [
    'too many rules',
    withText(`"rules":[${Array.from({ length: 501 }, () => '{"action":"include","glob":"a"}')}]`),
    'REQUEST_INVALID',
    '/rules',
  ],
  ['a missing field', '{"source_path":"@disk/inside"}', 'REQUEST_INVALID', '/target_path'],
  ['a list as the root', '[]', 'REQUEST_INVALID', ''],
  ['a name given twice', withText('"source_path":"@disk/other"'), 'JSON_INVALID', ''],
  ['a name given twice, spelled otherwise', withText('"\\u0073ource_path" \n : "@disk/other"'), 'JSON_INVALID', ''],
  ['__proto__', withText('"__proto__":{"admin":true}'), 'JSON_INVALID', ''],
  ['__proto__ in disguise', withText('"\\u005f_proto__":{}'), 'JSON_INVALID', ''],
  ['constructor', withText('"constructor":{"prototype":{}}'), 'REQUEST_INVALID', '/constructor'],
  ['deep nesting', withText(`"rules":${'['.repeat(20_000)}${']'.repeat(20_000)}`), 'JSON_INVALID', ''],
  ['JSON that ends early', '{"source_path":', 'JSON_INVALID', ''],
  ['two values', `${JSON.stringify(good)}{}`, 'JSON_INVALID', ''],
  ['NaN', withText('"throughput_limit_gb_per_hour":NaN'), 'JSON_INVALID', ''],
  ['an empty body', '  ', 'JSON_INVALID', ''],
  ['a sample without its share', withText('"verify":"sample"'), 'OPTIONS_CONFLICT', '/sample_percent'],
  [
    'two ways to limit',
    withText('"throughput_limit_gb_per_hour":1,"throughput_timetable":"1GB/h Mon 2GB/h UTC"'),
    'OPTIONS_CONFLICT',
    '/throughput_timetable',
  ],
  [
    'a timetable that is none',
    withText('"throughput_timetable":"now and then UTC"'),
    'OPTIONS_CONFLICT',
    '/throughput_timetable',
  ],
  ['a storage class on a folder', withText('"storage_class":"STANDARD_IA"'), 'OPTIONS_CONFLICT', '/storage_class'],
]

test('what says too much, too little or two things is refused with 400, its code and its pointer', async (t) => {
  for (const [what, text, code, pointer] of refused) {
    await t.test(what, async () => {
      const answer = await postText(text)
      assert.equal(answer.status, 400, answer.text)
      assert.equal(answer.body.code, code)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
      const pointers = (answer.body.errors ?? []).map((one: { pointer: string }) => one.pointer)
      if (pointer !== '') assert.ok(pointers.includes(pointer), answer.text)
    })
  }
})

test('a mistake is told once, in words of people, also where a choice or a pattern was not met', async () => {
  const told = async (path: string, method: string, body?: unknown) =>
    (await world.call(path, { method, ...(body === undefined ? {} : { body }) })).body
  const change = (body: unknown) => told('/migrations/none', 'PATCH', body)
  const rate = '/throughput_limit_gb_per_hour'
  assert.deepEqual((await change({ throughput_limit_gb_per_hour: 0 })).errors, [
    { pointer: rate, detail: 'must be >= 0.001, or "unlimited"' },
  ])
  assert.deepEqual((await change({ throughput_limit_gb_per_hour: 'fast', max_parallel_workers: 0.5 })).errors, [
    { pointer: rate, detail: 'must be number, or "unlimited"' },
    { pointer: '/max_parallel_workers', detail: 'must be integer, or "unlimited"' },
  ])
  assert.deepEqual((await change({})).errors, [{ pointer: '', detail: 'names nothing' }])
  const wait = await told('/migrations/none?wait=999h', 'GET')
  assert.deepEqual(wait.errors, [
    { pointer: '/query/wait', detail: 'does not fit: How long at most, in whole seconds: 1s to 60s.' },
  ])
  assert.equal(wait.detail, '/query/wait does not fit: How long at most, in whole seconds: 1s to 60s.')
})

test('every problem says more than its title, and its type leads to the page that explains it', async () => {
  const page = (await world.call('/docs')).text
  const answers = [
    await world.call('/nowhere'),
    await world.call('/migrations/none'),
    await world.call('/migrations', { method: 'DELETE' }),
    await world.call('/migrations?cursor=x'),
    await post({ ...good, source_path: '/etc' }),
    await postText('{'),
  ]
  for (const { body, text } of answers) {
    assert.equal(body.type, `/docs#${body.code}`, text)
    assert.notEqual(body.detail, body.title)
  }
  for (const [code, { title, help }] of Object.entries(problemTable)) {
    assert.ok(page.includes(`id="${code}"`), code)
    assert.ok(help !== title && help.endsWith('.'), code)
  }
})

const places: readonly (readonly [string, string])[] = [
  ['/etc', 'LOCATION_INVALID'],
  ['file:///etc', 'LOCATION_INVALID'],
  ['s3://stranger/prefix', 'LOCATION_INVALID'],
  ['s3://bucket?endpoint=http://169.254.169.254', 'LOCATION_INVALID'],
  ['http://169.254.169.254/latest', 'LOCATION_INVALID'],
  ['@disk/../../etc', 'LOCATION_INVALID'],
  ['@disk/./inside', 'LOCATION_INVALID'],
  ['@disk//etc', 'LOCATION_INVALID'],
  ['@disk/inside/', 'LOCATION_INVALID'],
  ['@disk/a\u0000b', 'LOCATION_INVALID'],
  ['@disk/a\nb', 'LOCATION_INVALID'],
  ['@disk/..\\..\\etc', 'LOCATION_INVALID'],
  ['@disk?endpoint=http://evil', 'LOCATION_INVALID'],
  ['@user:secret@host/x', 'LOCATION_INVALID'],
  [`@disk/${'x'.repeat(256)}`, 'LOCATION_INVALID'],
  ['@nowhere/inside', 'CONNECTION_UNKNOWN'],
  ['@__proto__/x', 'LOCATION_INVALID'],
  ['@constructor/x', 'CONNECTION_UNKNOWN'],
  ['@disk/way-out', 'LOCATION_ESCAPES'],
  ['@disk/way-out/ssh', 'LOCATION_ESCAPES'],
]

test('a place that is not below a connection is refused, as source and as target', async (t) => {
  for (const [place, code] of places) {
    await t.test(JSON.stringify(place).slice(0, 60), async () => {
      for (const body of [
        { ...good, source_path: place },
        { ...good, target_path: place },
      ]) {
        const answer = await post(body)
        assert.equal(answer.status, 400, answer.text)
        assert.equal(answer.body.code, code)
      }
    })
  }
})

test('source and target within each other are refused', async () => {
  for (const target_path of ['@disk/inside', '@disk/inside/below', '@disk']) {
    assert.equal((await post({ ...good, target_path })).body.code, 'LOCATIONS_OVERLAP')
  }
})

test('a link within the connection, and what does not exist yet, are accepted', async () => {
  assert.equal((await post({ ...good, source_path: '@disk/way-in', job_id: 'link' })).status, 202)
  assert.equal((await post({ ...good, source_path: '@disk/not/yet/there', job_id: 'new' })).status, 202)
})

test('a body that is too large is 413, another media type is 415, and neither ends the server', async () => {
  assert.equal((await postText(`{"x":"${'x'.repeat(70_000)}"}`)).body.code, 'BODY_TOO_LARGE')
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/json/x',
  ]) {
    const answer = await postText(JSON.stringify(good), { 'content-type': type })
    assert.equal(answer.status, 415, `${type}: ${answer.text}`)
    assert.equal(answer.body.code, 'MEDIA_TYPE_UNSUPPORTED')
  }
  assert.equal((await world.call('/livez')).status, 200)
})

test('the same Idempotency-Key and body give the same migration, another body gives 422', async () => {
  const headers = { 'idempotency-key': 'order-17' }
  const body = { ...good, source_path: '@disk/keyed' }
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(body, headers)))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]))
  assert.equal(new Set(answers.map(({ body: { job_id } }) => job_id)).size, 1)
  const job = answers[0]?.body.job_id
  await world.accept(job)
  assert.equal((await post(body, headers)).body.job_id, job, 'also once it is accepted')
  const other = await post({ ...body, priority: 'low' }, headers)
  assert.equal(other.status, 422, other.text)
  assert.equal(other.body.code, 'KEY_REUSED')
  assert.equal(other.body.detail, `it made the migration ${job}; use a new key`)
})

test('the same key sent to two processes at once, or after a restart, is one migration', async () => {
  const other = await startApiWorld({ log: world.log, connections: () => plainConnections(world.folder) })
  try {
    const headers = { 'idempotency-key': 'order-18' }
    const body = { ...good, source_path: '@disk/keyed-twice' }
    const send = (to: ApiWorld) => to.call('/migrations', { method: 'POST', body, headers })
    const answers = await Promise.all([send(world), send(other)])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202],
    )
    const job = answers[0]?.body.job_id
    assert.equal(answers[1]?.body.job_id, job)
    await world.accept(job)
    assert.equal((await send(other)).body.job_id, job)
    const { entries } = (await world.call('/migrations?limit=1000')).body
    assert.equal(entries.filter((entry: { job_id: string }) => entry.job_id === job).length, 1)
  } finally {
    await other.close()
  }
})

test('a name that is taken, and the same two places again, are 409', async () => {
  const body = { ...good, source_path: '@disk/twice' }
  const first = await post(body)
  assert.equal(first.status, 202)
  const again = await post(body)
  assert.equal(again.status, 409)
  assert.equal(again.body.code, 'MIGRATION_EXISTS')
  assert.match(again.body.detail, new RegExp(first.body.job_id))
  assert.equal((await post({ ...good, job_id: first.body.job_id })).body.code, 'MIGRATION_EXISTS')
})
