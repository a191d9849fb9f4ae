import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { GetObjectTaggingCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { adminClient, startS3Server, withS3Servers } from '#test/support/s3-server'
import { createJobPlace, objectOf, writeLargeFile, writeSmallTree } from './commands/job-place.ts'

withS3Servers((kind) => {
  test(`${kind}: metadata and tags that were asked for are on every object, and in the report`, async (t) => {
    const server = await startS3Server(kind)
    t.after(() => server.stop())
    await server.createBucket('archive')
    const { accessKeyId, secretAccessKey, region } = server
    const place = createJobPlace({
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: region,
    })
    t.after(place.remove)
    writeSmallTree(place)
    writeLargeFile(place, 'source/large.bin')
    const words = ['migrate', 'source', 's3://archive/2026', '--chunk-size', '5MiB', '--job', 'tides', '-q', '--json']
    const reach = ['--target-endpoint', server.endpoint]
    const options = ['--metadata', 'Team=harbour archive', '--tag', 'class=cold', '--tag', 'age=old']
    const end = await place.run(...words, ...reach, ...options)
    assert.equal(end.code, 0, end.notices)
    const client = await adminClient(server.endpoint, server)
    t.after(() => client.destroy())
    for (const Key of ['2026/a.txt', '2026/large.bin']) {
      const { Metadata } = await client.send(new HeadObjectCommand({ Bucket: 'archive', Key }))
      assert.equal(Metadata?.['team'], 'harbour archive', Key)
      const { TagSet = [] } = await client.send(new GetObjectTaggingCommand({ Bucket: 'archive', Key }))
      assert.deepEqual(new Set(TagSet.map((tag) => `${tag.Key}=${tag.Value}`)), new Set(['class=cold', 'age=old']))
    }
    const report = String(objectOf(end)['report_path'])
    const [header = ''] = readFileSync(report, 'utf8').split('\n')
    const told = JSON.parse(header)['configuration']['target_options']
    assert.deepEqual(told, {
      endpoint: server.endpoint,
      'metadata.team': 'harbour archive',
      'tag.age': 'old',
      'tag.class': 'cold',
    })
    // The order of the options says nothing; leaving them out asks for something else.
    const other = ['--tag', 'age=old', '--tag', 'class=cold', '--metadata', 'team=harbour archive']
    assert.equal((await place.run(...words, ...reach, ...other)).code, 0)
    const shown = await place.run('jobs', 'show', 'tides')
    assert.match(shown.output, /--metadata 'team=harbour archive' --tag age=old --tag class=cold/)
    const without = await place.run(...words, ...reach)
    assert.equal(without.code, 2, without.notices)
    assert.match(without.notices, /JOB_DIFFERS/)
  })
})
