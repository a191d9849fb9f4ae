import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const bin = join(import.meta.dirname, '../../../bin/waybill.js')
const folder = mkdtempSync(join(tmpdir(), 'waybill-start-'))
after(() => rmSync(folder, { recursive: true }))

function startAs(version: string): {
  readonly status: number | null
  readonly output: string
  readonly notices: string
} {
  const preload = join(folder, 'version.cjs')
  writeFileSync(
    preload,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`,
  )
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-r', preload, bin, 'version'], { encoding: 'utf8' })
  return { status, output: stdout, notices: stderr }
}

test('an old Node gets one clear line and exit code 2', () => {
  for (const version of ['4.9.1', '18.20.0', '20.20.0', '22.17.9']) {
    assert.deepEqual(startAs(version), {
      status: 2,
      output: '',
      notices: `waybill: NODE_TOO_OLD: waybill needs Node 22.18 or newer, and this is Node ${version}.\n`,
    })
  }
})

test('22.18 and newer are not refused', () => {
  for (const version of ['22.18.0', '24.0.0', '100.0.0']) assert.doesNotMatch(startAs(version).notices, /NODE_TOO_OLD/)
})

test('the first file can be read by any Node: nothing newer than ECMAScript 5 stands in it', () => {
  const code = readFileSync(bin, 'utf8').replace(/\/\/.*$/gm, '')
  assert.doesNotMatch(code, /\b(const|let|class|import|export|async|await)\b|=>|`|\?\?|\?\.|\.\.\./)
})
