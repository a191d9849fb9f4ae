// TLS and passwords, against a broker that asks for both.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { codeOf, type WaybillError } from '#libs/domain/errors'
import { type KafkaLogOptions, openKafkaLog } from '#libs/log/kafka/kafka-log'
import { createTopics } from '#libs/log/kafka/topics'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { readToEnd, recordOf } from '#test/contracts/log-fixture'
import { makeCertificates, type TestCertificates } from '#test/support/certificates'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'

const password = 'correct-horse-battery'

function settingsOf({ keyFile, certFile, caFile }: TestCertificates): Readonly<Record<string, string>> {
  const store = `${certFile}.both`
  writeFileSync(store, `${readFileSync(keyFile, 'utf8')}${readFileSync(certFile, 'utf8')}`)
  const users = `username="waybill" password="${password}" user_waybill="${password}"`
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': caFile,
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.clients.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
  }
}

withKafka(() => {
  let certificates: TestCertificates
  let cluster: KafkaCluster
  before(async () => {
    certificates = makeCertificates() ?? assert.fail('openssl is missing')
    cluster = await startKafkaCluster({ protocol: 'SASL_SSL', settings: settingsOf(certificates) })
  })
  after(async () => {
    await cluster?.stop()
    certificates.remove()
  })

  const optionsOf = (changes: Partial<KafkaLogOptions>): KafkaLogOptions => ({
    brokers: cluster.brokers,
    topicPrefix: 'safe',
    clientId: 'test',
    logger: silentLogger,
    clock: systemClock,
    ssl: { ca: readFileSync(certificates.caFile) },
    sasl: { mechanism: 'plain', username: 'waybill', password },
    ...changes,
  })

  test('with the certificate authority and the password topics are made, records appended and read', async (t) => {
    const plan = { partitionCounts: { jobs: 1, listings: 1, chunks: 3, rates: 1 }, replicas: 1, minInsyncReplicas: 1 }
    await createTopics({ address: optionsOf({}), plan, clock: systemClock })
    const log = await openKafkaLog(optionsOf({}))
    t.after(() => log.close())
    const [position] = await log.append([recordOf(1, { topic: 'chunks', partition: 2 })])
    assert.equal((await log.readAt('chunks', 2, position ?? -1))?.key.toString(), 'key 1')
    assert.equal((await readToEnd(log)).length, 1)
  })

  const refused: readonly (readonly [string, Partial<KafkaLogOptions>])[] = [
    ['a wrong password', { sasl: { mechanism: 'plain', username: 'waybill', password: 'wrong-horse' } }],
    [
      'a mechanism that the broker does not have',
      { sasl: { mechanism: 'scram-sha-512', username: 'waybill', password } },
    ],
    ['an unknown certificate authority', { ssl: true }],
  ]
  for (const [name, changes] of refused) {
    test(`${name} is denied at once, and no message holds a password`, async () => {
      await assert.rejects(openKafkaLog(optionsOf(changes)), (error: WaybillError) => {
        assert.equal(codeOf(error), 'LOG_DENIED', JSON.stringify(error.facts))
        assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}${error.cause}`, /horse/)
        return true
      })
    })
  }
})
