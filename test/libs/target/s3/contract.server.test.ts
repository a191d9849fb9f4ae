// Real stores keep the target contract.
import { after } from 'node:test'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { openS3Target } from '#libs/target/s3/target'
import { targetContract } from '#test/contracts/target.contract'
import type { TargetFixture } from '#test/contracts/target-fixture'
import { adminClient, type S3Server, startS3Server, withS3Servers } from '#test/support/s3-server'
import { s3Settings } from '#test/support/s3-target'

const prefix = 'a prefix/of ä job/'
const partBytes = 5 * 1024 * 1024

async function openFixture(server: S3Server, bucket: string): Promise<TargetFixture> {
  await server.createBucket(bucket)
  const stranger = await adminClient(server.endpoint, server)
  const placeOf = (key: Buffer) => ({ Bucket: bucket, Key: prefix + key.toString('utf8') })
  return {
    target: await openS3Target(s3Settings(server, { bucket, prefix })),
    job: 'job',
    replace: async (key, body) => {
      await stranger.send(new PutObjectCommand({ ...placeOf(key), Body: body }))
    },
    remove: async (key) => {
      await stranger.send(new DeleteObjectCommand(placeOf(key)))
    },
    close: async () => stranger.destroy(),
  }
}

withS3Servers((kind) => {
  let server: Promise<S3Server> | null = null
  let buckets = 0
  after(async () => (await server)?.stop())
  targetContract({
    name: `s3 on ${kind}`,
    partBytes,
    knowsParts: true,
    open: async () => {
      server ??= startS3Server(kind)
      buckets += 1
      return openFixture(await server, `bucket-${buckets}`)
    },
  })
})
