import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { suite, test } from 'node:test'
import { createJobPlace, objectOf, until, writeLargeFile, writeSmallTree } from '../services/cli/commands/job-place.ts'
import { notAsNobody } from '../support/nobody.ts'

const migrate = ['migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB'] as const

suite('a source', { concurrency: 2 }, () => {
  test('that is missing, or is a file, ends the run before anything is made', async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    const missing = await place.run('migrate', 'nowhere', 'target')
    assert.equal(missing.code, 3)
    assert.match(missing.notices, /^waybill: SOURCE_MISSING: .*source=\S+\/nowhere/)
    const file = await place.run('migrate', 'source/a.txt', 'target')
    assert.equal(file.code, 3)
    assert.match(file.notices, /^waybill: SOURCE_NOT_A_TREE: /)
    assert.deepEqual([existsSync(place.path('target')), existsSync(place.path('state'))], [false, false])
  })

  test('that is empty is said to be, and one that is empty all of a sudden is not believed', async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    mkdirSync(place.path('source'))
    const empty = await place.run(...migrate)
    assert.equal(empty.code, 0, empty.notices)
    assert.match(empty.notices, /^VERIFIED\. The source is empty; nothing was moved\.\n/m)
    writeSmallTree(place)
    assert.equal((await place.run(...migrate, '-q')).code, 0)
    renameSync(place.path('source'), place.path('elsewhere'))
    mkdirSync(place.path('source'))
    const other = await place.run(...migrate)
    assert.equal(other.code, 3)
    assert.match(other.notices, /^waybill: SOURCE_(REPLACED|EMPTY): /)
    rmSync(place.path('source'), { recursive: true })
    renameSync(place.path('elsewhere'), place.path('source'))
    for (const name of ['a.txt', 'folder', 'link', 'nothing', 'z.bin'])
      rmSync(place.path('source', name), { recursive: true })
    // Or a slow machine shows progress first.
    const emptied = await place.run(...migrate, '--progress', 'none')
    assert.equal(emptied.code, 3)
    assert.match(emptied.notices, /^waybill: SOURCE_EMPTY: /)
    assert.equal(place.read('target/a.txt').toString(), 'alpha\n')
  })

  test('with items that cannot be read: they are failed and named, the others are moved', {
    skip: notAsNobody(),
  }, async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    chmodSync(place.path('source/z.bin'), 0o600)
    chmodSync(place.path('source/folder'), 0o700)
    chmodSync(place.folder, 0o777)
    const end = await place.runAsNobody(...migrate)
    assert.equal(end.code, 4, end.notices)
    assert.match(end.notices, /not copied SOURCE_UNREADABLE, 2 items: .*\n {4}folder\n {4}z\.bin\n/)
    assert.match(end.notices, /\n next {10}waybill explain tides folder\n/)
    assert.equal(place.read('target/a.txt').toString(), 'alpha\n')
    const whole = await place.runAsNobody('migrate', 'source/folder', 'other')
    assert.equal(whole.code, 3)
    assert.match(whole.notices, /^waybill: SOURCE_UNREADABLE: /)
  })

  test('that vanishes while it is read leaves nothing half-written, and its items are listed as changed', async (t) => {
    const place = createJobPlace()
    t.after(place.remove)
    writeSmallTree(place)
    writeLargeFile(place, 'source/large.bin')
    const running = place.start(...migrate, '--throughput', '1MB/s', '--json')
    await until(() => existsSync(place.path('target/a.txt')))
    rmSync(place.path('source'), { recursive: true })
    const end = await running.end
    const { changed } = objectOf(end)['items'] as { changed: number }
    assert.deepEqual([end.code, changed >= 1], [7, true], end.notices)
    assert.match(end.notices, /changed at the source SOURCE_VANISHED, /)
    assert.equal(existsSync(place.path('target/large.bin')), false)
  })
})
