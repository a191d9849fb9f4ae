// The log over Kafka with a real registry before it, both of the test's own.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { codeOf, type WaybillError } from '#libs/domain/errors'
import type { EventLog } from '#libs/log/event-log'
import { openRegisteredLog } from '#libs/log/registry/registered-log'
import { type Fields, silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { toAvsc } from '#schemas/avro'
import { eventRecords } from '#schemas/events'
import { decodeEvent, encodeEvent, eventTypes } from '#schemas/wire'
import { describeEventLog } from '#test/contracts/event-log.contract'
import { readToEnd } from '#test/contracts/log-fixture'
import { fullSample, plain } from '#test/support/event-samples'
import { type KafkaCluster, startKafkaCluster, withKafka } from '#test/support/kafka-cluster'
import { type RegistryServer, startRegistryServer, withRegistry } from '#test/support/registry-server'
import { makeTopics, openTestLog } from '../kafka/kafka-fixture.ts'
import { addressOf, memoryLog, openTestRegisteredLog } from './registry-fixture.ts'

const never = new AbortController().signal
const recordOf = (value: Buffer) => ({ topic: 'jobs' as const, partition: 0, key: Buffer.from('key'), value })

withKafka(() => {
  withRegistry(() => {
    let cluster: KafkaCluster
    let registry: RegistryServer
    before(async () => {
      ;[cluster, registry] = await Promise.all([startKafkaCluster(), startRegistryServer()])
    })
    after(() => Promise.all([cluster?.stop(), registry?.stop()]))

    describeEventLog('registered kafka', async (t) => {
      const inner = await openTestLog(t, cluster, await makeTopics(cluster))
      return openTestRegisteredLog(t, inner, addressOf(registry.url), { isReaderOwner: true })
    })

    test('every event comes back as it was, over broker and registry', async (t) => {
      const prefix = await makeTopics(cluster)
      const inner = await openTestLog(t, cluster, prefix)
      const log = await openTestRegisteredLog(t, inner, addressOf(registry.url), { isReaderOwner: true })
      const events = eventTypes.map(fullSample)
      await log.append(events.map((event) => recordOf(encodeEvent(event))))
      const readings = await Promise.all([readToEnd(log), readToEnd(log)])
      for (const records of readings) {
        const read = records.map(({ value }) => value && plain(decodeEvent(value)))
        assert.deepEqual(read, events.map(plain))
      }
    })
  })
})

withRegistry(() => {
  test('many processes that start at once register each schema once, fully compatible from then on', async (t) => {
    const registry = await startRegistryServer()
    t.after(() => registry.stop())
    const inner = memoryLog()
    const logs = await Promise.all(
      Array.from({ length: 6 }, () => openRegisteredLog(inner, addressOf(registry.url), never)),
    )
    for (const log of logs) await log.append([recordOf(encodeEvent(fullSample('JobPaused')))])
    const ids = (await readToEnd(inner)).map(({ value }) => value?.readUInt32BE(1))
    assert.equal(new Set(ids).size, 1)
    const level = await fetch(`${registry.url}/config/waybill.JobPaused`)
    assert.deepEqual(await level.json(), { compatibilityLevel: 'FULL_TRANSITIVE' })
    await Promise.all(logs.map((log) => log.close()))
  })

  test('a registry that is down at the start is waited for; what it registered outlives a kill', async (t) => {
    const registry = await startRegistryServer({ isStarted: false })
    t.after(() => registry.stop())
    const said: [string, Fields][] = []
    const logger = { ...silentLogger, warn: (fields: Fields, sentence: string) => said.push([sentence, fields]) }
    const inner = memoryLog()
    const opening = openRegisteredLog(inner, addressOf(registry.url, { logger }), never)
    await systemClock.sleep(500)
    await registry.start()
    const log = await opening
    assert.match(said[0]?.[0] ?? '', /the schema registry is away, it is waited for/)
    await log.append([recordOf(encodeEvent(fullSample('JobPaused')))])
    const idOf = async (one: EventLog): Promise<number | undefined> => (await readToEnd(one))[0]?.value?.readUInt32BE(1)
    const id = await idOf(inner)
    await registry.kill()
    await log.append([recordOf(encodeEvent(fullSample('JobPaused')))])
    await registry.start()
    const other = await openTestRegisteredLog(t, inner, addressOf(registry.url))
    await other.append([recordOf(encodeEvent(fullSample('JobPaused')))])
    assert.deepEqual(new Set((await readToEnd(inner)).map(({ value }) => value?.readUInt32BE(1))), new Set([id]))
    assert.equal((await readToEnd(other)).filter(({ value }) => value && decodeEvent(value)).length, 3)
    await log.close()
  })

  test('a frozen registry in mid-run is waited for, and an unknown number is poison only once it says so', async (t) => {
    const registry = await startRegistryServer()
    t.after(() => registry.stop())
    const inner = memoryLog()
    const log = await openTestRegisteredLog(t, inner, addressOf(registry.url))
    const wire = Buffer.from(encodeEvent(fullSample('JobPaused')))
    wire.writeUInt32BE(99_999, 1)
    await inner.append([recordOf(wire)])
    registry.freeze()
    const reading = readToEnd(log)
    let isRead = false
    void reading.then(() => {
      isRead = true
    })
    await systemClock.sleep(1500)
    assert.equal(isRead, false)
    registry.thaw()
    const [record] = await reading
    assert.throws(() => decodeEvent(record?.value ?? assert.fail()), /unknown schema id 99999/)
  })

  test('a schema that is no compatible version of what is registered is refused, with the difference', async (t) => {
    const registry = await startRegistryServer()
    t.after(() => registry.stop())
    const { fields, ...rest } = toAvsc(eventRecords.ChunkLeased) as { readonly fields: readonly object[] }
    const strange = { ...rest, fields: fields.map((field) => ({ ...field, type: 'boolean' })) }
    const registered = await fetch(`${registry.url}/subjects/waybill.ChunkLeased/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify(strange) }),
    })
    assert.equal(registered.status, 200)
    await assert.rejects(openRegisteredLog(memoryLog(), addressOf(registry.url), never), (error: WaybillError) => {
      assert.equal(codeOf(error), 'SCHEMA_INCOMPATIBLE')
      assert.equal(error.facts['subject'], 'waybill.ChunkLeased')
      assert.match(String(error.facts['difference']), /job|attempt|fields/)
      return true
    })
  })
})
