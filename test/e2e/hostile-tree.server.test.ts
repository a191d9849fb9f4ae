import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runPython } from '../support/foreign-tools.ts'
import { makeHostileTree, removeHostileTree } from '../support/hostile-tree.ts'
import { startTestBucket } from '../support/s3-bucket.ts'
import { withS3Servers } from '../support/s3-server.ts'
import { runObjectOf, runWaybill } from '../support/waybill-process.ts'

withS3Servers((kind) => {
  test(`${kind}: a program that knows docs/keys.md alone finds every file of a hostile tree, and nothing else`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'waybill-hostile-'))
    t.after(() => removeHostileTree(folder))
    const [source, home] = [join(folder, 'source'), join(folder, 'home')]
    mkdirSync(home)
    makeHostileTree(source, { seed: 'e2e', largestBytes: 1024 * 1024 })
    const bucket = await startTestBucket(kind, folder)
    t.after(bucket.stop)
    const words = ['migrate', source, bucket.location, ...bucket.words, '--json', '-q']
    const run = runObjectOf(await runWaybill(words, { home, environment: bucket.environment }))
    assert.equal(run.exit_code, 0)
    await bucket.openToAnyone()
    const url = `${bucket.server.endpoint}/${bucket.bucket}`
    const { code, output, errors } = runPython('keys-check.py', [source, url, bucket.prefix])
    assert.equal(code, 0, output + errors)
    assert.equal(await bucket.openUploads(), 0)
  })
})
