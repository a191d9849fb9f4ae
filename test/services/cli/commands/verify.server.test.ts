import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { startS3Server, withS3Servers } from '#test/support/s3-server'
import { createJobPlace, MiB, objectOf, rot, writeLargeFile, writeSmallTree } from './job-place.ts'

withS3Servers((kind) => {
  suite(`verify on ${kind}`, () => {
    test('a job is verified from its name; bytes that rotted are named, and migrate repairs them', async (t) => {
      const server = await startS3Server(kind)
      t.after(() => server.stop())
      await server.createBucket('archive')
      const place = createJobPlace({
        AWS_ACCESS_KEY_ID: server.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
        AWS_REGION: server.region,
      })
      t.after(place.remove)
      writeSmallTree(place)
      writeLargeFile(place, 'source/large.bin')
      const chunked = ['--chunk-size', '5MiB', '--target-endpoint', server.endpoint]
      const migrate = ['migrate', 'source', 's3://archive/2026', '--job', 'tides', ...chunked, '--json']
      const first = await place.run(...migrate)
      assert.equal(first.code, 0, first.notices)
      const sound = await place.run('verify', 'tides', '--json')
      assert.deepEqual([sound.code, objectOf(sound)['target_bytes_written']], [0, 0], sound.notices)
      if (server.objectsFolder === null) return
      rot(join(server.objectsFolder, 'archive/2026/large.bin'), 7 * MiB)
      const bad = await place.run('verify', 'tides')
      assert.equal(bad.code, 5, bad.notices)
      assert.match(bad.notices, /large\.bin\n {8}bytes 5,242,880 to 10,485,759 /)
      const repaired = objectOf(await place.run(...migrate))
      assert.equal(repaired['exit_code'], 0)
      // The two sound ranges are copied inside the store.
      assert.equal(repaired['source_bytes_read'], 5 * MiB)
      const again = await place.run('verify', 'tides', '--json')
      assert.equal(again.code, 0, again.notices)
    })
  })
})
