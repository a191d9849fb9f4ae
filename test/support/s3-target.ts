// An S3 target as tests open it: settings for a server of test/support/s3-server.ts, small things to put into it.
import { hash } from 'node:crypto'
import { noObjectOptions } from '#libs/domain/object-options'
import { systemClock } from '#libs/runtime/system-clock'
import { defaultDeadlines, noProxies, type S3Settings } from '#libs/target/s3/settings'
import type { ObjectDress, PutRequest, TargetReader } from '#libs/target/target'
import type { S3Server } from './s3-server.ts'

export const never = new AbortController().signal
export const testBucket = 'bucket'

export function s3Settings(
  server: Pick<S3Server, 'endpoint' | 'region' | 'accessKeyId' | 'secretAccessKey'>,
  change: Partial<S3Settings> = {},
): S3Settings {
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  return {
    bucket: testBucket,
    prefix: 'job',
    endpoint,
    region,
    isPathStyle: true,
    credentials: { kind: 'provider', provide: async () => ({ accessKeyId, secretAccessKey }) },
    job: 'job',
    caFile: null,
    proxies: noProxies,
    objectOptions: noObjectOptions,
    connectionsMax: 8,
    clock: systemClock,
    random: Math.random,
    deadlines: defaultDeadlines,
    ...change,
  }
}

export function dressOf(item = '1.1.0', generation = 1): ObjectDress {
  return {
    mark: { job: 'job', item, generation },
    attributes: { mode: 0o644, uid: 1000, gid: 100 },
    mtimeNs: '1700000000123456789',
  }
}

export function digestOf(body: Buffer): Buffer {
  return hash('sha256', body, 'buffer')
}

export function putRequest(name: string, body: Buffer, change: Partial<PutRequest> = {}): PutRequest {
  return {
    key: Buffer.from(name),
    kind: 'file',
    body,
    digest: digestOf(body),
    dress: dressOf(),
    condition: { kind: 'absent' },
    claim: 'claim',
    ...change,
  }
}

/** The range as one buffer. */
export async function readAll(
  reader: TargetReader,
  place: { readonly name: string; readonly seal: string | null; readonly length: number; readonly offset?: number },
  isFresh = false,
): Promise<Buffer> {
  const parts: Buffer[] = []
  const { name, seal, length, offset = 0 } = place
  const request = { key: Buffer.from(name), kind: 'file', seal, offset, length, isFresh } as const
  await reader.read(request, (bytes) => parts.push(Buffer.from(bytes)), never)
  return Buffer.concat(parts)
}
