// What becomes of the target folder itself.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { suite, test } from 'node:test'
import { createJobPlace, writeSmallTree } from '../services/cli/commands/job-place.ts'

const migrate = ['migrate', 'source', 'target', '--job', 'tides', '-q'] as const
const isRoot = process.getuid?.() === 0

function told(path: string): object {
  const { mode, uid, gid, mtimeNs } = fs.statSync(path, { bigint: true })
  return { mode: (Number(mode) & 0o7777).toString(8), uid, gid, mtimeNs }
}

suite('a target folder', { concurrency: 2 }, () => {
  test('that the migration makes gets mode, owner and time of the source folder, in every pass', async (t) => {
    const place = createJobPlace()
    writeSmallTree(place)
    const [source, target] = [place.path('source'), place.path('target')]
    t.after(() => {
      for (const folder of [source, target]) fs.chmodSync(folder, 0o755)
      place.remove()
    })
    // Without write permission for its owner a later pass has to open it up meanwhile.
    fs.chmodSync(source, 0o2550)
    if (isRoot) fs.chownSync(source, 1234, 2345)
    fs.utimesSync(source, 1_000_000_000.5, 1_000_000_000.5)
    assert.equal((await place.run(...migrate)).code, 0)
    assert.deepEqual(told(target), told(source))
    fs.chmodSync(source, 0o750)
    fs.writeFileSync(place.path('source/later'), 'later')
    fs.chmodSync(source, 0o550)
    fs.utimesSync(source, 1_100_000_000, 1_100_000_000)
    assert.equal((await place.run(...migrate)).code, 0)
    assert.deepEqual(told(target), told(source))
    assert.equal((await place.run('plan', 'source', 'target', '--job', 'tides', '-q')).code, 0)
    assert.equal((fs.statSync(target).mode & 0o7777).toString(8), '550', 'a plan leaves the mode as it was')
  })

  test('that was there before keeps its own mode and owner', async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    fs.mkdirSync(place.path('target'))
    fs.chmodSync(place.path('target'), 0o711)
    const end = await place.run(...migrate)
    assert.equal(end.code, 0, end.notices)
    assert.equal((fs.statSync(place.path('target')).mode & 0o7777).toString(8), '711')
    assert.doesNotMatch((await place.run('report', 'show', 'tides')).output, /directories not set/)
  })
})
