import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { codeOf, errorCatalogue, isErrorCode, WaybillError } from '#libs/domain/errors'
import { errorsPage } from '../../../scripts/errors-page.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/errors.md'), 'utf8')
const documented = [...page.matchAll(/^\| `([A-Z][A-Z_]+)` \|/gm)].map((match) => match[1] ?? '')

test('every code of the catalogue is explained in docs/errors.md, and no other', () => {
  assert.deepEqual(documented, Object.keys(errorCatalogue))
  assert.equal(page, errorsPage(), 'run `npm run generate` and commit what it wrote')
})

test('every help text is one or more whole sentences that fit into a table', () => {
  for (const [code, { help }] of Object.entries(errorCatalogue)) {
    assert.match(help, /^(?:[A-Z`]|waybill ).*[.]$/s, code)
    assert.doesNotMatch(help, /[|\n]/, code)
  }
})

test('an error keeps its code, its fixed text, its facts and its cause', () => {
  const cause = new Error('EIO')
  const error = new WaybillError('SOURCE_READ_ERROR', { offset: 5 }, { cause })
  assert.equal(error.message, `SOURCE_READ_ERROR: ${errorCatalogue.SOURCE_READ_ERROR.help}`)
  assert.deepEqual(
    [error.code, error.facts, error.cause, error.retry],
    ['SOURCE_READ_ERROR', { offset: 5 }, cause, 'again'],
  )
})

test('what is not ours is INTERNAL, and inherited names are no codes', () => {
  assert.equal(codeOf(new TypeError('x')), 'INTERNAL')
  assert.equal(codeOf('text'), 'INTERNAL')
  assert.equal(codeOf(new WaybillError('USAGE')), 'USAGE')
  assert.equal(isErrorCode('toString'), false)
  assert.equal(isErrorCode('__proto__'), false)
  assert.equal(isErrorCode('USAGE'), true)
})
