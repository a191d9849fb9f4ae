import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { suite, test } from 'node:test'
import { createJobPlace, objectOf, writeSmallTree } from '../services/cli/commands/job-place.ts'
import { notAsNobody } from '../support/nobody.ts'

suite('a target', { concurrency: 2 }, () => {
  test('that lies within the source, or holds it, is refused before anything is written', async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    symlinkSync('source/folder', place.path('door'))
    const before = readdirSync(place.path('source'), { recursive: true }).length
    const pairs = [
      ['source', 'source/folder/copy'],
      ['source', 'source'],
      ['source/folder', 'source'],
      // By way of a link.
      ['source', 'door/copy'],
      ['door', 'source/../source'],
    ] as const
    for (const [source, target] of pairs) {
      const end = await place.run('migrate', source, target)
      assert.equal(end.code, 3, `${source} ${target}: ${end.notices}`)
      assert.match(end.notices, /^waybill: TARGET_OVERLAPS: /)
    }
    assert.equal((await place.run('plan', 'source', 'source/folder/copy')).code, 3)
    assert.equal(readdirSync(place.path('source'), { recursive: true }).length, before)
    assert.equal(existsSync(place.path('state')), false)
  })

  test('that is the source by another mount is refused too', async (t) => {
    const place = createJobPlace()
    writeSmallTree(place)
    mkdirSync(place.path('window'))
    const isMounted = spawnSync('mount', ['--bind', place.path('source'), place.path('window')]).status === 0
    t.after(() => {
      if (isMounted) spawnSync('umount', [place.path('window')])
      place.remove()
    })
    if (!isMounted) return t.skip('nothing may be mounted here')
    for (const target of ['window', 'window/copy']) {
      const end = await place.run('migrate', 'source', target)
      assert.equal(end.code, 3, end.notices)
      assert.match(end.notices, /^waybill: TARGET_OVERLAPS: /)
    }
  })

  test('that is a file, or below one, is refused', async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    place.write('file', 'x')
    for (const target of ['file', 'file/below']) {
      const end = await place.run('migrate', 'source', target)
      assert.equal(end.code, 3, end.notices)
      assert.match(end.notices, /^waybill: TARGET_NOT_WRITABLE: /m)
    }
  })

  test('that may not be written is refused', {
    skip: notAsNobody(),
  }, async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    chmodSync(place.folder, 0o777)
    mkdirSync(place.path('target'), 0o755)
    const end = await place.runAsNobody('migrate', 'source', 'target')
    assert.equal(end.code, 3, end.notices)
    assert.match(end.notices, /^waybill: TARGET_NOT_WRITABLE: /m)
  })

  test('keeps the objects of others: exit 4 names them; equal ones are proven; --overwrite different replaces', async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    place.write('target/a.txt', 'not ours\n')
    place.write('target/folder/b.txt', 'bravo\n')
    place.write('target/stranger', 'left alone')
    const migrate = ['migrate', 'source', 'target', '--job', 'tides'] as const
    const kept = await place.run(...migrate)
    assert.equal(kept.code, 4, kept.notices)
    assert.match(kept.notices, /not copied TARGET_EXISTS, 1 item: .*--overwrite different replaces it\.\n {4}a\.txt\n/)
    assert.match(kept.notices, /\n already there +\d items? /)
    assert.equal(place.read('target/a.txt').toString(), 'not ours\n')
    const replaced = await place.run(...migrate, '--overwrite', 'different', '--json')
    assert.deepEqual([replaced.code, objectOf(replaced)['verdict']], [0, 'pass'], replaced.notices)
    assert.equal(place.read('target/a.txt').toString(), 'alpha\n')
    assert.equal(place.read('target/stranger').toString(), 'left alone')
  })
})
