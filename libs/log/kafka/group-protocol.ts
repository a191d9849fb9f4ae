// The requests of a group's members: FindCoordinator 2, JoinGroup 5, SyncGroup 3, Heartbeat 3, LeaveGroup 3
// (kafka.apache.org/protocol). Members are static (KIP-345): known by the name of their instance, so that a process that
// comes back within the session takes its place again, and one of two with the same name is told so.
//
// What members tell each other is written as consumers do, so that Kafka's own tools can show the group.
import type { Protocol } from 'kafkajs/src/cluster/index.js'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { assertOk, request } from './protocol.ts'

/** Of how members decide; all of a group must know it. */
const strategy = 'waybill-sticky'
const formatVersion = 0

export interface GroupPlace {
  readonly group: string
  /** The member's name, the same after a restart. */
  readonly instance: string
}

export interface Standing {
  /** Empty: not a member yet. */
  readonly memberId: string
  /** The group's, -1 before the first. */
  readonly generation: number
  readonly partitions: readonly number[]
}

/** What a member tells whoever decides. */
export interface Subscription {
  readonly instance: string
  readonly generation: number
  readonly partitions: readonly number[]
}

export interface Joined {
  readonly generation: number
  readonly memberId: string
  readonly leaderId: string
  /** Only the leader is told. */
  readonly members: readonly { readonly memberId: string; readonly subscription: Subscription }[]
}

/** The node that keeps a group. */
export function coordinatorRequest(group: string): Protocol<number> {
  const ofGroup = 0
  return request('coordinator', new ByteWriter().string(group).int8(ofGroup).done(), (reader) => {
    reader.int32()
    assertOk(reader.int16())
    reader.string()
    return reader.int32()
  })
}

function writeSubscription(topic: string, { instance, generation, partitions }: Subscription): Buffer {
  const own = new ByteWriter().int16(formatVersion).string(instance).int32(generation)
  own.array(partitions, (partition) => own.int32(partition))
  const whole = new ByteWriter().int16(0)
  return whole
    .array([topic], (name) => whole.string(name))
    .block(own.done())
    .done()
}

/** A member that cannot be read has nothing yet and is called by its id. */
export function readSubscription(bytes: Buffer, memberId: string): Subscription {
  try {
    const reader = new ByteReader(bytes)
    reader.int16()
    reader.array(() => reader.string())
    const own = new ByteReader(reader.block())
    if (own.int16() !== formatVersion) return { instance: memberId, generation: -1, partitions: [] }
    return { instance: own.string(), generation: own.int32(), partitions: own.array(() => own.int32()) }
  } catch (error) {
    if (error instanceof RangeError) return { instance: memberId, generation: -1, partitions: [] }
    throw error
  }
}

export interface JoinOptions extends GroupPlace {
  readonly topic: string
  readonly standing: Standing
  /** A member that is silent for so long is lost. */
  readonly sessionMs: number
  /** How long the group waits for its members to come together. */
  readonly rebalanceMs: number
  readonly answerMsMax: number
}

export function joinRequest(options: JoinOptions): Protocol<Joined> {
  const { group, instance, topic, standing, sessionMs, rebalanceMs, answerMsMax } = options
  const body = new ByteWriter().string(group).int32(sessionMs).int32(rebalanceMs).string(standing.memberId)
  body.string(instance).string('consumer')
  const { generation, partitions } = standing
  const subscription = writeSubscription(topic, { instance, generation, partitions })
  body.array([strategy], (name) => body.string(name).block(subscription))
  const decode = (reader: ByteReader): Joined => {
    reader.int32()
    assertOk(reader.int16())
    const joined = reader.int32()
    reader.string()
    const [leaderId, memberId] = [reader.string(), reader.string()]
    const members = reader.array(() => {
      const id = reader.string()
      reader.string()
      return { memberId: id, subscription: readSubscription(reader.block(), id) }
    })
    return { generation: joined, memberId, leaderId, members }
  }
  return request('join', body.done(), decode, answerMsMax)
}

function writeAssignment(topic: string, partitions: readonly number[]): Buffer {
  const body = new ByteWriter().int16(0)
  body.array([topic], (name) => body.string(name).array(partitions, (partition) => body.int32(partition)))
  return body.block(Buffer.alloc(0)).done()
}

function readAssignment(bytes: Buffer, topic: string): readonly number[] {
  if (bytes.length === 0) return []
  const reader = new ByteReader(bytes)
  reader.int16()
  const topics = reader.array(() => ({ name: reader.string(), partitions: reader.array(() => reader.int32()) }))
  return topics.filter(({ name }) => name === topic).flatMap(({ partitions }) => partitions)
}

export interface SyncOptions extends GroupPlace {
  readonly topic: string
  readonly generation: number
  readonly memberId: string
  /** Partitions by member; empty from those who do not decide. */
  readonly assignment: ReadonlyMap<string, readonly number[]>
  readonly answerMsMax: number
}

/** Answers with what this member is assigned. */
export function syncRequest(options: SyncOptions): Protocol<readonly number[]> {
  const { group, instance, topic, generation, memberId, assignment, answerMsMax } = options
  const body = new ByteWriter().string(group).int32(generation).string(memberId).string(instance)
  body.array([...assignment], ([id, partitions]) => body.string(id).block(writeAssignment(topic, partitions)))
  const decode = (reader: ByteReader): readonly number[] => {
    reader.int32()
    assertOk(reader.int16())
    return readAssignment(reader.block(), topic)
  }
  return request('sync', body.done(), decode, answerMsMax)
}

/** true, because kafkajs looks for a field in every answer. */
function readVerdict(reader: ByteReader): true {
  reader.int32()
  assertOk(reader.int16())
  return true
}

export function heartbeatRequest(place: GroupPlace, standing: Standing, answerMsMax: number): Protocol<true> {
  const body = new ByteWriter().string(place.group).int32(standing.generation)
  return request('heartbeat', body.string(standing.memberId).string(place.instance).done(), readVerdict, answerMsMax)
}

/** Without a member id whoever has the name leaves. */
export function leaveRequest({ group, instance }: GroupPlace, memberId: string, answerMsMax: number): Protocol<true> {
  const body = new ByteWriter().string(group)
  body.array([memberId], (id) => body.string(id).string(instance))
  const decode = (reader: ByteReader): true => {
    readVerdict(reader)
    reader.array(() => {
      reader.string()
      reader.string()
      assertOk(reader.int16())
    })
    return true
  }
  return request('leave', body.done(), decode, answerMsMax)
}
