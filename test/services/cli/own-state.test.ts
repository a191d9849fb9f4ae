import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isInFolder } from '#services/cli/own-state'
import { createPlace, runProgram } from './program.ts'

const place = createPlace()
after(place.remove)

test('whoever moves a folder that holds our state gets everything but the state, and is told', async () => {
  mkdirSync(join(place.folder, 'home/documents'), { recursive: true })
  writeFileSync(join(place.folder, 'home/documents/a'), 'a')
  writeFileSync(join(place.folder, 'home/state-of-mind'), 'b')
  const end = await runProgram(
    ['migrate', 'home', 'copy', '--state-dir', 'home/state', '--progress', 'none', '--json'],
    place,
  )
  assert.match(end.notices, /the state folder lies in the source and is left out: .*home\/state\n/)
  assert.equal(end.code, 0, end.notices)
  assert.ok(existsSync(join(place.folder, 'copy/documents/a')))
  assert.ok(existsSync(join(place.folder, 'copy/state-of-mind')))
  assert.ok(!existsSync(join(place.folder, 'copy/state')))
  assert.equal(JSON.parse(end.output).items.verified, 3)
})

test('only the folder and what is in it counts as in it', () => {
  const folder = Buffer.from('a/state')
  assert.ok(isInFolder(Buffer.from('a/state'), folder))
  assert.ok(isInFolder(Buffer.from('a/state/x'), folder))
  assert.ok(!isInFolder(Buffer.from('a/states'), folder))
  assert.ok(!isInFolder(Buffer.from('a'), folder))
})
