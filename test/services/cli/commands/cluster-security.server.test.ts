// The configuration file's words for TLS and passwords, against a broker that asks for both.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeCertificates, type TestCertificates } from '#test/support/certificates'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { createPlace, type ProgramEnd, runProgram } from '../program.ts'

const password = 'correct-horse-battery'
const place = createPlace()
after(place.remove)

function settingsOf({ keyFile, certFile }: TestCertificates): Readonly<Record<string, string>> {
  const store = join(place.folder, 'broker.pem')
  writeFileSync(store, `${readFileSync(keyFile, 'utf8')}${readFileSync(certFile, 'utf8')}`)
  const users = `username="waybill" password="${password}" user_waybill="${password}"`
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.clients.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certFile,
  }
}

withKafka(() => {
  let certificates: TestCertificates
  let cluster: KafkaCluster
  before(async () => {
    certificates = makeCertificates() ?? assert.fail('openssl is missing')
    const settings = { ...settingsOf(certificates), 'ssl.truststore.location': certificates.caFile }
    cluster = await startKafkaCluster({ protocol: 'SASL_SSL', settings })
  })
  after(async () => {
    await cluster?.stop()
    certificates.remove()
  })

  function run(lines: string, environment: Readonly<Record<string, string>> = {}): Promise<ProgramEnd> {
    const config = join(place.folder, 'waybill.toml')
    const brokers = `brokers = ${JSON.stringify(cluster.brokers)}\nreplicas = 1\nmin_insync_replicas = 1\n`
    writeFileSync(config, `[kafka]\n${brokers}sasl_mechanism = "plain"\nsasl_username = "waybill"\n${lines}\n`)
    const words = ['topics', 'create', '--job-partitions', '1', '--chunk-partitions', '2', '--config', config, '-v']
    return runProgram(words, { ...place, environment })
  }

  test('a password from a file or the environment and a named certificate open the log', async () => {
    const tls = `tls = { ca_file = "${certificates.caFile}" }`
    writeFileSync(join(place.folder, 'password'), `${password}\n`)
    const byFile = await run(`${tls}\nsasl_password_file = "password"`)
    assert.equal(byFile.code, 0, byFile.notices)
    const byVariable = await run(`${tls}\nsasl_password_env = "KAFKA_SECRET"`, { KAFKA_SECRET: password })
    assert.equal(byVariable.code, 0, byVariable.notices)
    for (const { output, notices } of [byFile, byVariable]) assert.ok(!`${output}${notices}`.includes(password))
  })

  test('a wrong password and an unknown certificate are told as what they are, and nothing secret is', async () => {
    const wrong = await run(`tls = { ca_file = "${certificates.caFile}" }\nsasl_password = "wrong-horse"`)
    assert.match(wrong.notices, /LOG_DENIED/)
    assert.ok(!wrong.notices.includes('wrong-horse'))
    const unknown = await run(`tls = true\nsasl_password = "${password}"`)
    assert.match(unknown.notices, /LOG_DENIED/)
    assert.ok(!unknown.notices.includes(password))
    assert.notEqual(unknown.code, 0)
  })
})
