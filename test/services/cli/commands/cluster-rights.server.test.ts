// The table of rights in docs/operating.md is enough: every role and command runs with what it says there, and no more.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import kafkajs, { type AclEntry } from 'kafkajs'
import { createKafka } from '#libs/log/kafka/kafka-client'
import { silentLogger } from '#libs/runtime/logger'
import { topics } from '#schemas/events'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { createPlace, type ProgramEnd, type RunningProgram, runProgram, startProgram } from '../program.ts'

const password = 'correct-horse-battery'
const prefix = 'rights'
const page = readFileSync(join(import.meta.dirname, '../../../../docs/operating.md'), 'utf8')

/** Whose right is tried, and how the table's row of it begins. */
const rowOf = {
  coordinator: 'coordinator',
  worker: 'worker',
  verifier: 'verifier',
  submit: '`jobs submit`',
  look: '`jobs list`',
  check: '`topics check`',
} as const
type User = keyof typeof rowOf
const users = Object.keys(rowOf) as readonly User[]

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
const operations = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Describe: AclOperationTypes.DESCRIBE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
} as const

/** `Read, Describe on all four; Write on jobs (pauses)` as pairs of an operation and what it is on. */
function pairsOf(cell: string): readonly (readonly [keyof typeof operations, string])[] {
  if (cell === 'none') return []
  return cell
    .replace(/ \([^)]*\)/g, '')
    .split(';')
    .flatMap((part) => {
      const [words = '', places = 'all four'] = part.trim().split(' on ')
      const names = places === 'all four' ? topics : places.replaceAll('`', '').split(', ')
      return words.split(', ').flatMap((word) => {
        assert.ok(Object.hasOwn(operations, word), `${word} is an operation`)
        return names.map((name) => [word as keyof typeof operations, name] as const)
      })
    })
}

function rightsOf(user: User): readonly AclEntry[] {
  const row = page.split('\n').find((line) => line.startsWith(`| ${rowOf[user]}`)) ?? assert.fail(`${user} has no row`)
  const [, , ofTopics = '', ofGroups = ''] = row.split('|').map((cell) => cell.trim())
  const entry = (resourceType: number, resourceName: string, operation: number): AclEntry => ({
    resourceType,
    resourceName,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: `User:${user}`,
    host: '*',
    operation,
    permissionType: AclPermissionTypes.ALLOW,
  })
  return [
    ...pairsOf(ofTopics.replace('`doctor` also Read', 'Read')).map(([word, topic]) =>
      entry(AclResourceTypes.TOPIC, `${prefix}.${topic}`, operations[word]),
    ),
    ...pairsOf(ofGroups).map(([word, group]) =>
      entry(AclResourceTypes.GROUP, group.replace('PREFIX', prefix), operations[word]),
    ),
  ]
}

function brokerSettings(): Readonly<Record<string, string>> {
  const known = ['admin', ...users].map((name) => `user_${name}="${password}"`).join(' ')
  const own = `username="admin" password="${password}"`
  return {
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.clients.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${own} ${known};`,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // The controller's own listener knows no names; every client has one.
    'super.users': 'User:admin;User:ANONYMOUS',
  }
}

withKafka(() => {
  const place = createPlace()
  let cluster: KafkaCluster
  const serving: RunningProgram[] = []
  const path = (name: string): string => join(place.folder, name)

  before(async () => {
    cluster = await startKafkaCluster({ protocol: 'SASL_PLAINTEXT', settings: brokerSettings() })
    mkdirSync(path('from/tree'), { recursive: true })
    mkdirSync(path('to'))
    for (const name of ['a', 'b', 'c']) writeFileSync(path(`from/tree/${name}`), name.repeat(1000))
    for (const user of ['admin', ...users]) {
      writeFileSync(
        path(`${user}.toml`),
        `[kafka]
brokers = ${JSON.stringify(cluster.brokers)}
topic_prefix = "${prefix}"
job_partitions = 1
chunk_partitions = 2
replicas = 1
min_insync_replicas = 1
sasl_mechanism = "plain"
sasl_username = "${user}"
sasl_password = "${password}"
[connections.from]
location = ${JSON.stringify(path('from'))}
[connections.to]
location = ${JSON.stringify(path('to'))}
`,
        { mode: 0o600 },
      )
    }
    const made = await run('admin', 'topics', 'create')
    assert.equal(made.code, 0, made.notices)
    const sasl = { mechanism: 'plain', username: 'admin', password } as const
    const address = { brokers: cluster.brokers, sasl, topicPrefix: prefix, clientId: 'test', logger: silentLogger }
    const admin = createKafka(address).admin()
    await admin.connect()
    await admin.createAcls({ acl: users.flatMap(rightsOf) })
    await admin.disconnect()
  })
  after(async () => {
    for (const each of serving) each.signal('SIGKILL')
    await cluster?.stop()
    place.remove()
  })

  const run = (user: User | 'admin', ...words: readonly string[]): Promise<ProgramEnd> =>
    runProgram([...words, '--config', path(`${user}.toml`)], place)

  test('a job is asked for, done and shown by users who have the rights of the table and no others', async () => {
    const checked = await run('check', 'topics', 'check')
    assert.equal(checked.code, 0, checked.output + checked.notices)
    const looked = await run('check', 'doctor')
    assert.equal(looked.code, 0, looked.output)
    for (const role of ['coordinator', 'worker', 'verifier'] as const) {
      const words = ['serve', '--roles', role, '--config', path(`${role}.toml`)]
      serving.push(startProgram(words, place, 120))
    }
    const submitted = await run('submit', 'jobs', 'submit', '@from/tree', '@to/tree', '--job', 'small')
    assert.equal(submitted.code, 0, submitted.notices)
    const waited = await run('look', 'jobs', 'wait', 'small', '--timeout', '25s')
    assert.equal(waited.code, 0, waited.notices)
    const refused = await run('look', 'jobs', 'retry', 'small')
    assert.match(refused.notices, /LOG_DENIED/)
    const listed = await run('look', 'jobs', 'list')
    assert.match(listed.output, /^small {2}completed /)
    for (const each of serving) each.signal('SIGTERM')
    for (const each of serving) {
      const end = await each.end
      assert.equal(end.code, 0, end.notices)
      assert.doesNotMatch(end.notices, /LOG_DENIED/)
    }
  })
})
