import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { suite, type TestContext, test } from 'node:test'
import {
  createJobPlace,
  type JobPlace,
  objectOf,
  writeLargeFile,
  writeSmallTree,
} from '../services/cli/commands/job-place.ts'

const mount = (...words: readonly string[]): boolean => spawnSync('mount', words).status === 0

/** A place whose folder `name` is a file system of so many bytes; null where none may be mounted. */
function placeWithDisk(t: TestContext, name: string, size: string): JobPlace | null {
  const place = createJobPlace()
  mkdirSync(place.path(name))
  const isMounted = mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place.path(name))
  t.after(() => {
    if (isMounted) spawnSync('umount', ['--lazy', place.path(name)])
    place.remove()
  })
  return isMounted ? place : null
}

const migrate = [
  'migrate',
  'source',
  'target',
  '--job',
  'tides',
  '--chunk-size',
  '5MiB',
  '--state-dir',
  'jobs',
] as const

suite('a disk that fills up', { concurrency: 2 }, () => {
  test('at the target: exit 8, no name without its bytes, and the same command goes on once there is space', async (t) => {
    const place = placeWithDisk(t, 'target', '6m')
    if (place === null) return t.skip('no file system may be mounted here')
    writeSmallTree(place)
    writeLargeFile(place, 'source/large.bin')
    const full = await place.run(...migrate, '--json')
    assert.equal(full.code, 8, full.notices)
    assert.match(full.notices, /^STOPPED\. /m)
    assert.match(full.notices, /\n stopped {7}The target is full\. Make space and run the same command again\.\n/)
    assert.equal(existsSync(place.path('target/large.bin')), false)
    assert.ok(mount('-o', 'remount,size=64m', place.path('target')))
    const end = await place.run(...migrate, '--json')
    assert.deepEqual([end.code, objectOf(end)['verdict']], [0, 'pass'], end.notices)
    assert.ok(place.read('target/large.bin').equals(place.read('source/large.bin')))
    assert.equal(existsSync(place.path('target/.waybill')), false)
  })

  test('at the state folder: exit 8, and the same command goes on once there is space', async (t) => {
    const place = placeWithDisk(t, 'jobs', '400k')
    if (place === null) return t.skip('no file system may be mounted here')
    for (let n = 0; n < 600; n += 1) place.write(`source/${n % 20}/${n}.txt`, `file ${n}\n`)
    const full = await place.run(...migrate)
    assert.equal(full.code, 8, full.notices)
    // Log, store or report: whichever needs the byte that is not there.
    assert.match(full.notices, /(LOG_FULL|STORE_FULL|REPORT_NOT_WRITTEN|The disk of the state folder is full\.)/)
    assert.ok(mount('-o', 'remount,size=64m', place.path('jobs')))
    const end = await place.run(...migrate, '--json')
    assert.deepEqual([end.code, objectOf(end)['verdict']], [0, 'pass'], end.notices)
    assert.equal(spawnSync('diff', ['-r', 'source', 'target'], { cwd: place.folder }).status, 0)
  })
})
