import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { median, table } from '../../bench/figures.ts'
import { measure } from '../../bench/measure.ts'
import { makeSet } from '../../bench/sets.ts'

const MiB = 1024 * 1024
/** Burns processor time, however busy the machine is. */
const burn = (ms: number): string => `while (process.cpuUsage().user < ${ms * 1000});`

test('processor time of a grandchild counts, waiting does not', async () => {
  const inner = JSON.stringify(burn(300))
  const script = `require('child_process').spawnSync(process.execPath, ['-e', ${inner}]); setTimeout(() => 0, 400)`
  const { exitCode, cpuSeconds, wallSeconds } = await measure({ command: process.execPath, args: ['-e', script] })
  assert.equal(exitCode, 0)
  assert.ok(wallSeconds >= 0.7, `${wallSeconds}`)
  assert.ok(cpuSeconds >= 0.3 && cpuSeconds < wallSeconds, `${cpuSeconds} of ${wallSeconds}`)
})

test('the peak of memory is found although it is gone at the end', async () => {
  const script = `let b = Buffer.alloc(200 * ${MiB}, 1); setTimeout(() => { b = null }, 150); setTimeout(() => 0, 300)`
  const { peakRssBytes } = await measure({ command: process.execPath, args: ['-e', script] })
  assert.ok(peakRssBytes > 200 * MiB && peakRssBytes < 400 * MiB, `${peakRssBytes}`)
})

test('exit code and last words of a failing command are kept', async () => {
  const { exitCode, output } = await measure({ command: 'bash', args: ['-c', 'echo out; echo err >&2; exit 3'] })
  assert.equal(exitCode, 3)
  assert.match(output, /out/)
  assert.match(output, /err/)
})

test('a set is made once and has the announced files', () => {
  const parent = mkdtempSync(join(tmpdir(), 'waybill-sets-'))
  try {
    const set = makeSet('small', { parent, factor: 0.0005 })
    assert.deepEqual([set.files, set.bytes], [10, 10 * 16 * 1024])
    assert.deepEqual(makeSet('small', { parent, factor: 0.0005 }), set)
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
})

test('medians of odd and even counts', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.throws(() => median([]), /no values/)
  assert.equal(
    table([
      ['a', 'b'],
      ['1', 'long'],
    ]),
    '| a | b    |\n|---|------|\n| 1 | long |',
  )
})
