// Asks for a job as any program could: kafkajs, avsc and the published schema, nothing of waybill but the name of its topic.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import avsc from 'avsc'
import { Kafka, logLevel } from 'kafkajs'
import { schemaIds } from '#schemas/wire'
import { job, sourceConnection, targetConnection, topicPrefix } from './places.ts'

const schemaFile = join(import.meta.dirname, '../../schemas/avsc/JobRequested.avsc')
const subject = 'waybill.JobRequested'

interface Registered {
  readonly id: number
  readonly schema: string
}

/** The schema and its number: those of the registry, else those of the repository. */
async function schemaOf(registryUrl: string | null): Promise<Registered> {
  if (registryUrl === null) return { id: schemaIds.JobRequested, schema: readFileSync(schemaFile, 'utf8') }
  const answer = await fetch(`${registryUrl}/subjects/${subject}/versions/latest`)
  if (!answer.ok) throw new Error(`the registry answered ${answer.status} for ${subject}`)
  return (await answer.json()) as Registered
}

function requestValue({ id, schema }: Registered, chunkBytes: number): Buffer {
  const request = {
    source: `@${sourceConnection}/tree`,
    target: `@${targetConnection}/copy`,
    targetOptions: {},
    layout: 'objects',
    chunkBytes,
    rules: [],
    filesFromDigest: null,
    sizeBytesMin: null,
    sizeBytesMax: null,
    modifiedAfterMs: null,
    symlinks: 'keep',
    storesEntries: false,
    overwrite: 'never',
    verify: 'full',
    samplePercent: 100,
    reconcile: 'listing',
    throughputBytesPerSecond: null,
    sourcePeakBytesPerSecond: null,
    workersMax: null,
    priority: 'normal',
    errorsMax: null,
    throughputTimetable: null,
  }
  const event = { job, at: Date.now(), writer: 'local-cluster', sequence: 1, software: 'plain kafkajs', request }
  // Confluent's wire format: a zero byte, the schema's number, the Avro bytes.
  const head = Buffer.alloc(5)
  head.writeUInt32BE(id, 1)
  return Buffer.concat([head, avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema).toBuffer(event)])
}

/** Produces one JobRequested with a key that was never used. */
export async function requestJob(place: {
  readonly brokers: readonly string[]
  readonly registryUrl: string | null
  readonly chunkBytes: number
}): Promise<void> {
  const value = requestValue(await schemaOf(place.registryUrl), place.chunkBytes)
  const kafka = new Kafka({ brokers: [...place.brokers], clientId: 'local-cluster', logLevel: logLevel.NOTHING })
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  await producer.send({ topic: `${topicPrefix}.jobs`, acks: -1, messages: [{ key: `local-cluster/${job}`, value }] })
  await producer.disconnect()
}
