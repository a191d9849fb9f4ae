// docs/security.md names what stands against each attempt, and the test that shows it; this keeps the page true.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { filesBelow } from './support/tree-files.ts'

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/security.md'), 'utf8')
const suites = filesBelow(import.meta.dirname, { skips: ['golden'] })
  .filter((path) => /\.(test|contract)\.ts$/.test(path))
  .map((path) => readFileSync(path, 'utf8'))

const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| attempt'))
  .map((line) => line.slice(2, -2).split(' | '))

test('every row of docs/security.md has a control, a file that is there, and a test that is there', () => {
  assert.ok(rows.length >= 35, String(rows.length))
  for (const [attempt = '', control = '', where = '', shown = '', ...more] of rows) {
    assert.deepEqual(more, [], attempt)
    assert.ok(control.length > 10, attempt)
    assert.ok(existsSync(join(root, where.replaceAll('`', ''))), `${attempt}: no file ${where}`)
    const isCampaign = shown.startsWith('`')
    const isThere = isCampaign
      ? existsSync(join(root, shown.replaceAll('`', '')))
      : suites.some((text) => text.includes(`'${shown}'`))
    assert.ok(isThere, `${attempt}: no test "${shown}"`)
  }
})
