// --files-from FILE: what is named is moved, and what is named and not there is told, name by name.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createPlace, runProgram } from './program.ts'

const place = createPlace()
after(place.remove)
mkdirSync(join(place.folder, 'source/folder'), { recursive: true })
for (const name of ['a', 'b', 'folder/c']) writeFileSync(join(place.folder, 'source', name), name)
writeFileSync(join(place.folder, 'names'), 'a\nfolder/c\nfolder/gone\nmistyped\n')
const words = ['source', 'copy', '--files-from', 'names', '--job', 'named', '--progress', 'none']

test('a plan names what the list names and the source lacks', async () => {
  const end = await runProgram(['plan', ...words], place)
  assert.match(end.output, /NAME_NOT_FOUND/)
  assert.match(end.output, /mistyped/)
})

test('a migration of a list moves what is there, names what is not, and ends with 4 until the list is right', async () => {
  for (const pass of [1, 2]) {
    const end = await runProgram(['migrate', ...words], place)
    assert.equal(end.code, 4, end.notices)
    assert.match(end.notices, /NAME_NOT_FOUND/)
    assert.match(end.notices, /folder\/gone/, `pass ${pass}`)
    assert.match(end.notices, /mistyped/)
  }
  assert.deepEqual(readdirSync(join(place.folder, 'copy/folder')), ['c'])
  const shown = await runProgram(['report', 'show', 'named', '--json'], place)
  assert.match(shown.output, /"NAME_NOT_FOUND":2/)
})

test('limits of size and age do not hide a name that is not there', async () => {
  const more = ['--min-size', '1B', '--modified-after', '2020-01-01', '--job', 'limited']
  const end = await runProgram(['migrate', 'source', 'other', '--files-from', 'names', ...more], place)
  assert.equal(end.code, 4, end.notices)
  assert.match(end.notices, /mistyped/)
})
