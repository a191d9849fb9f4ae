import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { WaybillError } from '#libs/domain/errors'
import type { ClusterSettings } from '#libs/runtime/cluster-settings'
import { type Environment, readEnvironment } from '#libs/runtime/environment'
import { clusterSettingsOf, isOfCluster } from '#services/cli/cluster-settings'
import { parseConfig } from '#services/cli/config-file'
import type { TypedOption } from '#services/cli/parser'
import { type ResolvedSettings, resolveSettings } from '#services/cli/settings'
import { createPlace, runProgram } from './program.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-cluster-settings-'))
after(() => rmSync(folder, { recursive: true }))

const path = join(folder, 'waybill.toml')

interface Resolved extends ResolvedSettings {
  readonly environment: Environment
}

async function resolved(
  text: string,
  variables: Readonly<Record<string, string>> = {},
  typed: readonly TypedOption[] = [],
): Promise<Resolved> {
  writeFileSync(path, text, { mode: 0o600 })
  const environment = readEnvironment({ HOME: folder, ...variables })
  const named: TypedOption = { name: 'config', text: path }
  return { ...(await resolveSettings([...typed, named], environment)), environment }
}

async function settingsOf(...words: Parameters<typeof resolved>): Promise<ClusterSettings> {
  return clusterSettingsOf(await resolved(...words))
}

const problemOf = (error: unknown): string =>
  error instanceof WaybillError && error.code === 'CONFIG_INVALID' ? String(error.facts['problem']) : `other: ${error}`

const wholeFile = `
[kafka]
brokers = ["kafka-1:9093", "[::1]:9093"]
topic_prefix = "moves"
sasl_mechanism = "scram-sha-512"
sasl_username = "anna"
sasl_password_env = "KAFKA_PASSWORD"
[kafka.tls]
ca_file = "ca.pem"
cert_file = "client.pem"
key_file = "client.key"
[registry]
url = "https://registry.example.com/apis/ccompat/v7"
username = "ben"
password_file = "password"
ca_file = "ca.pem"
[serve]
roles = ["worker", "coordinator"]
state_dir = "state"
memory = "1GiB"
concurrency = 2
source_rate = "40MB/s"
signing_key = "/etc/waybill/sign.key"
[api]
listen = "[::]:8480"
tokens_file = "tokens.json"
webhook_url = "https://hooks.example.com/waybill"
webhook_secret_file = "password"
[connections.archive]
location = "/mnt/archive"
[connections.bucket]
location = "s3://archive/2026"
endpoint = "https://s3.example.com"
region = "eu-1"
profile = "writer"
verify_profile = "reader"
`

const protectedFile = (...lines: readonly string[]): string =>
  ['[kafka]', 'brokers = ["k:9092"]', '[connections.nas]', 'location = "/mnt/nas"', ...lines].join('\n')

test('a connection may say how it is protected as a source', async () => {
  writeFileSync(join(folder, 'token'), 'planted')
  const peak = await settingsOf(protectedFile('source_peak = "2GB/s"', 'source_signals = ["disk", "pressure"]'))
  assert.deepEqual(peak.connections.get('nas')?.protection, {
    peakBytesPerSecond: 2_000_000_000,
    signals: [
      { kind: 'disk', threshold: null },
      { kind: 'pressure', threshold: null },
    ],
  })
  const command = protectedFile('signal_command = ["/usr/local/bin/load", "--short"]', 'signal_threshold = "0.7"')
  const words = ['/usr/local/bin/load', '--short']
  assert.deepEqual((await settingsOf(command)).connections.get('nas')?.protection?.signals, [
    { kind: 'command', name: 'nas-command', threshold: 0.7, words, timeoutMs: 2_500 },
  ])
  const asked = [
    'signal_url = "https://prometheus:9090/base"',
    'signal_query = "rate(x[1m])"',
    'signal_threshold = "80"',
  ]
  const url = protectedFile(...asked, 'signal_token_file = "token"')
  const [signal] = (await settingsOf(url)).connections.get('nas')?.protection?.signals ?? []
  assert.equal(signal?.kind === 'http' && signal.tokenFile, join(folder, 'token'))
})

