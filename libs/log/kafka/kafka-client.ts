// How brokers are reached: settings, and kafkajs made from them.
import { connect as connectSocket, isIP } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { type ISocketFactoryArgs, Kafka, logLevel, type SASLOptions } from 'kafkajs'
import type { Logger } from '#libs/runtime/logger'
import { type Topic, topics } from '#schemas/events'
import { correctIdleTimer } from './idle-timer.ts'

export interface KafkaAddress {
  /** `host:port`, some of the cluster's brokers. */
  readonly brokers: readonly string[]
  /** TLS: true, or certificates and the like. */
  readonly ssl?: ConnectionOptions | boolean
  /** Name and password by PLAIN or SCRAM; OAUTHBEARER. */
  readonly sasl?: SASLOptions
  /** Topics are called `PREFIX.jobs` and so on. */
  readonly topicPrefix: string
  /** How brokers name this client in their logs and quotas. */
  readonly clientId: string
  readonly logger: Logger
}

const connectionMsMax = 3000
const requestMsMax = 8000
const keepAliveMs = 60_000

/** Within kafkajs, where the same producer sends the same batch again: for a leader that moves, about 4 s. */
const retry = { initialRetryTime: 100, maxRetryTime: 1000, multiplier: 2, factor: 0.2, retries: 6 }

/** Small requests are sent at once and not held back for the answer to an earlier one. */
export function openSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): ReturnType<typeof connectSocket> {
  const place = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }
  // kafkajs passes on `ssl: true` as it is, although its type says otherwise.
  const settings: ConnectionOptions | boolean = ssl
  if (!settings) return connectSocket(place, onConnect)
  const name = isIP(host) === 0 ? { servername: host } : {}
  return connectTls({ ...place, ...name, ...(typeof settings === 'object' ? settings : {}) }, onConnect)
}

export function topicName(prefix: string, topic: Topic): string {
  return `${prefix}.${topic}`
}

/** Our topics by the names that brokers know. */
export function topicsByName(prefix: string): ReadonlyMap<string, Topic> {
  return new Map(topics.map((topic) => [topicName(prefix, topic), topic]))
}

/** kafkajs reports each failed try as an error; what matters is logged here in its own words, so those are details. */
function passOn(logger: Logger): (entry: { readonly log: { readonly message: string } }) => void {
  return ({ log: { message } }) => logger.debug({ message }, 'kafkajs says')
}

export function connectionSettings(address: KafkaAddress): {
  readonly brokers: string[]
  readonly clientId: string
  readonly connectionTimeout: number
  readonly requestTimeout: number
  readonly enforceRequestTimeout: boolean
  readonly socketFactory: typeof openSocket
} {
  return {
    brokers: [...address.brokers],
    clientId: address.clientId,
    connectionTimeout: connectionMsMax,
    requestTimeout: requestMsMax,
    enforceRequestTimeout: true,
    socketFactory: openSocket,
  }
}

/** Opens no connection yet. */
export function createKafka(address: KafkaAddress): Kafka {
  correctIdleTimer()
  return new Kafka({
    ...connectionSettings(address),
    ...(address.ssl === undefined ? {} : { ssl: address.ssl }),
    ...(address.sasl === undefined ? {} : { sasl: address.sasl }),
    retry,
    logLevel: logLevel.WARN,
    logCreator: () => passOn(address.logger),
  })
}
