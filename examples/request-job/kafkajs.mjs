// Asks a waybill cluster for a job, with kafkajs and the Avro schema alone.
//   node kafkajs.mjs BROKER PREFIX JOB SOURCE TARGET [REGISTRY_URL]
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import avsc from 'avsc'
import { Kafka } from 'kafkajs'

const [broker, prefix, job, source, target, registry] = process.argv.slice(2)
const schema = readFileSync(new URL('../../schemas/avsc/JobRequested.avsc', import.meta.url), 'utf8')

/** Number of the schema: the registry's, which registers it where it is not yet, or else waybill's own. */
async function schemaId() {
  if (registry === undefined) return 29
  const url = `${registry}/subjects/waybill.JobRequested/versions`
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ schema }) })
  if (!answer.ok) throw new Error(`the registry says ${answer.status}: ${await answer.text()}`)
  return (await answer.json()).id
}

// What is left out here is null: no limit. docs/events.md tells what each field means.
const request = {
  source, // @connection/folder, as the processes of the cluster are configured
  target,
  targetOptions: {},
  layout: 'objects',
  chunkBytes: 64 * 1024 * 1024,
  rules: [],
  symlinks: 'keep',
  storesEntries: false,
  overwrite: 'never',
  verify: 'full',
  samplePercent: 100,
  reconcile: 'listing',
  priority: 'normal',
}
const event = { job, at: Date.now(), writer: 'examples/kafkajs', sequence: 1, software: 'example', request }

// Confluent wire format: a zero byte, the number of the schema, the event.
const head = Buffer.alloc(5)
head.writeUInt32BE(await schemaId(), 1)
const value = Buffer.concat([head, avsc.Type.forSchema(JSON.parse(schema)).toBuffer(event)])

const producer = new Kafka({ brokers: [broker], clientId: 'request-job' }).producer()
await producer.connect()
// Any partition will do; the key must never have been used before, or compaction removes a request.
await producer.send({ topic: `${prefix}.jobs`, acks: -1, messages: [{ key: randomUUID(), value }] })
await producer.disconnect()
