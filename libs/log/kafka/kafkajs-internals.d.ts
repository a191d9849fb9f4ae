// The parts of kafkajs 2.2.4 below its public interface that are used here. They are the same in every file of that
// version, which is pinned. See kafka-link.ts for why they are needed.
declare module 'kafkajs/src/cluster/index.js' {
  interface Connection {
    isConnected(): boolean
    connect(): Promise<unknown>
    /** Fails every request under way. */
    rejectRequests(error: Error): void
  }

  interface Protocol<Answer> {
    readonly request: {
      readonly apiKey: number
      readonly apiVersion: number
      readonly apiName: string
      /** What comes after the header. */
      encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
    }
    readonly response: {
      decode(payload: Buffer): Promise<Answer>
      parse(answer: Answer): Promise<Answer>
    }
    readonly requestTimeout?: number
  }

  interface ConnectionPool {
    readonly pool: readonly Connection[]
    send<Answer>(protocol: Protocol<Answer>): Promise<Answer>
  }

  interface Broker {
    readonly connectionPool: ConnectionPool
    /** By API key; null before the first connection. */
    readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null
  }

  interface Options {
    readonly logger: import('kafkajs').Logger
    readonly socketFactory: import('kafkajs').ISocketFactory
    readonly brokers: readonly string[]
    readonly ssl: import('node:tls').ConnectionOptions | boolean | undefined
    readonly sasl: import('kafkajs').SASLOptions | undefined
    readonly clientId: string
    readonly connectionTimeout: number
    readonly requestTimeout: number
    readonly enforceRequestTimeout: boolean
    readonly metadataMaxAge: number
    readonly retry: import('kafkajs').RetryOptions
    readonly allowAutoTopicCreation: boolean
  }

  class Cluster {
    readonly brokerPool: {
      readonly seedBroker: Broker | undefined
      readonly brokers: Readonly<Record<string, Broker>>
      findConnectedBroker(): Promise<Broker>
    }
    constructor(options: Options)
    connect(): Promise<void>
    disconnect(): Promise<void>
    addMultipleTargetTopics(topics: readonly string[]): Promise<void>
    findBroker(node: { readonly nodeId: number }): Promise<Broker>
  }

  export type { Broker, Connection, Protocol }
  // biome-ignore lint/style/noDefaultExport: CommonJS that exports a class.
  export { Cluster as default }
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  interface Request {
    /** Wall clock, in ms. */
    readonly sentAt: number
    readonly requestTimeout: number
    /** Fails the request as timed out. */
    timeoutRequest(): void
  }

  class RequestQueue {
    readonly pending: readonly object[]
    readonly inflight: ReadonlyMap<number, Request>
    readonly enforceRequestTimeout: boolean
    readonly isConnected: () => boolean
    scheduleCheckPendingRequests(): void
    /** When the connection opens. */
    scheduleRequestTimeoutCheck(): void
    /** Ends the timers; a new check may follow. */
    destroy(): void
  }

  // biome-ignore lint/style/noDefaultExport: CommonJS that exports a class.
  export { RequestQueue as default }
}

declare module 'kafkajs/src/protocol/error.js' {
  /** KafkaJSProtocolError with `type` (`NOT_LEADER_FOR_PARTITION`), `code` and `retriable`. */
  export function createErrorFromCode(code: number): Error
}
