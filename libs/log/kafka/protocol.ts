// The three requests that readers make, in versions that every broker since Kafka 2.8 speaks: Metadata 10 (the first with
// topic ids), ListOffsets 3, Fetch 11 (kafka.apache.org/protocol). Those of groups are in group-protocol.ts.
import type { Protocol } from 'kafkajs/src/cluster/index.js'
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'

export const apiVersions = {
  fetch: { key: 1, version: 11 },
  offsets: { key: 2, version: 3 },
  metadata: { key: 3, version: 10 },
  coordinator: { key: 10, version: 2 },
  join: { key: 11, version: 5 },
  heartbeat: { key: 12, version: 3 },
  leave: { key: 13, version: 3 },
  sync: { key: 14, version: 3 },
}
const anyReplica = -1
/** Readers that wait for committed transactions stall on one that hangs; our own appends use none. */
const readUncommitted = 0

export interface TopicState {
  readonly name: string
  /** Differs when a topic was deleted and made again under its name. */
  readonly id: string
  /** Node that leads each partition, -1 while there is none. */
  readonly leaders: readonly number[]
  /** The smallest number of any partition. */
  readonly replicas: number
}

export interface PartitionsOfTopic<T> {
  readonly name: string
  readonly partitions: readonly T[]
}

export interface FetchedPartition {
  readonly name: string
  readonly partition: number
  /** 0: none. */
  readonly errorCode: number
  /** Next position that readers may not see yet. */
  readonly highWatermark: number
  /** Whole record batches, the last perhaps cut short. */
  readonly batches: Buffer
}

type Request<Answer> = Protocol<Answer>

/** @param msMax how long the answer may take, when it is not the usual time */
export function request<Answer>(
  api: keyof typeof apiVersions,
  body: Buffer,
  decode: (reader: ByteReader) => Answer,
  msMax?: number,
): Request<Answer> {
  const { key, version } = apiVersions[api]
  return {
    ...(msMax === undefined ? {} : { requestTimeout: msMax }),
    request: { apiKey: key, apiVersion: version, apiName: api, encode: async () => ({ buf: body, buffer: body }) },
    response: { decode: async (payload) => decode(new ByteReader(payload)), parse: async (answer) => answer },
  }
}

/** Throws KafkaJSProtocolError unless the code is 0. */
export function assertOk(errorCode: number): void {
  if (errorCode !== 0) throw createErrorFromCode(errorCode)
}

function readTopicState(reader: ByteReader): TopicState & { readonly errorCode: number } {
  const errorCode = reader.int16()
  const [name, id] = [reader.compactString(), reader.uuid()]
  reader.int8()
  const partitions = reader.compactArray(() => {
    reader.int16()
    const [partition, leader] = [reader.int32(), reader.int32()]
    reader.int32()
    const [replicas] = [0, 1, 2].map(() => reader.compactArray(() => reader.int32()).length)
    reader.skipTags()
    return { partition, leader, replicas: replicas ?? 0 }
  })
  reader.int32()
  reader.skipTags()
  const sorted = partitions.toSorted((a, b) => a.partition - b.partition)
  const leaders = sorted.map(({ leader }) => leader)
  return { errorCode, name, id, leaders, replicas: Math.min(...sorted.map(({ replicas }) => replicas)) }
}

/** Asks for the topics by name. Those that are not there, or not to be seen, are absent from the answer. */
export function metadataRequest(names: readonly string[]): Request<readonly TopicState[]> {
  // This version has tagged fields, which headers made by kafkajs lack: the first byte of body and answer is the header's.
  const body = new ByteWriter().zeros(1).unsignedVarint(names.length + 1)
  for (const name of names) body.zeros(16).compactString(name).zeros(1)
  // No topic is made by asking for it; nobody's rights are asked.
  body.zeros(3).zeros(1)
  return request('metadata', body.done(), (reader) => {
    reader.skipTags()
    reader.int32()
    reader.compactArray(() => {
      reader.int32()
      reader.compactString()
      reader.int32()
      reader.compactString()
      reader.skipTags()
    })
    reader.compactString()
    reader.int32()
    const topics = reader.compactArray(() => readTopicState(reader))
    const unknownTopic = 3
    for (const { errorCode } of topics) if (errorCode !== unknownTopic) assertOk(errorCode)
    return topics.filter(({ errorCode }) => errorCode === 0)
  })
}

const timestamps = { earliest: -2, latest: -1 }

/** The first position there is, or the next one after the last, of the partitions that a node leads. */
export function offsetsRequest(
  which: keyof typeof timestamps,
  topics: readonly PartitionsOfTopic<number>[],
): Request<readonly PartitionsOfTopic<{ readonly partition: number; readonly position: number }>[]> {
  const body = new ByteWriter().int32(anyReplica).int8(readUncommitted).int32(topics.length)
  for (const { name, partitions } of topics) {
    body.string(name).int32(partitions.length)
    for (const partition of partitions) body.int32(partition).int64(timestamps[which])
  }
  return request('offsets', body.done(), (reader) => {
    reader.int32()
    return reader.array(() => ({
      name: reader.string(),
      partitions: reader.array(() => {
        const [partition, errorCode] = [reader.int32(), reader.int16()]
        reader.int64()
        assertOk(errorCode)
        return { partition, position: reader.int64() }
      }),
    }))
  })
}

export interface FetchOptions {
  /** How long the node may wait for a first byte. */
  readonly waitMsMax: number
  /** Of the whole answer; a first batch is sent whole all the same. */
  readonly bytesMax: number
  readonly partitionBytesMax: number
  /** In this order the node fills its answer. */
  readonly topics: readonly PartitionsOfTopic<{ readonly partition: number; readonly position: number }>[]
}

function readFetchedPartition(reader: ByteReader, name: string): FetchedPartition {
  const [partition, errorCode, highWatermark] = [reader.int32(), reader.int16(), reader.int64()]
  reader.int64()
  reader.int64()
  reader.array(() => reader.int64() + reader.int64())
  reader.int32()
  const length = Math.max(0, reader.int32())
  const batches = reader.bytes.subarray(reader.at, reader.at + length)
  reader.at += length
  return { name, partition, errorCode, highWatermark, batches }
}

export function fetchRequest(options: FetchOptions): Request<readonly FetchedPartition[]> {
  const { waitMsMax, bytesMax, partitionBytesMax, topics } = options
  const [bytesMin, noSession, noEpoch] = [1, 0, -1]
  const body = new ByteWriter().int32(anyReplica).int32(waitMsMax).int32(bytesMin).int32(bytesMax)
  body.int8(readUncommitted).int32(noSession).int32(noEpoch).int32(topics.length)
  for (const { name, partitions } of topics) {
    body.string(name).int32(partitions.length)
    for (const { partition, position } of partitions) {
      body.int32(partition).int32(noEpoch).int64(position).int64(-1).int32(partitionBytesMax)
    }
  }
  body.int32(0).string('')
  return request('fetch', body.done(), (reader) => {
    reader.int32()
    assertOk(reader.int16())
    reader.int32()
    return reader
      .array(() => {
        const name = reader.string()
        return reader.array(() => readFetchedPartition(reader, name))
      })
      .flat()
  })
}
