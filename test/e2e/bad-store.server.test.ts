import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { freePort, startS3Server, withS3Servers } from '#test/support/s3-server'
import { createJobPlace, writeSmallTree } from '../services/cli/commands/job-place.ts'

withS3Servers((kind) => {
  suite(`a store of ${kind}`, () => {
    test('without the bucket, with wrong keys, without keys, or that is down: exit 3 says which', async (t) => {
      const server = await startS3Server(kind)
      t.after(() => server.stop())
      await server.createBucket('archive')
      const right = { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey }
      const cases = [
        { bucket: 'nowhere', keys: right, code: /TARGET_MISSING_BUCKET/ },
        { bucket: 'archive', keys: { ...right, AWS_SECRET_ACCESS_KEY: 'wrong' }, code: /TARGET_DENIED/ },
        { bucket: 'archive', keys: {}, code: /CREDENTIALS_MISSING/ },
        {
          bucket: 'archive',
          keys: right,
          endpoint: `http://127.0.0.1:${await freePort()}`,
          code: /TARGET_UNREACHABLE/,
        },
      ]
      for (const { bucket, keys, endpoint, code } of cases) {
        // No metadata service of a cloud answers here; asking for it only takes time.
        const place = createJobPlace({ AWS_REGION: server.region, AWS_EC2_METADATA_DISABLED: 'true', ...keys })
        t.after(place.remove)
        writeSmallTree(place)
        const words = ['source', `s3://${bucket}/2026`, '--target-endpoint', endpoint ?? server.endpoint]
        for (const command of ['migrate', 'plan', 'doctor']) {
          const end = await place.run(command, ...words)
          assert.equal(end.code, 3, `${command} ${String(code)}: ${end.notices}`)
          assert.match(end.notices + end.output, code)
          assert.ok(!(end.notices + end.output).includes(server.secretAccessKey))
        }
      }
    })
  })
})
