// docker-compose.kafka.yml and Dockerfile run nowhere in CI, so they are held against what does.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import { readEnvironment } from '#libs/runtime/environment'
import { clusterSettingsOf } from '#services/cli/cluster-settings'
import { resolveSettings } from '#services/cli/settings'
import { partitions, topicPrefix } from '../scripts/local-cluster/places.ts'
import { modules } from '../scripts/server-binaries.ts'
import { accessKeyId, ports, secretAccessKey } from '../scripts/server-ports.ts'

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'waybill-compose-'))
after(() => rmSync(folder, { recursive: true }))

const textOf = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly ports?: readonly string[]
}

const compose = parse(textOf('docker-compose.kafka.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
  readonly configs: { readonly waybill: { readonly content: string } }
}
const { services } = compose

/** Version of an artifact in a pom. */
function pomVersion(server: string, artifact: string): string {
  const text = textOf('scripts', server, 'pom.xml')
  const found = new RegExp(`<artifactId>${artifact}</artifactId>[^]*?<version>([^<]+)</version>`).exec(text)
  return found?.[1] ?? assert.fail(`no ${artifact} in ${server}/pom.xml`)
}

test('images have the versions that the tests run', () => {
  assert.equal(services['kafka']?.image, `apache/kafka:${pomVersion('kafka', 'kafka_2.13')}`)
  const registry = pomVersion('apicurio', 'apicurio-registry-app')
  assert.equal(services['registry']?.image, `apicurio/apicurio-registry:${registry}`)
  assert.equal(services['s3']?.image, `versity/versitygw:${modules.versitygw.split('@')[1]}`)
  for (const [name, { image }] of Object.entries(services)) {
    assert.match(image ?? '', /^[a-z/-]+:(v?[0-9]+\.[0-9]+(\.[0-9]+)?|local)$/, `${name} has no pinned image`)
  }
  const { devDependencies } = JSON.parse(textOf('package.json')) as { devDependencies: Record<string, string> }
  const bases = [...textOf('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
  assert.deepEqual(new Set(bases), new Set([`node:${devDependencies['node']}-bookworm-slim`]))
})

test('ports and credentials are those of the servers that are started by hand, on this machine alone', () => {
  const published = Object.fromEntries(
    Object.entries(services).flatMap(([name, service]) => (service.ports === undefined ? [] : [[name, service.ports]])),
  )
  const own = (port: number): readonly string[] => [`127.0.0.1:${port}:${port}`]
  assert.deepEqual(published, { kafka: own(ports.kafka), registry: own(ports.registry), s3: own(ports.versitygw) })
  assert.deepEqual(services['s3']?.environment, { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey })
  for (const name of ['coordinator', 'worker', 'verifier', 'topics', 'waybill']) {
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = services[name]?.environment ?? {}
    assert.deepEqual([id, secret], [accessKeyId, secretAccessKey], name)
  }
})

/** Settings that name places and listeners, or that only one of the two needs. */
const ofPlaces = /LISTENER|QUORUM|LOG_DIRS|LOG_RETENTION|PROCESS_ROLES|NODE_ID/

test('the broker is set up as that of the tests', () => {
  const lines = textOf('scripts/kafka/server.properties').split('\n')
  const properties = new Map(lines.map((line) => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]))
  const settings = Object.entries(services['kafka']?.environment ?? {}).filter(([name]) => !ofPlaces.test(name))
  assert.ok(settings.length > 8)
  for (const [name, value] of settings) {
    const property = name
      .replace(/^KAFKA_/, '')
      .toLowerCase()
      .replaceAll('_', '.')
    assert.equal(properties.get(property), String(value), property)
  }
})

test('waybill understands its configuration, with the topics of the local cluster', async () => {
  const path = join(folder, 'waybill.toml')
  writeFileSync(path, compose.configs.waybill.content)
  const environment = readEnvironment({ HOME: folder })
  const resolved = await resolveSettings([{ name: 'config', text: path }], environment)
  const { log, connections } = await clusterSettingsOf({ ...resolved, environment })
  assert.deepEqual(log, {
    kind: 'kafka',
    brokers: ['kafka:19092'],
    ssl: false,
    sasl: null,
    topicPrefix,
    registry: { url: `http://registry:${ports.registry}/apis/ccompat/v7`, auth: null, caFile: null },
  })
  assert.deepEqual([...connections.keys()], ['source', 'bucket'])
  const { job_partitions: jobs, chunk_partitions: chunks } = resolved.cluster.kafka
  assert.deepEqual({ jobs, chunks }, partitions)
})

test('the image runs without rights, says whether it lives, and each role has a process', () => {
  const text = textOf('Dockerfile')
  const last = text.slice(text.lastIndexOf('\nFROM '))
  assert.match(last, /^USER 10001:10001$/m)
  assert.match(last, /^HEALTHCHECK /m)
  assert.doesNotMatch(text, /:latest/)
  for (const role of ['coordinator', 'worker', 'verifier']) {
    assert.deepEqual(services[role]?.command, ['serve', '--roles', role])
  }
})

/** The command of Compose on this machine; null: there is none that knows this form of file. */
function composeCommand(): readonly [command: string, ...words: string[]] | null {
  const known = [['docker', 'compose'], ['docker-compose']] as const
  return (
    known.find(([command, ...words]) => {
      const { status, stdout } = spawnSync(command, [...words, 'version', '--short'], { encoding: 'utf8' })
      return status === 0 && /^v?([2-9]|[1-9][0-9])\./.test(stdout)
    }) ?? null
  )
}

test('Compose understands the file', (context) => {
  const [command, ...words] = composeCommand() ?? []
  if (command === undefined) return context.skip('Compose 2 is not installed')
  const file = join(root, 'docker-compose.kafka.yml')
  const { status, stderr } = spawnSync(command, [...words, '-f', file, 'config', '-q'], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
