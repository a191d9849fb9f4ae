import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createKafka } from '#libs/log/kafka/kafka-client'
import { silentLogger } from '#libs/runtime/logger'
import { makeTopics } from '#test/libs/log/kafka/kafka-fixture'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { createPlace, type ProgramEnd, type RunningProgram, runProgram, startProgram } from '../program.ts'
import { objectOf } from './job-place.ts'

const place = createPlace()
after(place.remove)
const config = join(place.folder, 'waybill.toml')

const run = (...words: readonly string[]): Promise<ProgramEnd> => runProgram([...words, '--config', config], place)

function configure(brokers: readonly string[], more = ''): void {
  writeFileSync(
    config,
    `[kafka]
brokers = ${JSON.stringify(brokers)}
topic_prefix = "moves"
chunk_partitions = 4
job_partitions = 2
replicas = 1
min_insync_replicas = 1
${more}
[connections.from]
location = "${join(place.folder, 'from')}"
[connections.to]
location = "${join(place.folder, 'to')}"
`,
  )
}

/** A process with every role, and its log. */
function serve(): RunningProgram {
  return startProgram(
    [
      'serve',
      '--roles',
      'coordinator,worker,verifier',
      '--config',
      config,
      '--log-file',
      join(place.folder, 'serve.log'),
    ],
    place,
    300,
  )
}

