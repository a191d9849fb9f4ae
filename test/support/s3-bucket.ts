// A bucket on a real S3 server as campaigns need it: reached by waybill, by the SDK, by rclone and by anyone.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ListMultipartUploadsCommand, PutBucketPolicyCommand, type S3Client } from '@aws-sdk/client-s3'
import { type S3ServerKind, serversFolder } from '../../scripts/server-binaries.ts'
import { adminClient, type S3Server, startS3Server } from './s3-server.ts'
import { startTrafficProxy, type TrafficProxy } from './traffic-proxy.ts'

export interface TestBucket {
  readonly server: S3Server
  /** Stands between waybill and the server; other clients pass it by. */
  readonly proxy: TrafficProxy
  readonly client: S3Client
  readonly bucket: string
  /** `s3://bucket/prefix` */
  readonly location: string
  /** Ends with a slash. */
  readonly prefix: string
  /** Options and environment with which waybill reaches the bucket through the proxy. */
  readonly words: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Uploads that are open in the bucket. */
  openUploads(): Promise<number>
  /** Lets anyone list the bucket and read its objects. */
  openToAnyone(): Promise<void>
  stop(): Promise<void>
}

const bucket = 'campaign'
const prefix = 'tree/'

export async function startTestBucket(kind: S3ServerKind, parent: string): Promise<TestBucket> {
  const server = await startS3Server(kind, { parent })
  await server.createBucket(bucket)
  const proxy = await startTrafficProxy(server.endpoint)
  const client = await adminClient(server.endpoint, server)
  const allow = (action: string, resource: string): object => ({
    Effect: 'Allow',
    Principal: '*',
    Action: [action],
    Resource: [`arn:aws:s3:::${resource}`],
  })
  return {
    server,
    proxy,
    client,
    bucket,
    prefix,
    location: `s3://${bucket}/${prefix.slice(0, -1)}`,
    words: ['--target-endpoint', proxy.endpoint, '--target-region', server.region, '--target-path-style'],
    environment: { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey },
    openUploads: async () => {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
      return Uploads.length
    },
    openToAnyone: async () => {
      const statements = [allow('s3:GetObject', `${bucket}/*`), allow('s3:ListBucket', bucket)]
      const policy = JSON.stringify({ Version: '2012-10-17', Statement: statements })
      await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policy }))
    },
    stop: async () => {
      client.destroy()
      await proxy.stop()
      await server.stop()
    },
  }
}

/** Where rclone is, or null: $RCLONE, beside the S3 servers, or where the benchmark builds it. */
export function rcloneProgram(): string | null {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'waybill', 'bin', 'rclone')
  const places = [process.env['RCLONE'] ?? '', join(serversFolder, 'bin', 'rclone'), cache]
  return places.find((place) => place !== '' && existsSync(place)) ?? null
}

/** rclone's environment for a remote `T:` that is the bucket's server; keys and local names are taken as they are. */
export function rcloneEnvironment(server: S3Server, configFile: string): Readonly<Record<string, string>> {
  return {
    RCLONE_CONFIG: configFile,
    RCLONE_CONFIG_T_TYPE: 's3',
    RCLONE_CONFIG_T_PROVIDER: 'Other',
    RCLONE_CONFIG_T_ENDPOINT: server.endpoint,
    RCLONE_CONFIG_T_REGION: server.region,
    RCLONE_CONFIG_T_ACCESS_KEY_ID: server.accessKeyId,
    RCLONE_CONFIG_T_SECRET_ACCESS_KEY: server.secretAccessKey,
    RCLONE_CONFIG_T_FORCE_PATH_STYLE: 'true',
    RCLONE_CONFIG_T_ENCODING: 'None',
    RCLONE_LOCAL_ENCODING: 'None',
  }
}
