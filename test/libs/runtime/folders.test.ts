import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isThere, makeFolder } from '#libs/runtime/folders'

const secondsMax = { timeout: 5_000 }

test('folders are made with those above them, each once, and the topmost new one is told', secondsMax, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'waybill-folders-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  assert.equal(await makeFolder(join(root, 'a/b/c'), 0o700), join(root, 'a'))
  for (const path of ['a', 'a/b', 'a/b/c']) assert.equal(statSync(join(root, path)).mode & 0o777, 0o700)
  assert.equal(await makeFolder(join(root, 'a/b')), null)
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(join(root, 'd/e/f'))))
  writeFileSync(join(root, 'file'), '')
  await assert.rejects(makeFolder(join(root, 'file')), { code: 'EEXIST' })
  await assert.rejects(makeFolder(join(root, 'file/below')), { code: 'ENOTDIR' })
})

test('a folder below one that takes none is refused, at once', {
  ...secondsMax,
  skip: !existsSync('/proc'),
}, async () => {
  await assert.rejects(makeFolder('/proc/x9'), { code: 'ENOENT' })
  await assert.rejects(makeFolder('/proc/x9/deep/er'), { code: 'ENOENT' })
})

test('only what is absent is said not to be there; what cannot be looked at is an error', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'waybill-folders-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  writeFileSync(join(root, 'file'), '')
  assert.equal(await isThere(join(root, 'file')), true)
  assert.equal(await isThere(join(root, 'none')), false)
  await assert.rejects(isThere(join(root, 'file/below')), { code: 'ENOTDIR' })
})