withKafka(() => {
  let cluster: KafkaCluster
  before(async () => {
    cluster = await startKafkaCluster()
    for (const name of ['from/tree/inner', 'to']) mkdirSync(join(place.folder, name), { recursive: true })
    for (let n = 0; n < 20; n += 1) writeFileSync(join(place.folder, `from/tree/inner/${n}.txt`), `file ${n}`)
  })
  after(() => cluster.stop())

  test('topics create makes what is missing, and topics check refuses what loses records', async () => {
    configure(cluster.brokers)
    const missing = await run('topics', 'check', '--json')
    assert.equal(missing.code, 3)
    assert.equal((objectOf(missing)['findings'] as unknown[]).length, 4)
    const made = await run('topics', 'create')
    assert.equal(made.code, 0, made.notices)
    assert.match(made.output, /made {2}moves\.jobs\n[\s\S]*The topics are as they must be\.\n$/)
    const again = await run('topics', 'create', '--json')
    assert.deepEqual(objectOf(again)['made'], [])
    const larger = await run('topics', 'check', '--chunk-partitions', '8')
    assert.equal(larger.code, 3)
    assert.match(larger.output, /FAIL {2}moves\.chunks: partitions is 4, should be 8/)
    const prefix = await makeTopics(cluster, { settings: { 'cleanup.policy': 'delete' } })
    const environment = { WAYBILL_KAFKA_TOPIC_PREFIX: prefix }
    const words = ['topics', 'check', '--config', config]
    const unsafe = await runProgram(words, { ...place, environment })
    assert.equal(unsafe.code, 3)
    assert.match(unsafe.output, /cleanup\.policy is delete, should be compact: .*audit trail/)
    const allowed = await runProgram([...words, '--allow-unsafe-topics'], { ...place, environment })
    assert.equal(allowed.code, 0)
    const refused = await runProgram(['serve', '--roles', 'worker', '--config', config], { ...place, environment })
    assert.equal(refused.code, 2)
    assert.match(refused.notices, /CONFIG_INVALID: .*--allow-unsafe-topics works on it/)
  })

  test('a job is asked for, waited for, shown, explained and reported over the log alone', async () => {
    configure(cluster.brokers)
    const submitted = await run('jobs', 'submit', '@from/tree', '@to/copy', '--json')
    assert.equal(submitted.code, 0, submitted.notices)
    const { job_id: job, action } = objectOf(submitted)
    assert.equal(action, 'requested')
    assert.match(String(job), /^tree-to-copy-[0-9a-f]{8}$/)
    const twice = await run('jobs', 'submit', '@from/tree/', '@to/copy')
    assert.equal(twice.output, `${job}\n`)
    assert.match(twice.notices, /was asked for before/)
    const early = await run('jobs', 'wait', String(job), '--timeout', '1s')
    assert.equal(early.code, 2, early.notices)
    const process = serve()
    try {
      const waited = await run('jobs', 'wait', String(job), '--timeout', '25s')
      assert.equal(waited.code, 0, waited.notices + readFileSync(join(place.folder, 'serve.log'), 'utf8'))
      const [instance = ''] = readdirSync(join(place.folder, 'state/waybill/serve'))
      assert.ok(existsSync(join(place.folder, 'state/waybill/serve', instance, 'alive')))
      assert.match(waited.notices, /^VERIFIED\. [\s\S]* next {10}waybill report show /m)
      assert.deepEqual(readdirSync(join(place.folder, 'to/copy/inner')).length, 20)
      const list = objectOf(await run('jobs', 'list', '--json'))['jobs'] as Record<string, unknown>[]
      assert.deepEqual(
        list.map((each) => [each['job_id'], each['state']]),
        [[job, 'completed']],
      )
      const shown = await run('jobs', 'show', String(job))
      assert.match(shown.output, /: completed\n[\s\S]* cluster {7}moves at 127/)
      const explained = await run('explain', String(job), 'inner/7.txt')
      assert.equal(explained.code, 0, explained.notices)
      const report = join(place.folder, 'report.ndjson')
      assert.equal((await run('report', 'show', String(job), '--output', report)).code, 0)
      const first = readFileSync(report, 'utf8')
      assert.equal((await run('report', 'verify', report)).code, 0)
      await run('report', 'show', String(job), '--output', report)
      assert.equal(readFileSync(report, 'utf8'), first, 'a job at rest has one report')
      const other = await run('jobs', 'submit', '@from/tree', '@to/copy', '--symlinks', 'skip')
      assert.equal(other.code, 2)
      assert.match(other.notices, /JOB_DIFFERS/)
      const pass = await run('jobs', 'submit', '@from/tree', '@to/copy', '--json')
      assert.equal(objectOf(pass)['action'], 'new_pass')
      const second = await run('jobs', 'wait', String(job), '--timeout', '25s', '--json')
      assert.equal(second.code, 0, second.notices)
      assert.equal(objectOf(second)['pass'], 2)
    } finally {
      process.signal('SIGTERM')
    }
    assert.equal((await process.end).code, 0)
  })

  test('rebuild folds all topics again, to the end, to positions and to a time, and makes the report as of then', async () => {
    configure(cluster.brokers)
    const end = await run('rebuild', '--json')
    assert.equal(end.code, 0, end.notices)
    const whole = objectOf(end)
    const [job] = whole['jobs'] as { job_id: string; exit_code: number; pass: number }[]
    assert.deepEqual([job?.exit_code, job?.pass], [0, 2])
    assert.equal(objectOf(await run('rebuild', '--json'))['state_digest'], whole['state_digest'])
    const text = await run('rebuild')
    assert.match(
      text.output,
      /^FOLDED\. .*\n state digest +[0-9a-f]{64}\n events .* a second; [\s\S]*pass 2, completed: .*exit code 0/,
    )
    const positions = Object.entries(whole['positions'] as Record<string, number>).map(
      ([id, next]) => `${id}:${next - 1}`,
    )
    const same = objectOf(await run('rebuild', '--json', '--until', positions.join(',')))
    assert.equal(same['state_digest'], whole['state_digest'])
    const before = objectOf(await run('rebuild', '--json', '--until', '2026-01-01'))
    assert.deepEqual([before['events'], before['jobs']], [0, []])
    const path = join(place.folder, 'as-of-then.ndjson')
    const report = await run('rebuild', job?.job_id ?? '', '--until', new Date().toISOString(), '--report', path)
    assert.equal(report.code, 0, report.notices)
    assert.equal((await run('report', 'verify', path)).code, 0)
    assert.deepEqual(
      readdirSync(join(place.folder, 'state/waybill')).filter((name) => name.startsWith('rebuild')),
      [],
    )
  })

  test('doctor looks at brokers, topics, connections and the disk of each process', async () => {
    configure(cluster.brokers)
    const end = await run('doctor')
    assert.equal(end.code, 0, end.output)
    for (const line of [
      /^ ok +topics +moves: as they must be$/m,
      /^ ok +event log +10 partitions, \d+ positions, answered in \d+ ms$/m,
      /^ ok +@from +readable/m,
      /^ ok +process state +\S+coordinator-worker-verifier: store [\d.]+ KiB, reports [\d.]+ KiB$/m,
      /^ ok +look store +\S+look: [\d.]+ KiB; it can be deleted$/m,
    ])
      assert.match(end.output, line)
    configure(['127.0.0.1:1'])
    const away = await run('doctor', '--json')
    assert.equal(away.code, 3)
    const checks = objectOf(away)['checks'] as { name: string; code: string | null }[]
    assert.equal(checks.find(({ name }) => name === 'event log')?.code, 'LOG_UNREACHABLE')
  })

  test('what cannot be meant is refused before anything is asked', async () => {
    configure(cluster.brokers)
    const wrong: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['jobs', 'submit', '/from', '@to/x'], 2, /a location is @connection\/relative\/path/],
      [['jobs', 'submit', '@form/x', '@to/x'], 3, /LOCATION_REFUSED|did you mean @from\?/],
      [['jobs', 'submit', '@from/../x', '@to/x'], 2, /a segment \. or \.\./],
      [['jobs', 'submit', '@from/x', '@to/x', '--files-from', 'list'], 2, /no option --files-from/],
      [['jobs', 'wait', 'nobody'], 2, /JOB_UNKNOWN/],
      [['jobs', 'show', 'nobody'], 2, /JOB_UNKNOWN/],
    ]
    for (const [words, code, sentence] of wrong) {
      const end = await run(...words)
      assert.match(end.notices, sentence, words.join(' '))
      assert.equal(end.code, code, words.join(' '))
    }
    configure(['127.0.0.1:1'])
    const unreachable = await run('jobs', 'list')
    assert.match(unreachable.notices, /LOG_UNREACHABLE/)
  })

  test('a record that nobody can read and that names no job is named by jobs list and by rebuild', async () => {
    configure(cluster.brokers)
    const address = { brokers: cluster.brokers, topicPrefix: 'moves', clientId: 'test', logger: silentLogger }
    const producer = createKafka(address).producer()
    await producer.connect()
    const [placed] = await producer.send({
      topic: 'moves.chunks',
      messages: [{ key: 'whatever', value: 'nonsense', partition: 1 }],
    })
    await producer.disconnect()
    const told = `chunks:1:${placed?.baseOffset} of no job: not in the Confluent wire format`
    const listed = await run('jobs', 'list')
    assert.match(listed.notices, new RegExp(`EVENT_POISON: set aside: ${told}`))
    const rebuilt = await run('rebuild')
    assert.match(rebuilt.output, new RegExp(`^ set aside {6}${told}`, 'm'))
    const { set_aside: records } = objectOf(await run('rebuild', '--json'))
    assert.equal((records as readonly unknown[]).length, 1)
  })
})
