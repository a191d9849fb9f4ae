import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openKafkaLog } from '#libs/log/kafka/kafka-log'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { recordOf } from '#test/contracts/log-fixture'
import { startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { makeTopics } from './kafka-fixture.ts'

const openSockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length

withKafka(() => {
  test('many questions at once leave no connection behind when the log is closed', async (t) => {
    const cluster = await startKafkaCluster()
    t.after(() => cluster.stop())
    const topicPrefix = await makeTopics(cluster)
    const before = openSockets()
    const address = { brokers: cluster.brokers, topicPrefix, clientId: 'test', logger: silentLogger }
    const log = await openKafkaLog({ ...address, clock: systemClock })
    const [position = -1] = await log.append([recordOf(1)])
    const found = await Promise.all(Array.from({ length: 20 }, () => log.readAt('jobs', 0, position)))
    assert.ok(found.every((record) => record?.key.toString() === 'key 1'))
    await log.close()
    for (let waitedMs = 0; openSockets() > before && waitedMs < 5000; waitedMs += 50) await systemClock.sleep(50)
    assert.equal(openSockets(), before)
  })
})
