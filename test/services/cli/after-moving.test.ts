import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createPlace, runProgram } from './program.ts'

const place = createPlace()
after(place.remove)

test('a report that cannot be written once all is moved does not end with "nothing was moved"', async () => {
  mkdirSync(join(place.folder, 'source'))
  writeFileSync(join(place.folder, 'source/a'), 'a')
  writeFileSync(join(place.folder, 'taken'), 'a file where a folder is needed')
  const words = ['migrate', 'source', 'copy', '--job', 'j', '--report', 'taken/report.json', '--progress', 'none']
  const end = await runProgram(words, place)
  assert.equal(end.code, 8, end.notices)
  assert.match(end.notices, /REPORT_NOT_WRITTEN/)
  assert.doesNotMatch(end.notices, /hasMoved/)
  assert.equal(readFileSync(join(place.folder, 'copy/a'), 'utf8'), 'a')
})

test("a job whose folder takes no report says so with the report's own code", async () => {
  mkdirSync(join(place.folder, 'state/waybill/jobs/k'), { recursive: true })
  writeFileSync(join(place.folder, 'state/waybill/jobs/k/reports'), 'a file where a folder is needed')
  const end = await runProgram(['migrate', 'source', 'other', '--job', 'k', '--progress', 'none'], place)
  assert.equal(end.code, 8, end.notices)
  assert.match(end.notices, /REPORT_NOT_WRITTEN/)
})
