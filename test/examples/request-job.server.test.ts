// The examples of foreign producers, run as they are: what they append is what waybill reads, and a cluster does the job.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import type { EventLog } from '#libs/log/event-log'
import type { EventOf } from '#schemas/events'
import { eventIn, schemaIds } from '#schemas/wire'
import { readToEnd } from '#test/contracts/log-fixture'
import { makeTopics, openTestLog } from '#test/libs/log/kafka/kafka-fixture'
import { addressOf, openTestRegisteredLog } from '#test/libs/log/registry/registry-fixture'
import { createPlace, runProgram, startProgram } from '#test/services/cli/program'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { pythonPackages } from '#test/support/python-packages'
import { type RegistryServer, startRegistryServer, withRegistry } from '#test/support/registry-server'

const folder = join(import.meta.dirname, '../../examples/request-job')
const run = promisify(execFile)

type Example = (...words: readonly string[]) => Promise<unknown>
const node: Example = (...words) => run(process.execPath, [join(folder, 'kafkajs.mjs'), ...words])
const packages = pythonPackages(join(folder, 'requirements.txt'))
const python: Example | null =
  'missing' in packages
    ? null
    : (...words) =>
        run('python3', [join(folder, 'request-job.py'), ...words], {
          env: { ...process.env, PYTHONPATH: packages.folder },
        })
const examples: readonly (readonly [string, Example | null])[] = [
  ['kafkajs', node],
  ['python', python],
]
const skip = (example: Example | null): string | false =>
  example === null && 'missing' in packages ? packages.missing : false

async function requestsIn(log: EventLog): Promise<readonly EventOf<'JobRequested'>[]> {
  const events = (await readToEnd(log)).map(eventIn)
  return events.map((event) => (event?.type === 'JobRequested' ? event : assert.fail(`found ${event?.type}`)))
}

function assertAsked(event: EventOf<'JobRequested'> | undefined, job: string): void {
  assert.equal(event?.job, job)
  const { source, target, chunkBytes, errorsMax } = event?.request ?? assert.fail()
  assert.deepEqual([source, target, chunkBytes, errorsMax], ['@from/tree', '@to/tree', 64 * 1024 * 1024, null])
}

withKafka(() => {
  let cluster: KafkaCluster
  before(async () => {
    cluster = await startKafkaCluster()
  })
  after(() => cluster?.stop())

  test('without a registry the examples write the number that waybill gives the schema', () => {
    for (const file of ['kafkajs.mjs', 'request-job.py']) {
      const number = /return (\d+)\n/.exec(readFileSync(join(folder, file), 'utf8'))?.[1]
      assert.equal(Number(number), schemaIds.JobRequested, file)
    }
  })

  for (const [name, example] of examples) {
    test(`a request of ${name} is read as it was meant`, { skip: skip(example) }, async (t) => {
      const prefix = await makeTopics(cluster)
      await example?.(cluster.brokers[0] ?? '', prefix, 'archive', '@from/tree', '@to/tree')
      const [event] = await requestsIn(await openTestLog(t, cluster, prefix))
      assertAsked(event, 'archive')
    })
  }

  withRegistry(() => {
    let registry: RegistryServer
    before(async () => {
      registry = await startRegistryServer()
    })
    after(() => registry?.stop())

    for (const [name, example] of examples) {
      test(`a request of ${name} is read over a registry, whoever registers first`, {
        skip: skip(example),
      }, async (t) => {
        const prefix = await makeTopics(cluster)
        const request = (job: string) =>
          example?.(cluster.brokers[0] ?? '', prefix, job, '@from/tree', '@to/tree', registry.url)
        await request('before')
        const inner = await openTestLog(t, cluster, prefix)
        const log = await openTestRegisteredLog(t, inner, addressOf(registry.url))
        await request('after')
        const events = await requestsIn(log)
        assert.equal(events.length, 2)
        for (const event of events) assertAsked(event, event.job)
      })
    }

    test('a cluster with a registry does what kafkajs asked for, and its log can be copied', async (t) => {
      const place = createPlace()
      t.after(place.remove)
      mkdirSync(join(place.folder, 'from/tree'), { recursive: true })
      mkdirSync(join(place.folder, 'to'))
      for (let n = 0; n < 10; n += 1) writeFileSync(join(place.folder, `from/tree/${n}.txt`), `file ${n}`)
      const config = join(place.folder, 'waybill.toml')
      writeFileSync(
        config,
        `[kafka]
brokers = ${JSON.stringify(cluster.brokers)}
topic_prefix = "registered"
chunk_partitions = 4
job_partitions = 2
replicas = 1
min_insync_replicas = 1
[registry]
url = "${registry.url}"
[connections.from]
location = "${join(place.folder, 'from')}"
[connections.to]
location = "${join(place.folder, 'to')}"
`,
      )
      const waybill = (...words: readonly string[]) => runProgram(words, place)
      const inCluster = async (...words: readonly string[]): Promise<string> => {
        const { code, output, notices } = await waybill(...words, '--config', config)
        assert.equal(code, 0, `${words.join(' ')}: ${output}${notices}`)
        return output
      }
      await inCluster('topics', 'create')
      assert.match(await inCluster('topics', 'check'), /schemas {2}\d+ (registered|missing)/)
      const roles = 'coordinator,worker,verifier'
      const serving = startProgram(['serve', '--roles', roles, '--config', config], place, 300)
      await node(cluster.brokers[0] ?? '', 'registered', 'archive', '@from/tree', '@to/tree', registry.url)
      await inCluster('jobs', 'wait', 'archive', '--timeout', '90s')
      assert.equal(readdirSync(join(place.folder, 'to/tree')).length, 10)
      assert.match(
        await inCluster('topics', 'check'),
        new RegExp(`schemas {2}${Object.keys(schemaIds).length} registered`),
      )
      const report = await inCluster('report', 'show', 'archive')
      const copy = join(place.folder, 'copy')
      assert.match(await inCluster('log', 'export', '--job', 'archive', copy), /^COPIED\. /)
      const copied = await waybill('report', 'show', 'archive', '--state-dir', copy)
      assert.equal(copied.output, report)
      serving.signal('SIGTERM')
      await serving.end
    })
  })
})
