// docs/invariants.md names the tests that prove each promise; this keeps the page true.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { filesBelow } from './support/tree-files.ts'

const page = readFileSync(join(import.meta.dirname, '../docs/invariants.md'), 'utf8')
const suites = filesBelow(import.meta.dirname, { skips: ['golden'] })
  .filter((path) => /\.(test|contract)\.ts$/.test(path))
  .map((path) => readFileSync(path, 'utf8'))

const sections = page.split(/^### /m).slice(1)

test('every invariant is named once, with tests that exist', () => {
  const ids = sections.map((section) => section.split(' ')[0] ?? '')
  assert.deepEqual(ids, ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'L1', 'L2', 'L3'])
  for (const [index, section] of sections.entries()) {
    const id = ids[index] ?? ''
    const named = [...section.matchAll(/^\* (.+)$/gm)].map((match) => match[1] ?? '')
    const missing = named.filter((name) => !suites.some((text) => text.includes(`'${name}'`)))
    assert.deepEqual(missing, [], `${id}: no test of this name`)
    assert.ok(named.length > 0, `${id}: no tests`)
  }
})
