import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { createJobPlace, objectOf, writeLargeFile, writeSmallTree } from './job-place.ts'

const place = createJobPlace()
after(place.remove)

before(async () => {
  writeSmallTree(place)
  writeLargeFile(place, 'source/large.bin')
  const end = await place.run('migrate', 'source', 'target', '--job', 'tides', '--chunk-size', '5MiB', '-q')
  assert.equal(end.code, 0, end.notices)
})

const show = (...words: readonly string[]): ReturnType<typeof place.run> =>
  place.run('report', 'show', 'tides', ...words)

test('a report is the same, byte for byte, whenever it is asked for', async () => {
  const [first, second] = [await show(), await show('--output', 'second.ndjson')]
  assert.deepEqual([first.code, second.code], [0, 0])
  assert.equal(first.output, place.read('second.ndjson').toString())
})

test('every form is written from the state, and those that can be checked are valid', async () => {
  assert.match((await show('--format', 'csv')).output, /^name,name_base64,[^\r]*\r\na\.txt,/)
  assert.match((await show('--format', 'html')).output, /^<!doctype html>[\s\S]*<\/html>\n$/)
  assert.equal((await show('--format', 'json', '--output', 'report.json')).code, 0)
  const checked = await place.run('report', 'verify', 'report.json', '--json')
  const { verdict, exit_code: code, items, job_id: job } = objectOf(checked)
  assert.deepEqual([checked.code, verdict, code, items, job], [0, 'valid', 0, 8, 'tides'])
})

test('the sums are right for programs that know nothing of waybill', async () => {
  const end = await show('--format', 'sha256sums', '--output', 'sums')
  assert.equal(end.code, 0, end.notices)
  const check = (command: string, ...words: readonly string[]) =>
    spawnSync(command, words, { cwd: place.path('target'), encoding: 'utf8' })
  assert.equal(check('sha256sum', '-c', '--strict', '../sums/SHA256SUMS').status, 0)
  assert.equal(check('python3', '../sums/check.py', '../sums/CHUNKSUMS').status, 0)
  assert.equal((await show('--format', 'sha256sums')).code, 2)
})

test('a signed report is checked with the key; a changed byte and a wrong key end with 11', async () => {
  await place.run('keygen', 'key')
  await place.run('keygen', 'other')
  assert.equal((await show('--sign', 'key', '--output', 'signed.ndjson')).code, 0)
  const good = await place.run('report', 'verify', 'signed.ndjson', '--public-key', 'key.pub')
  assert.equal(good.code, 0)
  assert.match(good.output, /signed by the given key [0-9a-f]{64}\./)
  assert.equal((await place.run('report', 'verify', 'signed.ndjson', '--public-key', 'other.pub')).code, 11)
  const bytes = place.read('signed.ndjson')
  bytes[bytes.length - 200] = (bytes[bytes.length - 200] ?? 0) ^ 1
  place.write('changed.ndjson', bytes)
  const bad = await place.run('report', 'verify', 'changed.ndjson')
  assert.equal(bad.code, 11)
  assert.match(bad.notices, /^waybill: REPORT_INVALID: /)
})

test('what is no job and what is no file end with 2', async () => {
  assert.equal((await place.run('report', 'show', 'nothing-so')).code, 2)
  assert.equal((await place.run('report', 'verify', 'nothing-so.ndjson')).code, 2)
})
