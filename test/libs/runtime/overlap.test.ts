import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nameInside, overlapOf } from '#libs/runtime/overlap'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'waybill-overlap-')))
after(() => rmSync(root, { recursive: true }))
mkdirSync(join(root, 'a/b'), { recursive: true })
mkdirSync(join(root, 'ab'))
symlinkSync(join(root, 'a'), join(root, 'link'))

test('folders within each other are found through links, and where one does not exist yet', async () => {
  const cases: readonly [string, string, string][] = [
    ['a', 'ab', 'none'],
    ['a', 'a', 'same'],
    ['a', 'link', 'same'],
    ['a/b', 'a', 'first_in_second'],
    ['a', 'link/b', 'second_in_first'],
    ['a', 'link/new/deep', 'second_in_first'],
    ['new/a', 'new', 'first_in_second'],
    ['a', 'new', 'none'],
  ]
  for (const [first, second, overlap] of cases) {
    assert.equal(await overlapOf(join(root, first), join(root, second)), overlap, `${first} and ${second}`)
  }
  assert.equal(await overlapOf('/', root), 'second_in_first')
})

test('a folder inside another is named relative to it', async () => {
  assert.deepEqual(await nameInside(join(root, 'link/b'), join(root, 'a')), Buffer.from('b'))
  assert.deepEqual(await nameInside(join(root, 'a/b/new'), root), Buffer.from('a/b/new'))
  assert.equal(await nameInside(join(root, 'ab'), join(root, 'a')), null)
  assert.equal(await nameInside(root, root), null)
})
