// The SDK's chain of credentials reaches every path: profiles, and credentials that live shortly.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openS3Target } from '#libs/target/s3/target'
import { type S3Server, startS3Server, withS3Servers } from '#test/support/s3-server'
import { never, putRequest, s3Settings, testBucket } from '#test/support/s3-target'

const body = Buffer.from('bytes')

/** A profile whose program hands out credentials for `seconds`, and counts how often it was asked. */
function writeProfiles(folder: string, server: S3Server, seconds: number): { readonly asked: () => number } {
  const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = server
  const Expiration = new Date(Date.now() + seconds * 1000).toISOString()
  const answer = JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey, Expiration })
  const [program, count] = [join(folder, 'give.sh'), join(folder, 'count')]
  writeFileSync(count, '')
  writeFileSync(program, `#!/bin/sh\nprintf x >> '${count}'\nprintf '%s' '${answer}'\n`, { mode: 0o700 })
  const lines = ['[profile short]', `credential_process = ${program}`, 'region = us-east-1']
  writeFileSync(join(folder, 'config'), `${lines.join('\n')}\n`)
  return { asked: () => readFileSync(count).length }
}

async function useProfile(server: S3Server, seconds: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-profiles-'))
  const before = { ...process.env }
  try {
    const { asked } = writeProfiles(folder, server, seconds)
    process.env['AWS_CONFIG_FILE'] = join(folder, 'config')
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(folder, 'none')
    const credentials = { kind: 'chain', profile: 'short' } as const
    const target = await openS3Target(s3Settings(server, { credentials, region: null }))
    const survey = target.survey()
    const { abilities } = await survey.probe(never)
    const writer = target.writer(abilities)
    const beforePuts = asked()
    for (const name of ['a', 'b', 'c']) await writer.put(putRequest(`${seconds}/${name}`, body), never)
    await Promise.all([survey.close(), writer.close()])
    return asked() - beforePuts
  } finally {
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
    // A program that gives credentials may still be writing there.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

withS3Servers((kind) => {
  if (kind !== 'versitygw') return
  describe(`s3 credentials on ${kind}`, () => {
    test('credentials of a profile are asked for once while they live', async () => {
      const server = await startS3Server(kind)
      try {
        await server.createBucket(testBucket)
        assert.equal(await useProfile(server, 3600), 1)
        assert.ok((await useProfile(server, 60)) > 1, 'what is about to expire is asked for again')
      } finally {
        await server.stop()
      }
    })
  })
})
