import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSourcePeak, writeSourcePeak } from '#libs/runtime/source-peaks'

async function inFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-peaks-'))
  try {
    await act(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('a measured peak is found again by its source, and the newest one counts', () =>
  inFolder(async (parent) => {
    const folder = join(parent, 'jobs')
    assert.equal(await readSourcePeak(folder, '/data'), null)
    await writeSourcePeak(folder, '/data', { bytesPerSecond: 1_000, measuredAtMs: 1 })
    await writeSourcePeak(folder, '/other', { bytesPerSecond: 7, measuredAtMs: 2 })
    await writeSourcePeak(folder, '/data', { bytesPerSecond: 2_000, measuredAtMs: 3 })
    assert.deepEqual(await readSourcePeak(folder, '/data'), { bytesPerSecond: 2_000, measuredAtMs: 3 })
    assert.deepEqual(await readSourcePeak(folder, '/other'), { bytesPerSecond: 7, measuredAtMs: 2 })
    assert.equal(statSync(join(folder, '.source-peaks.json')).mode & 0o077, 0)
  }))

test('what is no peak is none, and a file that is no JSON is said', () =>
  inFolder(async (folder) => {
    const file = join(folder, '.source-peaks.json')
    writeFileSync(file, '{"/a": {"bytesPerSecond": -1, "measuredAtMs": 0}, "/b": 5, "__proto__": null}')
    assert.equal(await readSourcePeak(folder, '/a'), null)
    assert.equal(await readSourcePeak(folder, '/b'), null)
    writeFileSync(file, 'nonsense')
    await assert.rejects(readSourcePeak(folder, '/a'), { code: 'CONFIG_INVALID' })
  }))
