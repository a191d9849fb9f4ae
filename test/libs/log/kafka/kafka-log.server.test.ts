// The promises of every log, kept over a real broker.
import { after, before } from 'node:test'
import { describeEventLog } from '#test/contracts/event-log.contract'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { makeTopics, openTestLog } from './kafka-fixture.ts'

withKafka(() => {
  let cluster: KafkaCluster
  before(async () => {
    cluster = await startKafkaCluster()
  })
  after(() => cluster.stop())

  describeEventLog('kafka', async (t) => openTestLog(t, cluster, await makeTopics(cluster)))
})
