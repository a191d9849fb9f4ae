// How servers that are started by hand are reached; docker-compose.kafka.yml says the same.
import type { S3ServerKind } from './server-binaries.ts'

export type Server = S3ServerKind | 'kafka' | 'registry'

export const ports: Readonly<Record<Server, number>> = { versitygw: 7070, minio: 7080, kafka: 9092, registry: 8081 }
export const kafkaControllerPort = 9093
export const accessKeyId = 'waybill-dev'
export const secretAccessKey = 'waybill-dev-secret'
