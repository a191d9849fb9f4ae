// TLS and passwords, against brokers that ask for one or both.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { codeOf, type WaybillError } from '#libs/domain/errors'
import { type KafkaLogOptions, openKafkaLog } from '#libs/log/kafka/kafka-log'
import { joinGroup } from '#libs/log/kafka/membership'
import { createTopics } from '#libs/log/kafka/topics'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { readToEnd, recordOf } from '#test/contracts/log-fixture'
import { makeCertificates, type TestCertificates } from '#test/support/certificates'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'

const password = 'correct-horse-battery'
const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
const scramModule = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
const scramUsers = [
  { mechanism: 'SCRAM-SHA-256', name: 'waybill', password },
  { mechanism: 'SCRAM-SHA-512', name: 'waybill', password },
  // Knows one mechanism only.
  { mechanism: 'SCRAM-SHA-512', name: 'other', password },
] as const

function settingsOf({ keyFile, certFile, caFile }: TestCertificates): Readonly<Record<string, string>> {
  const store = `${certFile}.both`
  writeFileSync(store, `${readFileSync(keyFile, 'utf8')}${readFileSync(certFile, 'utf8')}`)
  const users = `username="waybill" password="${password}" user_waybill="${password}"`
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': caFile,
    'sasl.enabled.mechanisms': mechanisms.map((name) => name.toUpperCase()).join(','),
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.clients.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
    'listener.name.clients.scram-sha-256.sasl.jaas.config': scramModule,
    'listener.name.clients.scram-sha-512.sasl.jaas.config': scramModule,
  }
}

withKafka(() => {
  let certificates: TestCertificates
  let cluster: KafkaCluster
  before(async () => {
    certificates = makeCertificates() ?? assert.fail('openssl is missing')
    cluster = await startKafkaCluster({ protocol: 'SASL_SSL', settings: settingsOf(certificates), scramUsers })
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

  for (const mechanism of mechanisms) {
    test(`over TLS with ${mechanism} topics are made, records appended and read, and a share is assigned`, async (t) => {
      const options = optionsOf({ topicPrefix: mechanism, sasl: { mechanism, username: 'waybill', password } })
      const plan = { partitionCounts: { jobs: 1, listings: 1, chunks: 3, rates: 1 }, replicas: 1, minInsyncReplicas: 1 }
      await createTopics({ address: options, plan, clock: systemClock })
      const log = await openKafkaLog(options)
      t.after(() => log.close())
      const [position] = await log.append([recordOf(1, { topic: 'chunks', partition: 2 })])
      assert.equal((await log.readAt('chunks', 2, position ?? -1))?.key.toString(), 'key 1')
      assert.equal((await readToEnd(log)).length, 1)
      const membership = await joinGroup({ ...options, group: 'worker', instance: 'one' })
      await membership.changed(0, new AbortController().signal)
      assert.equal(membership.assigned().size, 3)
      await membership.leave()
    })
  }

  const refused: readonly (readonly [string, Partial<KafkaLogOptions>])[] = [
    ['a wrong password', { sasl: { mechanism: 'plain', username: 'waybill', password: 'wrong-horse' } }],
    [
      'a wrong password by SCRAM',
      { sasl: { mechanism: 'scram-sha-256', username: 'waybill', password: 'wrong-horse' } },
    ],
    ['a user unknown to a mechanism', { sasl: { mechanism: 'scram-sha-256', username: 'other', password } }],
    ['an unknown certificate authority', { ssl: true }],
  ]
  for (const [name, changes] of refused) {
    test(`${name} is denied at once, and no message holds a password`, async () => {
      await assert.rejects(openKafkaLog(optionsOf(changes)), (error: WaybillError) => {
        assert.equal(codeOf(error), 'LOG_DENIED', JSON.stringify(error.facts))
        assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}${error.cause}`, /horse/)
        return true
      })
      const membership = await joinGroup({ ...optionsOf(changes), group: 'worker', instance: 'one' })
      await assert.rejects(membership.failed, (error) => codeOf(error) === 'LOG_DENIED')
      await membership.leave()
    })
  }
})