test('keys of a source that contradict each other are refused', async () => {
  const refusals = [
    [['signal_command = ["x"]'], 'signal_threshold goes with signal_command or signal_url'],
    [['signal_threshold = "1"'], 'signal_threshold goes with signal_command or signal_url'],
    [['signal_command = ["x"]', 'signal_url = "http://x"', 'signal_threshold = "1"'], 'give one of them'],
    [['signal_query = "x"'], 'signal_query goes with signal_url'],
  ] as const
  for (const [lines, why] of refusals) {
    const problem = await settingsOf(protectedFile(...lines)).then(() => 'nothing', problemOf)
    assert.ok(problem.includes(why), problem)
  }
})

test('every section of the file reaches the settings of a process', async () => {
  for (const name of ['ca.pem', 'client.pem', 'client.key']) writeFileSync(join(folder, name), `text of ${name}`)
  writeFileSync(join(folder, 'password'), 'from a file\n')
  const settings = await settingsOf(wholeFile, { KAFKA_PASSWORD: 'from the environment' })
  const { log, connections, ...rest } = settings
  assert.deepEqual(log, {
    kind: 'kafka',
    brokers: ['kafka-1:9093', '[::1]:9093'],
    topicPrefix: 'moves',
    ssl: { ca: 'text of ca.pem', cert: 'text of client.pem', key: 'text of client.key' },
    sasl: { mechanism: 'scram-sha-512', username: 'anna', password: 'from the environment' },
    registry: {
      url: 'https://registry.example.com/apis/ccompat/v7',
      auth: { username: 'ben', password: 'from a file' },
      caFile: join(folder, 'ca.pem'),
    },
  })
  assert.deepEqual(Object.fromEntries(connections), {
    archive: { name: 'archive', place: { kind: 'files', path: '/mnt/archive' }, profile: null, verifyProfile: null },
    bucket: {
      name: 'bucket',
      place: {
        kind: 's3',
        bucket: 'archive',
        prefix: '2026',
        endpoint: 'https://s3.example.com',
        region: 'eu-1',
        isPathStyle: true,
      },
      profile: 'writer',
      verifyProfile: 'reader',
    },
  })
  assert.deepEqual(
    { ...rest, proxies: null },
    {
      roles: ['coordinator', 'worker'],
      instance: `${hostname()}-coordinator-worker`,
      stateFolder: join(folder, 'state'),
      caFile: null,
      proxies: null,
      memoryBytes: 1024 ** 3,
      requestsMax: 2,
      chunksMax: 2,
      sourceRateBytesPerSecond: 40_000_000,
      signingKeyFile: '/etc/waybill/sign.key',
      api: {
        host: '::',
        port: 8480,
        tokensFile: join(folder, 'tokens.json'),
        webhook: { url: 'https://hooks.example.com/waybill', secret: 'from a file' },
      },
    },
  )
})

test('flags beat the environment, which beats the file; each process has a name and a folder of its own', async () => {
  const file = '[kafka]\nbrokers = ["a:1"]\n[serve]\nroles = ["worker"]\ninstance = "of-file"\n'
  const plain = await settingsOf('')
  assert.deepEqual(plain.log, { kind: 'embedded' })
  const set = await settingsOf(file, { WAYBILL_KAFKA_BROKERS: 'b:2, c:3', WAYBILL_SERVE_INSTANCE: 'of-environment' })
  assert.deepEqual(set.log.kind === 'kafka' && set.log.brokers, ['b:2', 'c:3'])
  assert.equal(set.instance, 'of-environment')
  assert.equal(set.stateFolder, join(folder, '.local/state/waybill/serve/of-environment'))
  const typed: readonly TypedOption[] = [
    { name: 'roles', text: 'verifier,coordinator' },
    { name: 'instance', text: 'typed' },
    { name: 'state-dir', text: join(folder, 'typed-state') },
  ]
  const flags = await settingsOf(file, { WAYBILL_SERVE_INSTANCE: 'of-environment' }, typed)
  assert.deepEqual(flags.roles, ['coordinator', 'verifier'])
  assert.equal(flags.instance, 'typed')
  assert.equal(flags.stateFolder, join(folder, 'typed-state'))
})

