import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFileSource } from '#libs/source/files/file-source'

test('a directory that is not to be entered is listed, and a page that ends with it resumes behind it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'waybill-pruned-'))
  for (const name of ['kept', 'left', 'rest']) {
    await mkdir(join(root, name))
    await writeFile(join(root, name, 'file'), name)
  }
  const source = openFileSource({ root, isSameFileSystemOnly: true, enters: (name) => name.toString() !== 'left' })
  const names: string[] = []
  let cursor: Buffer | null = null
  do {
    const limits = { entriesMax: 1, nameBytesMax: 1_000 }
    const page = await source.list(cursor, limits, new AbortController().signal)
    names.push(...page.entries.map(({ name }) => name.toString()))
    cursor = page.cursor
  } while (cursor !== null)
  assert.deepEqual(names, ['kept', 'kept/file', 'left', 'rest', 'rest/file'])
  await source.close()
  await rm(root, { recursive: true })
})