test('a misspelt key is told with its line, its section and the key that was meant', () => {
  const wrong: readonly [string, RegExp][] = [
    ['a = 1\n', /^line 1: unknown key "a"/],
    ['[kafak]\nbrokers = []\n', /^line 1: unknown key "kafak"; did you mean "kafka"\?$/],
    ['[kafka]\n\nbrokrs = []\n', /^line 3: unknown key "brokrs" in \[kafka\]; did you mean "brokers"\?$/],
    ['[kafka]\ntls = {\n  ca = "x" }\n', /^line 2: unknown key "ca" in \[kafka\.tls\]; did you mean "ca_file"\?$/],
    ['[kafka.tls]\nca_fil = "x"\n', /^line 2: unknown key "ca_fil" in \[kafka\.tls\]; did you mean "ca_file"\?$/],
    ['kafka.brokers = "nonsense"\n', /^line 1: "brokers": "nonsense" is not of the form host:port$/],
    ['[kafka]\nbrokers = [5]\n', /^line 2: "brokers": "5" is not of the form host:port$/],
    ['[kafka]\nbrokers = { a = 1 }\n', /^line 2: "brokers" has a value of the wrong kind$/],
    ['[kafka]\nsasl_password = true\n', /^line 2: "sasl_password" has a value of the wrong kind$/],
    ['kafka = 5\n', /^line 1: \[kafka\] must be a table$/],
    ['[serve]\nroles = ["wroker"]\n', /^line 2: "roles": "wroker" is not one of coordinator, /],
    ['[serve]\ninstance = "a/b"\n', /^line 2: "instance": .*is not a name for a process/],
    ['[connections.a]\nlocatoin = "/a"\n', /^line 2: unknown key "locatoin" in \[connections\.a\]; did you mean "loc/],
    ['[connections.a]\nregion = "x"\n', /^line 1: \[connections\.a\] has no location$/],
    ['[connections]\na = "/x"\n', /^line 2: \[connections\.a\] must be a table$/],
    ['[connections."a/b"]\nlocation = "/x"\n', /^line 1: "a\/b" is no name for a connection$/],
    ['[aliases]\nx = "/a"\n[connections.x]\nlocation = "/a"\n', /^line 2: "x" is an alias and a connection$/],
  ]
  for (const [text, sentence] of wrong) {
    assert.throws(
      () => parseConfig(text, 'file'),
      (error) => sentence.test(problemOf(error)) || assert.fail(`${text}: ${problemOf(error)}`),
    )
  }
})

test('what contradicts itself is refused, and passwords are never told', async () => {
  const brokers = '[kafka]\nbrokers = ["a:1"]\n'
  const wrong: readonly [string, RegExp][] = [
    ['[kafka]\ntopic_prefix = "x"\n', /^\[kafka\] has no brokers$/],
    [`${brokers}sasl_username = "x"\n`, /no sasl_mechanism$/],
    [`${brokers}sasl_mechanism = "plain"\nsasl_username = "x"\n`, /needs sasl_username and a password$/],
    [`${brokers}sasl_password = "secret"\nsasl_password_env = "X"\n`, /said in more than one way$/],
    [`${brokers}sasl_password_env = "NOT_SET"\n`, /^\[kafka\]: the variable NOT_SET is not set$/],
    [`${brokers}sasl_password_file = "nowhere"\n`, /nowhere cannot be read \(ENOENT\)$/],
    [`${brokers}tls = { cert_file = "x" }\n`, /both or none of cert_file and key_file$/],
    [`${brokers}tls = { ca_file = "nowhere" }\n`, /nowhere cannot be read \(ENOENT\)$/],
    ['[registry]\nusername = "x"\n', /^\[registry\] has no url$/],
    ['[registry]\nurl = "http://r:1"\n', /^\[registry\] needs \[kafka\]/],
    [`${brokers}[registry]\nurl = "http://r:1"\nusername = "x"\n`, /both or none of name and password$/],
    ['[connections.a]\nlocation = "relative"\n', /^\[connections\.a\]: location is an absolute folder or s3:/],
    ['[connections.a]\nlocation = "s3://KEY:SECRET@bucket"\n', /^\[connections\.a\]: location is an absolute folder/],
    ['[connections.a]\nlocation = "gs://bucket"\n', /^\[connections\.a\]: gs:\/\/ is not supported yet$/],
    ['[connections.a]\nlocation = "/a"\nregion = "x"\n', /region speaks of S3, and this is a folder$/],
  ]
  for (const [text, sentence] of wrong) {
    await assert.rejects(settingsOf(text), (error) => {
      assert.match(problemOf(error), sentence, text)
      assert.doesNotMatch(String(problemOf(error)), /secret/i)
      return true
    })
  }
})

test('commands speak of the cluster when the file that names brokers is named itself', async () => {
  const brokers = '[kafka]\nbrokers = ["a:1"]\n'
  assert.equal(isOfCluster(await resolved(brokers)), true)
  assert.equal(isOfCluster(await resolved('')), false)
  const environment = readEnvironment({ HOME: folder, WAYBILL_KAFKA_BROKERS: 'a:1' })
  assert.equal(isOfCluster(await resolveSettings([], environment)), true)
  const found = await resolved(brokers)
  assert.equal(isOfCluster({ ...found, config: { ...found.config, isNamed: false } }), false)
})

test('config show hides passwords, config check warns of a file that others can read', async () => {
  const place = createPlace()
  after(place.remove)
  const file = join(place.folder, 'waybill.toml')
  const text = '[kafka]\nbrokers = ["a:1"]\nsasl_mechanism = "plain"\nsasl_username = "x"\nsasl_password = "hunter2"\n'
  writeFileSync(file, text, { mode: 0o644 })
  const words = ['--config', file]
  const shown = await runProgram(['config', 'show', '--origin', ...words], place)
  assert.match(shown.output, /^kafka\.brokers +a:1 +\/.*waybill\.toml$/m)
  assert.match(shown.output, /^kafka\.sasl_password +\[redacted\] /m)
  const asObject = await runProgram(['config', 'show', '--json', ...words], place)
  assert.equal(JSON.parse(asObject.output).sections['kafka.sasl_password'], '[redacted]')
  const checked = await runProgram(['config', 'check', '--json', ...words], place)
  assert.equal(checked.code, 0)
  const { warnings } = JSON.parse(checked.output)
  assert.equal(warnings.length, 2)
  assert.match(warnings.join('\n'), /sends its password in the clear[\s\S]*can be read by others: chmod 600/)
  for (const end of [shown, asObject, checked]) assert.doesNotMatch(end.output + end.notices, /hunter2/)
  chmodSync(file, 0o600)
  writeFileSync(file, `${text}tls = true\n`)
  const better = await runProgram(['config', 'check', '--json', ...words], place)
  assert.deepEqual(JSON.parse(better.output).warnings, [])
  writeFileSync(file, '[kafka]\nbrokers = ["a:1"]\nsasl_username = "x"\n')
  const refused = await runProgram(['config', 'check', ...words], place)
  assert.equal(refused.code, 2)
  assert.match(refused.notices, /CONFIG_INVALID: \/.*waybill\.toml: \[kafka\] has a name or a password, but no sasl_/)
})
